// History: which records count, by the seals (docs/formats/log.md), and reading them.
//
// The decision is core::PlanHistory (pure); this room gathers what it needs from the files and
// walks them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/disk.h"
#include "sidecar/log/record.h"

namespace semper::log {

class SegmentReader;

// One stretch of history inside one epoch: its copied records, its seal, and its batches below
// `batches_end` (unlimited in the newest epoch).
struct EpochRange {
  core::Epoch epoch{};
  uint64_t nonce = 0;
  uint64_t batches_end = UINT64_MAX;
};

struct History {
  std::vector<EpochRange> ranges;  // oldest first; empty: nothing was ever sealed
  core::Index first_index{1};      // first index still retained
  Chain first_chain{};             // chain before it

  // The history of the epoch that writes `seal`, where *this was resolved below that epoch: the
  // same that ResolveHistory would give, without looking at files again.
  History SealedBy(const Seal& seal) const;
};

// Resolves the history below `below` (only epochs < below count; pass newest claim + 1 to include
// all), reading segment headers and seals past every cache. DATA_LOSS names file and offset of
// damage.
absl::StatusOr<History> ResolveHistory(Disk& disk, const std::string& dir, core::Epoch below);

// A place between two records of one segment, known to be committed up to there.
struct LogPlace {
  core::Epoch epoch{};  // 0: nowhere
  uint64_t nonce = 0;
  uint64_t number = 0;
  uint64_t offset = 0;
  uint64_t next_batch = 0;  // of this epoch; 0: its seal is still to come
  core::Index next_index{1};
  Chain chain{};
  FileIdentity file{};  // that was read
};

// What the newest valid epoch holds beyond its proven position, read past every cache: all that a
// take-over needs.
struct Tail {
  core::Epoch base_epoch{};  // for the seal of the new epoch
  uint64_t base_batches = 0;
  Chain base_chain{};
  core::Index base_index{};  // last index of the history before the records to copy
  core::Epoch first_void{};
  struct Record {
    RecordHeader header;
    std::vector<std::byte> body;
  };
  std::vector<Record> copy;  // oldest first
  core::Index last_index{};  // after the copies
  Chain chain{};             // after the copies
  uint64_t last_time = 0;    // logged time of the last input of history; 0: none is retained, or
                             // it is before the known place
  core::Index committed{};   // largest index stated committed in what was read; a lower bound
  History history;           // below the new epoch
};
// `known`: a committed place up to which the caller has read and checked all records; what is
// before it in its segment is not read again. `mode`: kRead only where one node has the volume to
// itself, so that its cache is what every writer wrote.
absl::StatusOr<Tail> ReadTail(Disk& disk, const std::string& dir, core::Epoch below,
                              const LogPlace& known = {}, OpenMode mode = OpenMode::kReadFresh);

// The newest history below `below` whose last seal is committed, as far as its own records state
// it, or as the caller knows: the seal of `known_epoch` is. Nothing: none is yet.
absl::StatusOr<std::optional<History>> ResolveCommitted(Disk& disk, const std::string& dir,
                                                        core::Epoch below, core::Epoch known_epoch);

// What the records of one epoch state, read ahead of the records that may be applied.
struct Stated {
  uint64_t committed = 0;  // batches
  uint64_t seen = 0;       // batches written, durable or not
};

// Walks the headers of the newest epoch of a history, to see what they state, and whether anything
// is still written. One thread.
class Lookout {
 public:
  Lookout(Disk& disk, std::string dir, const LogPlace& begin, OpenMode mode);
  ~Lookout();
  core::Epoch epoch() const { return place_.epoch; }
  // What is stated by now. NOT_FOUND: retention has removed the place.
  absl::StatusOr<Stated> Look();

 private:
  Disk& disk_;
  const std::string dir_;
  const LogPlace place_;
  const OpenMode mode_;
  std::unique_ptr<SegmentReader> segment_;
  Stated stated_;
};

struct Record {
  RecordHeader header;
  core::Epoch segment_epoch{};  // the epoch in whose segment it stands
  std::string_view file;        // for messages; valid until the next call
  uint64_t offset = 0;
  std::span<const std::byte> body;  // valid until the next call
  uint32_t entry_count() const { return header.entries; }
  core::FrameHeader entry(uint32_t i) const {
    return core::FrameHeader::Decode(body.data() + i * core::kFrameHeaderBytes);
  }
};

// Walks the records of a history in order and checks each one: crc, chain, batch and index
// continuity. Used for replay, for feeding a service that is behind the live tail, for verify, and
// by semperctl.
//
// In the newest epoch it follows what is being written, into new segments as well. One thread.
class HistoryReader {
 public:
  // Begins with the first record whose inputs reach beyond `after`, notes and seals before it left
  // out; with the very first record that is retained if `after` is history.first_index - 1
  // (Index{0} in a log that was never truncated). NOT_FOUND: `after` + 1 lies before what is
  // retained. `history` is copied. `known`: a place of an earlier reader; if it lies in the
  // history, and not beyond `after`, nothing before it is looked at.
  static absl::StatusOr<std::unique_ptr<HistoryReader>> Open(Disk& disk, const std::string& dir,
                                                             const History& history,
                                                             core::Index after,
                                                             OpenMode mode = OpenMode::kReadFresh,
                                                             const LogPlace& known = {});
  virtual ~HistoryReader() = default;

  // The next record, or nothing at the end of what is there now (a torn tail, or simply not yet
  // written: call again later). Notes and seals are returned too. DATA_LOSS: damage, or a record
  // that contradicts the chain.
  virtual absl::StatusOr<std::optional<Record>> Next() = 0;

  // For a standby, which must know whether it may read on before it does: does the next record, if
  // it is in this epoch at all, stand in the newest range, and which batch of it is next (0: copies
  // or the seal)?
  virtual bool in_newest_range() const = 0;
  virtual uint64_t next_batch() const = 0;
  // Where the next record of the current range is expected: what a take-over need not read again.
  virtual LogPlace place() const = 0;

  // Goes on in a history that was resolved later. FAILED_PRECONDITION: the epoch that is being read
  // is no part of it, or ends before the place reached: open a new reader.
  virtual absl::Status Continue(const History& newer) = 0;

  virtual Chain chain() const = 0;        // after the last record returned (or passed over)
  virtual core::Index index() const = 0;  // last index returned (or passed over)

  // From now on batches 0 .. `batches` - 1 of the newest epoch are known to be written: that Next
  // does not find one of them is DATA_LOSS instead of the end.
  virtual void Expect(uint64_t batches) = 0;

  // From now on Next stops before batch `batches` of the newest epoch, also where it passes over
  // notes: what is not committed does not count for a standby, and may vanish. Continue lifts it.
  virtual void StopAt(uint64_t batches) = 0;

  // After Next returned nothing: DATA_LOSS if the place where it stands is damage and not a torn
  // tail. Reads the rest of the segment. For verifying; Next itself never looks behind the end of a
  // log that is being written.
  virtual absl::Status CheckEnd() = 0;
};

// The chain after the record that ends at `index` in the history. NOT_FOUND if no record ends there
// or it is no longer retained. For comparing checkpoints. Cheap: reads one segment at most.
absl::StatusOr<Chain> ChainAt(Disk& disk, const std::string& dir, const History& history,
                              core::Index index);

}  // namespace semper::log
