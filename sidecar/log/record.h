// Record: the unit of the log (docs/formats/log.md). Headers, seals, and the builder of a write
// unit.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/hash.h"
#include "sidecar/core/types.h"

namespace semper::log {

inline constexpr size_t kRecordHeaderBytes = 96;
inline constexpr size_t kSealBodyBytes = 96;
inline constexpr uint32_t kRecordBodyBytesMax = 64u << 20;

enum class RecordKind : uint16_t { kInputs = 1, kNote = 2, kSeal = 3 };

struct RecordHeader {
  uint64_t durable = 0;    // batches of the segment's epoch
  uint64_t committed = 0;  // likewise
  bool copied = false;
  uint32_t padding = 0;
  RecordKind kind = RecordKind::kInputs;
  uint32_t entries = 0;
  core::Epoch origin_epoch{};
  core::Batch batch{};
  core::Index first_index{};
  uint32_t inputs = 0;
  uint32_t body_bytes = 0;
  uint32_t body_crc = 0;
  Chain chain{};  // after this record

  // Encodes with the header crc seeded by `segment_id`. `to` has kRecordHeaderBytes.
  void Encode(std::byte* to, uint32_t segment_id) const;
  // Nothing if magic, crc or ranges are wrong.
  static std::optional<RecordHeader> Decode(std::span<const std::byte> from, uint32_t segment_id);
  // The chain after this record, given the chain before it (does not look at `chain`).
  Chain ChainAfter(const Chain& before) const;
};

struct Seal {
  core::Epoch epoch{};
  uint64_t nonce = 0;
  core::Epoch base_epoch{};
  uint64_t base_batches = 0;
  Chain base_chain{};
  uint64_t copied_records = 0;
  core::Index last_index{};
  Chain copied_chain{};
  core::Epoch first_void{};

  void Encode(std::byte* to) const;  // kSealBodyBytes
  static std::optional<Seal> Decode(std::span<const std::byte> from);
  bool operator==(const Seal&) const = default;
};

// One group commit being gathered: entries by value, payloads by reference. Reused without
// allocating once its vectors have grown. Loop's thread until Close, then the log writer's lane
// until the write is done.
class Unit {
 public:
  // Empties it. The next input has index `next`.
  void Begin(core::Index next);

  // Adds the frame `entry` (index, time, crc, bytes, count filled). `payload` must stay in place
  // until the write is done; payloads of at most kCopyBytes are copied instead.
  void Add(const core::FrameHeader& entry, std::span<const std::byte> payload);

  bool empty() const { return entry_count_ == 0; }
  size_t body_bytes() const;  // entries and payloads
  uint32_t entry_count() const;
  core::Index first_index() const { return header_.first_index; }
  core::Index last_index() const;  // first_index() - 1 if it is empty

  // Finishes the record: as inputs if something was added, else as a note. Returns its header,
  // chain included.
  const RecordHeader& Close(core::Epoch epoch, core::Batch batch, uint64_t durable,
                            uint64_t committed, const Chain& before);

  const RecordHeader& header() const { return header_; }

  static constexpr size_t kCopyBytes = 512;

 private:
  friend class LogWriter;
  void AddSmall(std::span<const std::byte> payload);

  RecordHeader header_;
  std::vector<std::byte> entries_;  // encoded; only ever grows, entries_bytes_ of it are in use
  size_t entries_bytes_ = 0;
  std::vector<std::byte> small_;  // copied payloads
  struct Piece {
    const std::byte* data;  // nullptr: in small_
    size_t offset;
    size_t length;
  };
  std::vector<Piece> pieces_;
  std::vector<iovec> gather_;
  size_t payload_bytes_ = 0;
  uint32_t payload_crc_ = 0;
  uint32_t entry_count_ = 0;
  uint64_t inputs_ = 0;
  bool closed_ = false;
};

}  // namespace semper::log
