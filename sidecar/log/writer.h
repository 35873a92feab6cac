// LogWriter: appends the records of one epoch to segments that it creates itself.
//
// Threads: all calls on the log writer's lane (one after the other), except LookUp, PrepareSpare
// and bytes_written. No lock is held across a disk operation. After any error the writer is
// finished: every further call returns the same error (I5).
//
// What is on disk at every moment, and what readers build on:
// - a segment is begun (header written, synced, directory synced) only when every record before it
//   is durable, and its first record is written only after that;
// - a record is written only when the one before it is durable, copies apart; the seal only when
// all
//   copies are.
//
// Sizes on the local profile, by measurement (ext4 on a virtual disk, 4 KiB and 64 KiB units,
// median of write and fdatasync): file that grows 268 and 417 us, unwritten extents 151 and 353 us,
// prewritten 97 and 188 us. So segments are prewritten, but not segment 0, which a take-over waits
// for: it grows, and it is small, so that the prewritten segment 1 (asked for at once) takes over
// soon. Sizes then go up by four, since a short epoch should not cost a large one.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/disk.h"
#include "sidecar/log/claims.h"
#include "sidecar/log/history.h"
#include "sidecar/log/record.h"

namespace semper::log {

enum class Profile { kLocal, kShared };

// The log is not the one that was written to, or followed: OUT_OF_RANGE, with what to do.
absl::Status ReplacedError(const std::string& what);

struct LogOptions {
  std::string dir;  // of the immortal
  std::string name;
  core::Incarnation incarnation{};
  Profile profile = Profile::kLocal;
  uint64_t segment_bytes =
      64u << 20;  // when a record would go beyond, the next segment begins; a
                  // larger record gets a segment of its own size. While a spare
                  // is being prepared the current segment grows beyond it.
};

class LogWriter {
 public:
  // Creates segment 0 of `epoch`. `next` is the index of the first input of the history after
  // `base`, i.e. of the first copied record; `chain` the chain before it. `random` makes segment
  // ids.
  static absl::StatusOr<std::unique_ptr<LogWriter>> Start(Disk& disk, LogOptions options,
                                                          core::Epoch epoch, uint64_t nonce,
                                                          core::Index next, const Chain& chain,
                                                          uint64_t random);

  // Copies one record of an older epoch: header bytes 32..95 as they are, this epoch's segment id.
  // Before Seal.
  absl::Status Copy(const RecordHeader& header, std::span<const std::byte> body);

  // Writes the seal as batch 0, after all copies, and syncs: the copies, then the seal. Returns its
  // header (chain included).
  absl::StatusOr<RecordHeader> WriteSeal(const Seal& seal);

  // Writes a closed unit, with one WriteAt. Not durable before Sync.
  // What was appended before and not synced is synced first.
  absl::Status Append(Unit& unit);

  absl::Status Sync();

  // After a Sync, and before what it made durable is confirmed: log::LookUp, and whether the
  // segment's name still leads to the file that was written to. Whoever puts an older copy of the
  // directory in its place would else have this epoch go on in files that no start ever finds:
  // OUT_OF_RANGE, unless a newer epoch is claimed. Any thread.
  absl::StatusOr<core::Epoch> LookUp() const;

  // True when a spare segment should be prepared: there is none, and the current segment is half
  // full or is a segment 0 of the local profile.
  bool WantsSpare() const;
  // Creates the next segment beforehand (local profile: one that was set aside, else prewritten
  // with zeroes). Any thread. An error is kept out of the way: Append then creates the segment
  // itself.
  absl::Status PrepareSpare();

  // Bytes written so far, headers and padding included. Any thread.
  uint64_t bytes_written() const { return bytes_written_.load(std::memory_order_relaxed); }

  // The records of this epoch, for reading them: resolved history + this is History::SealedBy.
  EpochRange range() const { return {.epoch = epoch_, .nonce = nonce_}; }

 private:
  enum class Spare { kNone, kPreparing, kReady, kFailed };
  struct Place {
    std::string path;
    FileIdentity identity;
  };

  LogWriter(Disk& disk, LogOptions options, core::Epoch epoch, uint64_t nonce, uint64_t random)
      : disk_(disk),
        options_(std::move(options)),
        epoch_(epoch),
        nonce_(nonce),
        random_(random),
        look_up_(options_.dir, epoch) {}

  uint32_t alignment() const;
  uint64_t TargetBytes(uint64_t number) const;
  std::string Path(uint64_t number) const;
  std::shared_ptr<const Place> place() const;
  absl::Status NotShown(const Place& place, const absl::StatusOr<FileIdentity>& found) const;
  absl::Status CheckListed(uint64_t number) const;
  absl::Status BeginSegment(std::unique_ptr<File> spare);
  absl::Status Roll();
  // `gather` begins with an empty place for the header, and gets header and padding.
  absl::Status WriteRecord(RecordHeader& header, std::vector<iovec>& gather);
  absl::Status SyncFile();
  absl::Status Fail(const absl::Status& why, std::string_view what);

  Disk& disk_;
  const LogOptions options_;
  const core::Epoch epoch_;
  const uint64_t nonce_;
  const uint64_t random_;
  const log::LookUp look_up_;

  absl::Status status_;  // not OK: finished
  std::unique_ptr<File> file_;
  uint32_t segment_id_ = 0;
  uint64_t offset_ = 0;    // where the next record goes
  bool unsynced_ = false;  // records that were written since the last sync
  std::atomic<uint64_t> bytes_written_ = 0;

  Chain chain_{};
  core::Index next_index_{};
  uint64_t next_batch_ = 0;
  uint64_t copied_records_ = 0;
  std::optional<Seal> seal_;
  std::vector<iovec> gather_;

  mutable std::mutex mutex_;  // what follows
  uint64_t number_ = 0;       // of the current segment
  // Of the current segment; shared with look-ups, which may hang while the log goes on.
  std::shared_ptr<const Place> place_;
  Spare spare_ = Spare::kNone;
  std::unique_ptr<File> spare_file_;
};

}  // namespace semper::log
