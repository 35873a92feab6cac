// SegmentHeader: the first 4096 bytes of a segment; SegmentName: its file name
// (docs/formats/log.md).
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/disk.h"
#include "sidecar/log/record.h"

namespace semper::log {

inline constexpr size_t kSegmentHeaderBytes = 4096;
inline constexpr size_t kSegmentNameBytesMax = 1024;  // of the immortal's name in the header

struct SegmentName {
  core::Epoch epoch{};
  uint64_t nonce = 0;
  uint64_t number = 0;                                   // from 0, at most 2^32 - 1
  auto operator<=>(const SegmentName&) const = default;  // NOLINT(modernize-use-nullptr)

  std::string File() const;                        // "<epoch>-<nonce>-<number>.seg"
  std::string Path(const std::string& dir) const;  // below the immortal's directory
  static std::optional<SegmentName> Parse(std::string_view file);
};

// Is there such a file in the log of `dir`? The directory is read afresh, which is right also where
// a look-up by name may be old.
absl::StatusOr<bool> IsListed(Disk& disk, const std::string& dir, const std::string& file);

struct SegmentHeader {
  core::Incarnation incarnation{};
  core::Epoch epoch{};
  uint64_t nonce = 0;
  uint64_t number = 0;
  uint32_t segment_id = 0;
  uint32_t alignment = 0;
  uint64_t first_batch =
      0;  // of the first record in here that is not copied; all before it was durable
  core::Index next_index{};  // of the first input in here, if there is one
  Chain chain{};             // before the first record
  std::optional<Seal> seal;  // in every segment begun after the epoch's seal was written
  std::string name;

  void Encode(std::byte* to) const;  // kSegmentHeaderBytes
  // Nothing: these are not the bytes of a header (never used, or torn). `file` is for messages.
  // UNIMPLEMENTED: written by a newer version. DATA_LOSS: a valid crc around impossible
  // values, or the header of another segment than `expected`.
  static absl::StatusOr<std::optional<SegmentHeader>> Decode(std::span<const std::byte> from,
                                                             const SegmentName& expected,
                                                             const std::string& file);
};

}  // namespace semper::log
