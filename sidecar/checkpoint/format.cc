#include "sidecar/checkpoint/format.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace semper::checkpoint {
namespace {

constexpr std::string_view kMagic = "SEMPRCKP";
constexpr uint16_t kMinimumReader = 1;
constexpr size_t kChecksumBytes = 4;
constexpr size_t kIdDigits = 16;
constexpr std::string_view kPublishedSuffix = ".ckpt";
constexpr std::string_view kTemporaryMark = ".tmp-";

absl::Status Damaged(const std::string& file, size_t offset, const std::string& what) {
  return absl::DataLossError(absl::StrCat("checkpoint ", file, ", offset ", offset, ": ", what));
}

std::string Hex16(uint64_t value) { return absl::StrFormat("%016x", value); }

std::optional<uint64_t> ParseHex16(std::string_view text) {
  if (text.size() != kIdDigits) return std::nullopt;
  uint64_t value = 0;
  for (char c : text) {
    // Upper case is refused: one id has one name.
    if (c >= '0' && c <= '9') {
      value = value * 16 + static_cast<uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = value * 16 + static_cast<uint64_t>(c - 'a' + 10);
    } else {
      return std::nullopt;
    }
  }
  return value;
}

std::optional<CheckpointId> ParseId(std::string_view text) {
  if (text.size() != 2 * kIdDigits + 1 || text[kIdDigits] != '-') return std::nullopt;
  auto epoch = ParseHex16(text.substr(0, kIdDigits));
  auto index = ParseHex16(text.substr(kIdDigits + 1));
  if (!epoch || !index) return std::nullopt;
  return CheckpointId{core::Epoch{*epoch}, core::Index{*index}};
}

bool LengthFits(SectionKind kind, uint32_t length) {
  switch (kind) {
    case SectionKind::kOutput:
      return length >= core::kFrameHeaderBytes &&
             length <= core::kFrameHeaderBytes + core::kFramePayloadBytesMax;
    case SectionKind::kService:
      return length <= kServiceBytesMax;
    case SectionKind::kChunk:
      return length <= kChunkBytesMax;
    case SectionKind::kTrailer:
      return length == kTrailerBytes;
  }
  return false;
}

}  // namespace

void SectionHeader::Encode(std::byte* to) const {
  StoreLittle(to, static_cast<uint32_t>(kind));
  StoreLittle(to + 4, length);
  StoreLittle(to + 8, crc);
  StoreLittle(to + 12, uint32_t{0});
}

std::optional<SectionHeader> SectionHeader::Decode(const std::byte* from) {
  SectionHeader header{.kind = static_cast<SectionKind>(LoadLittle<uint32_t>(from)),
                       .length = LoadLittle<uint32_t>(from + 4),
                       .crc = LoadLittle<uint32_t>(from + 8)};
  if (!LengthFits(header.kind, header.length)) return std::nullopt;
  if (LoadLittle<uint32_t>(from + 12) != 0) return std::nullopt;
  return header;
}

void Trailer::Encode(std::byte* to) const {
  StoreLittle(to, sections);
  StoreLittle(to + 8, state_bytes);
  StoreLittle(to + 16, state_crc);
  StoreLittle(to + 20, uint32_t{0});
}

std::optional<Trailer> Trailer::Decode(const std::byte* from) {
  if (LoadLittle<uint32_t>(from + 20) != 0) return std::nullopt;
  return Trailer{.sections = LoadLittle<uint64_t>(from),
                 .state_bytes = LoadLittle<uint64_t>(from + 8),
                 .state_crc = LoadLittle<uint32_t>(from + 16)};
}

absl::StatusOr<std::vector<std::byte>> EncodeHeader(const CheckpointHeader& header) {
  std::string state;
  {
    google::protobuf::io::StringOutputStream stream(&state);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    if (!header.state.SerializeToCodedStream(&coded)) {
      return absl::InvalidArgumentError(
          absl::StrCat("cannot encode the coordinator's state of checkpoint ",
                       PublishedName(header.id), " (", header.state.ByteSizeLong(), " bytes)"));
    }
  }
  if (header.name.size() > kNameBytesMax || state.size() > kStateBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("checkpoint ", PublishedName(header.id), ": name of ", header.name.size(),
                     " bytes (at most ", kNameBytesMax, "), coordinator state of ", state.size(),
                     " bytes (at most ", kStateBytesMax, ")"));
  }
  std::vector<std::byte> bytes(kFixedHeaderBytes + header.name.size() + state.size() +
                               kChecksumBytes);
  std::byte* to = bytes.data();
  std::memcpy(to, kMagic.data(), kMagic.size());
  StoreLittle(to + 8, kFormatVersion);
  StoreLittle(to + 10, kMinimumReader);
  to[12] = std::byte{kHashCrc32c};
  to[13] = std::byte{kHashSha256_128};
  std::memcpy(to + 24, header.incarnation.data(), header.incarnation.size());
  StoreLittle(to + 40, core::Raw(header.id.epoch));
  StoreLittle(to + 48, core::Raw(header.id.index));
  StoreLittle(to + 56, header.batches);
  std::memcpy(to + 64, header.chain.data(), header.chain.size());
  StoreLittle(to + 80, static_cast<uint32_t>(header.name.size()));
  StoreLittle(to + 84, static_cast<uint32_t>(state.size()));
  std::byte* end = std::ranges::copy(AsBytes(header.name), to + kFixedHeaderBytes).out;
  end = std::ranges::copy(AsBytes(state), end).out;
  StoreLittle(end, Crc32c(0, {bytes.data(), bytes.size() - kChecksumBytes}));
  return bytes;
}

