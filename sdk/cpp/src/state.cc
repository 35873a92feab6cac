#include "semper/state.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "sdk/cpp/src/serialize.h"

namespace semper {

namespace {
// Strings and messages are read in steps, so that a senseless length fails before it is believed.
constexpr size_t kStep = size_t{1} << 20;
}  // namespace

std::string internal::Serialize(const google::protobuf::MessageLite& message) {
  std::string text(message.ByteSizeLong(), '\0');
  SerializeTo(message, reinterpret_cast<std::byte*>(text.data()), text.size());
  return text;
}

void StateWriter::WriteUint64(uint64_t value) {
  std::byte bytes[8];
  StoreLittle(bytes, value);
  WriteBytes(bytes);
}

void StateWriter::WriteVarint(uint64_t value) {
  std::byte bytes[10];
  size_t n = 0;
  while (value >= 0x80) {
    bytes[n++] = static_cast<std::byte>(value | 0x80);
    value >>= 7;
  }
  bytes[n++] = static_cast<std::byte>(value);
  WriteBytes({bytes, n});
}

void StateWriter::WriteString(std::string_view text) {
  WriteVarint(text.size());
  WriteBytes(AsBytes(text));
}

void StateWriter::WriteMessage(const google::protobuf::MessageLite& message) {
  WriteString(internal::Serialize(message));
}

bool StateReader::Refill() {
  while (piece_.empty() && !ended_ && ok()) {
    piece_ = NextPiece();
    if (piece_.empty()) ended_ = true;
  }
  return ok() && !piece_.empty();
}

void StateReader::Fail(Code code, std::string_view text) {
  if (ok()) status_ = Status(code, text);
  piece_ = {};
  ended_ = true;
}

void StateReader::FailAtEnd(std::string_view what) {
  Fail(Code::kDataLoss, "the saved state ends at byte " + std::to_string(position_) +
                            " in the middle of " + std::string(what) +
                            ": Save wrote less than Load reads");
}

bool StateReader::ReadBytes(std::span<std::byte> out) {
  size_t done = 0;
  while (done < out.size()) {
    if (!Refill()) {
      FailAtEnd(std::to_string(out.size()) + " bytes");
      std::fill(out.begin(), out.end(), std::byte{0});
      return false;
    }
    const size_t n = std::min(piece_.size(), out.size() - done);
    std::memcpy(out.data() + done, piece_.data(), n);
    piece_ = piece_.subspan(n);
    position_ += n;
    done += n;
  }
  return ok();
}

uint64_t StateReader::ReadUint64() {
  std::byte bytes[8];
  ReadBytes(bytes);
  return LoadLittle<uint64_t>(bytes);
}

uint64_t StateReader::ReadVarint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    std::byte byte;
    if (!ReadBytes({&byte, 1})) return 0;
    value |= static_cast<uint64_t>(byte & std::byte{0x7f}) << shift;
    if ((byte & std::byte{0x80}) == std::byte{0}) return value;
  }
  Fail(Code::kDataLoss, "the saved state has no number at byte " + std::to_string(position_) +
                            ": Save and Load disagree about what is there");
  return 0;
}

std::string StateReader::ReadString() {
  uint64_t left = ReadVarint();
  std::string text;
  while (left > 0 && ok()) {
    const size_t step = static_cast<size_t>(std::min<uint64_t>(left, kStep));
    const size_t at = text.size();
    text.resize(at + step);
    ReadBytes({reinterpret_cast<std::byte*>(text.data() + at), step});
    left -= step;
  }
  if (!ok()) text.clear();
  return text;
}

bool StateReader::ReadMessage(google::protobuf::MessageLite& message) {
  const uint64_t at = position_;
  const std::string text = ReadString();
  if (ok() && !message.ParseFromString(text)) {
    Fail(Code::kDataLoss, "the saved state has no " + message.GetTypeName() + " at byte " +
                              std::to_string(at) + " (" + std::to_string(text.size()) +
                              " bytes do not parse): Save and Load disagree about what is there");
  }
  if (!ok()) message.Clear();
  return ok();
}

bool StateReader::AtEnd() { return !Refill(); }

void StateReader::SkipRest() {
  while (Refill()) {
    position_ += piece_.size();
    piece_ = {};
  }
}

}  // namespace semper
