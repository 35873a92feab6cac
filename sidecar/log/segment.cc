#include "sidecar/log/segment.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "base/check.h"

namespace semper::log {
namespace {

constexpr char kMagic[] = "SEMPRSEG";
constexpr uint16_t kVersion = 1;
constexpr size_t kNameOffset = 210;
constexpr size_t kSealOffset = 112;
constexpr size_t kCrcOffset = kSegmentHeaderBytes - 4;
static_assert(kNameOffset + kSegmentNameBytesMax <= kCrcOffset);

std::optional<uint64_t> ParseHex(std::string_view text) {
  uint64_t value = 0;
  for (char c : text) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && !(c >= 'a' && c <= 'f')) return std::nullopt;
    value = value << 4 | static_cast<uint64_t>(digit ? c - '0' : c - 'a' + 10);
  }
  return value;
}

absl::Status CheckReadable(const std::byte* p, const std::string& file) {
  const uint16_t version = LoadLittle<uint16_t>(p + 8);
  const uint16_t minimum_reader = LoadLittle<uint16_t>(p + 10);
  const uint64_t features = LoadLittle<uint64_t>(p + 96);
  const auto body_hash = static_cast<uint8_t>(p[12]);
  const auto chain_hash = static_cast<uint8_t>(p[13]);
  if (minimum_reader > kVersion || features != 0 || body_hash != kHashCrc32c ||
      chain_hash != kHashSha256_128) {
    return absl::UnimplementedError(
        absl::StrCat("segment ", file, " has format version ", version, ", minimum reader ",
                     minimum_reader, ", features ", absl::Hex(features), ", hashes ",
                     int{body_hash}, " and ", int{chain_hash}, "; this program reads version ",
                     kVersion, " without features: use the newer version that wrote it"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string SegmentName::File() const {
  return absl::StrFormat("%016x-%016x-%08x.seg", Raw(epoch), nonce, number);
}

std::string SegmentName::Path(const std::string& dir) const {
  return absl::StrCat(dir, "/log/", File());
}

std::optional<SegmentName> SegmentName::Parse(std::string_view file) {
  if (file.size() != 46 || file[16] != '-' || file[33] != '-' || file.substr(42) != ".seg") {
    return std::nullopt;
  }
  const auto epoch = ParseHex(file.substr(0, 16));
  const auto nonce = ParseHex(file.substr(17, 16));
  const auto number = ParseHex(file.substr(34, 8));
  if (!epoch.has_value() || !nonce.has_value() || !number.has_value() || *epoch == 0) {
    return std::nullopt;
  }
  return SegmentName{.epoch = core::Epoch{*epoch}, .nonce = *nonce, .number = *number};
}

absl::StatusOr<bool> IsListed(Disk& disk, const std::string& dir, const std::string& file) {
  auto files = disk.List(absl::StrCat(dir, "/log"));
  if (!files.ok()) return files.status();
  return std::find(files->begin(), files->end(), file) != files->end();
}

void SegmentHeader::Encode(std::byte* to) const {
  SEMPER_CHECK(name.size() <= kSegmentNameBytesMax, "a name of ", name.size(), " bytes");
  std::memset(to, 0, kSegmentHeaderBytes);
  std::memcpy(to, kMagic, 8);
  StoreLittle(to + 8, kVersion);
  StoreLittle(to + 10, kVersion);
  to[12] = std::byte{kHashCrc32c};
  to[13] = std::byte{kHashSha256_128};
  std::memcpy(to + 16, incarnation.data(), incarnation.size());
  StoreLittle(to + 32, Raw(epoch));
  StoreLittle(to + 40, nonce);
  StoreLittle(to + 48, number);
  StoreLittle(to + 56, segment_id);
  StoreLittle(to + 60, alignment);
  StoreLittle(to + 64, first_batch);
  StoreLittle(to + 72, Raw(next_index));
  std::memcpy(to + 80, chain.data(), chain.size());
  if (seal.has_value()) {
    StoreLittle(to + 104, uint64_t{1});
    seal->Encode(to + kSealOffset);
  }
  StoreLittle(to + 208, static_cast<uint16_t>(name.size()));
  std::memcpy(to + kNameOffset, name.data(), name.size());
  StoreLittle(to + kCrcOffset, Crc32c(0, {to, kCrcOffset}));
}

absl::StatusOr<std::optional<SegmentHeader>> SegmentHeader::Decode(std::span<const std::byte> from,
                                                                   const SegmentName& expected,
                                                                   const std::string& file) {
  if (from.size() < kSegmentHeaderBytes) return std::nullopt;
  const std::byte* p = from.data();
  if (std::memcmp(p, kMagic, 8) != 0) return std::nullopt;
  if (LoadLittle<uint32_t>(p + kCrcOffset) != Crc32c(0, {p, kCrcOffset})) return std::nullopt;
  if (absl::Status s = CheckReadable(p, file); !s.ok()) return s;
  SegmentHeader h;
  std::memcpy(h.incarnation.data(), p + 16, h.incarnation.size());
  h.epoch = core::Epoch{LoadLittle<uint64_t>(p + 32)};
  h.nonce = LoadLittle<uint64_t>(p + 40);
  h.number = LoadLittle<uint64_t>(p + 48);
  h.segment_id = LoadLittle<uint32_t>(p + 56);
  h.alignment = LoadLittle<uint32_t>(p + 60);
  h.first_batch = LoadLittle<uint64_t>(p + 64);
  h.next_index = core::Index{LoadLittle<uint64_t>(p + 72)};
  std::memcpy(h.chain.data(), p + 80, h.chain.size());
  const uint64_t has_seal = LoadLittle<uint64_t>(p + 104);
  const size_t name_bytes = LoadLittle<uint16_t>(p + 208);
  if (has_seal == 1) h.seal = Seal::Decode({p + kSealOffset, kSealBodyBytes});
  const bool seal_is_sound =
      has_seal == 0 || (h.seal.has_value() && h.seal->epoch == h.epoch && h.seal->nonce == h.nonce);
  if (SegmentName{h.epoch, h.nonce, h.number} != expected || !std::has_single_bit(h.alignment) ||
      h.alignment < 8 || h.alignment > kSegmentHeaderBytes || h.next_index == core::Index{} ||
      name_bytes > kSegmentNameBytesMax || has_seal > 1 || !seal_is_sound) {
    return absl::DataLossError(absl::StrCat(
        "segment ", file, ", offset 0: the header has a valid checksum but belongs to epoch ",
        Raw(h.epoch), ", number ", h.number, ", alignment ", h.alignment, ", seal ", has_seal,
        ", which does not fit its name; restore the log directory from a backup"));
  }
  h.name.assign(reinterpret_cast<const char*>(p + kNameOffset), name_bytes);
  return h;
}

}  // namespace semper::log
