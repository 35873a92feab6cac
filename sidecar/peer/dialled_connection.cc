#include "sidecar/peer/dialled_connection.h"

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "sidecar/peer/timing.h"

namespace semper::peer {

using core::FrameHeader;
using core::FrameKind;

DialledConnection::DialledConnection(Loop& loop, wire::ReadArena& arena, std::string address)
    : loop_(loop), arena_(arena), address_(std::move(address)) {}

void DialledConnection::Dial() {
  dial_ =
      loop_.Dial(address_, kHandshakeLimit, [this](absl::StatusOr<std::unique_ptr<Stream>> stream) {
        if (!stream.ok()) return Fail(std::string(stream.status().message()));
        Greet(*std::move(stream));
      });
}

void DialledConnection::Greet(std::unique_ptr<Stream> stream) {
  stream_ = std::move(stream);
  stream_->SetHandler(this);
  reader_.emplace(arena_);
  timer_ = loop_.After(kHandshakeLimit, [this] { OnTimer(); });
  const auto [kind, hello] = MakeGreeting();
  Push(kind, hello);
}

void DialledConnection::OnReadable() {
  if (!stream_) return;
  heard_ = true;
  std::string failure;
  const absl::Status s = reader_->Read(
      *stream_, *this, kReadBudgetBytes, [&](const FrameHeader& header, const Buffer& payload) {
        if (header.kind == FrameKind::kPing) return true;
        // An ack has a hash there.
        if (header.kind != FrameKind::kAck && header.crc != Crc32c(0, payload.bytes())) {
          failure = "a payload with a wrong CRC32C";
        } else {
          failure = Take(header, payload);
        }
        return stream_ != nullptr && failure.empty();
      });
  if (!stream_) return;
  if (!failure.empty()) return Fail(failure);
  if (!s.ok()) Fail(std::string(s.message()));
}

void DialledConnection::OnClosed(const absl::Status& why) {
  if (stream_) Fail(std::string(why.message()));
}

std::string DialledConnection::Refusal(const FrameHeader& header, const std::byte* encoded) {
  if (header.last != wire::PeerHeaderCrc(encoded)) return "a frame header with a wrong CRC32C";
  if (header.bytes > kHandshakeBytesMax)
    return absl::StrCat("an answer of ", header.bytes, " bytes");
  return "";
}

void DialledConnection::SetWelcomed() {
  welcomed_ = true;
  timer_ = loop_.After(kPingAfter, [this] { OnTimer(); });
}

void DialledConnection::Push(FrameKind kind, const std::string& bytes) {
  if (!stream_) return;
  FrameHeader header;
  header.kind = kind;
  Buffer payload = bytes.empty() ? Buffer() : arena_.pool().Copy(AsBytes(bytes));
  header.bytes = static_cast<uint32_t>(payload.size());
  if (!payload.empty()) header.crc = Crc32c(0, payload.bytes());
  wire::FinishPeerHeader(header);
  writer_.Push(header, std::move(payload));
  said_ = true;
  writer_.Flush(*stream_);
}

void DialledConnection::PushAtEndOfRound(FrameHeader header, const Buffer& payload) {
  if (!stream_) return;
  wire::FinishPeerHeader(header);
  writer_.Push(header, payload);
  loop_.AtEndOfRound(flush_);
}

void DialledConnection::Flush() {
  if (!stream_) return;
  said_ = true;
  writer_.Flush(*stream_);
  OnWritten();
}

void DialledConnection::OnTimer() {
  if (!welcomed_) return Fail("no answer to the hello");
  quiet_ = heard_ ? 0 : quiet_ + 1;
  heard_ = false;
  if (quiet_ >= kQuietLimit / kPingAfter) return Fail("silent for too long");
  if (!said_ && writer_.empty()) Push(FrameKind::kPing, "");
  said_ = false;
  timer_ = loop_.After(kPingAfter, [this] { OnTimer(); });
}

void DialledConnection::Close() {
  if (!dial_ && !stream_) return;
  dial_.reset();
  timer_.reset();
  writer_.Clear();
  welcomed_ = heard_ = said_ = false;
  quiet_ = 0;
  // Both may be on the call stack.
  std::shared_ptr<Stream> dying = std::move(stream_);
  loop_.AtEndOfRound([dying, self = shared_from_this()] {});
}

void DialledConnection::Fail(const std::string& why) {
  Close();
  OnEnded(why);
}

}  // namespace semper::peer
