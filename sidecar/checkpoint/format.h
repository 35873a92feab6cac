// The bytes of a checkpoint file (docs/formats/checkpoint.md). Private to this room and its tests.
// Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sidecar/checkpoint/checkpoint.h"

namespace semper::checkpoint {

inline constexpr uint16_t kFormatVersion = 1;
inline constexpr size_t kFixedHeaderBytes = 88;     // up to the name
inline constexpr size_t kNameBytesMax = 4096;       // of an immortal
inline constexpr size_t kStateBytesMax = 64 << 20;  // encoded CoordinatorState
inline constexpr size_t kSectionHeaderBytes = 16;
inline constexpr size_t kChunkBytesMax = 1 << 20;
inline constexpr size_t kServiceBytesMax = 1 << 20;  // encoded ServiceCheckpoint
inline constexpr size_t kTrailerBytes = 24;

enum class SectionKind : uint32_t { kOutput = 1, kService = 2, kChunk = 3, kTrailer = 4 };

struct SectionHeader {
  SectionKind kind{};
  uint32_t length = 0;
  uint32_t crc = 0;  // of the bytes that follow

  void Encode(std::byte* to) const;  // kSectionHeaderBytes
  // Nothing if the kind is unknown, the length impossible for it, or a reserved field not 0.
  static std::optional<SectionHeader> Decode(const std::byte* from);
};

struct Trailer {
  uint64_t sections = 0;  // before the trailer
  uint64_t state_bytes = 0;
  uint32_t state_crc = 0;  // of the service's whole state
  bool operator==(const Trailer&) const = default;

  void Encode(std::byte* to) const;  // kTrailerBytes
  static std::optional<Trailer> Decode(const std::byte* from);
};

// The whole header, its checksum included. INVALID_ARGUMENT if the name or the state is longer than
// the format allows.
absl::StatusOr<std::vector<std::byte>> EncodeHeader(const CheckpointHeader& header);

// Length of the whole header, from its first kFixedHeaderBytes. DATA_LOSS if these are not the
// beginning of a checkpoint, FAILED_PRECONDITION if a newer version wrote it. `file` is for
// messages.
absl::StatusOr<size_t> HeaderBytes(std::span<const std::byte> fixed, const std::string& file);

// Parses a whole header (HeaderBytes long), checksum included.
absl::StatusOr<CheckpointHeader> ParseHeader(std::span<const std::byte> bytes,
                                             const std::string& file);

// Names of files, without folders.
std::string PublishedName(CheckpointId id);
std::string TemporaryName(CheckpointId id, uint64_t random);
std::optional<CheckpointId> ParsePublishedName(std::string_view name);
bool IsTemporaryName(std::string_view name);

// The folder of the checkpoints of the immortal in `dir`.
std::string CheckpointFolder(const std::string& dir);

}  // namespace semper::checkpoint