absl::StatusOr<size_t> HeaderBytes(std::span<const std::byte> fixed, const std::string& file) {
  if (fixed.size() < kFixedHeaderBytes) {
    return Damaged(file, fixed.size(), "the file ends within its header: unfinished");
  }
  const std::byte* from = fixed.data();
  if (AsText(fixed.first(kMagic.size())) != kMagic) {
    return Damaged(file, 0, "does not begin with SEMPRCKP: not a checkpoint, or overwritten");
  }
  const auto version = LoadLittle<uint16_t>(from + 8);
  const auto minimum = LoadLittle<uint16_t>(from + 10);
  const auto features = LoadLittle<uint64_t>(from + 16);
  if (minimum > kFormatVersion || features != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "checkpoint ", file, " has format version ", version, " for readers from version ", minimum,
        " on, with feature bits ", Hex16(features), "; this program reads version ", kFormatVersion,
        " without features: use the version of Semper that wrote it, or a newer one"));
  }
  if (from[12] != std::byte{kHashCrc32c} || from[13] != std::byte{kHashSha256_128} ||
      LoadLittle<uint16_t>(from + 14) != 0) {
    return Damaged(file, 12, "unknown hash algorithms");
  }
  const auto name_bytes = LoadLittle<uint32_t>(from + 80);
  const auto state_bytes = LoadLittle<uint32_t>(from + 84);
  if (name_bytes > kNameBytesMax || state_bytes > kStateBytesMax) {
    return Damaged(file, 80,
                   absl::StrCat("impossible lengths of name (", name_bytes, ") and state (",
                                state_bytes, ")"));
  }
  return kFixedHeaderBytes + name_bytes + state_bytes + kChecksumBytes;
}

absl::StatusOr<CheckpointHeader> ParseHeader(std::span<const std::byte> bytes,
                                             const std::string& file) {
  auto length = HeaderBytes(bytes, file);
  if (!length.ok()) return length.status();
  if (bytes.size() < *length) {
    return Damaged(file, bytes.size(), "the file ends within its header: unfinished");
  }
  const size_t covered = *length - kChecksumBytes;
  if (LoadLittle<uint32_t>(bytes.data() + covered) != Crc32c(0, bytes.first(covered))) {
    return Damaged(file, covered, "the checksum of the header is wrong");
  }
  const std::byte* from = bytes.data();
  CheckpointHeader header;
  std::memcpy(header.incarnation.data(), from + 24, header.incarnation.size());
  header.id.epoch = core::Epoch{LoadLittle<uint64_t>(from + 40)};
  header.id.index = core::Index{LoadLittle<uint64_t>(from + 48)};
  header.batches = LoadLittle<uint64_t>(from + 56);
  std::memcpy(header.chain.data(), from + 64, header.chain.size());
  const auto name_bytes = LoadLittle<uint32_t>(from + 80);
  header.name = AsText(bytes.subspan(kFixedHeaderBytes, name_bytes));
  const auto state = bytes.first(covered).subspan(kFixedHeaderBytes + name_bytes);
  if (!header.state.ParseFromArray(state.data(), static_cast<int>(state.size()))) {
    return Damaged(file, kFixedHeaderBytes + name_bytes, "the coordinator's state does not parse");
  }
  return header;
}

std::string PublishedName(CheckpointId id) {
  return absl::StrCat(Hex16(core::Raw(id.epoch)), "-", Hex16(core::Raw(id.index)), ".ckpt");
}

std::string TemporaryName(CheckpointId id, uint64_t random) {
  return absl::StrCat(PublishedName(id), ".tmp-", Hex16(random));
}

std::optional<CheckpointId> ParsePublishedName(std::string_view name) {
  if (!name.ends_with(kPublishedSuffix)) return std::nullopt;
  return ParseId(name.substr(0, name.size() - kPublishedSuffix.size()));
}

bool IsTemporaryName(std::string_view name) {
  const size_t mark = name.rfind(kTemporaryMark);
  return mark != std::string_view::npos && ParsePublishedName(name.substr(0, mark)).has_value() &&
         ParseHex16(name.substr(mark + kTemporaryMark.size())).has_value();
}

std::string CheckpointFolder(const std::string& dir) { return dir + "/checkpoints"; }

std::string CheckpointPath(const std::string& dir, CheckpointId id) {
  return absl::StrCat(CheckpointFolder(dir), "/", PublishedName(id));
}

}  // namespace semper::checkpoint
