// LogWriter: appends the records of one epoch to segments that it creates itself.
//
// Threads: all calls on the log writer's lane (one after the other), except PrepareSpare (housekeeping lane).
// After any error the writer is finished: every further call returns the same error (I5).
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/disk.h"
#include "sidecar/log/record.h"

namespace semper::log {

enum class Profile { kLocal, kShared };

struct LogOptions {
  std::string dir;  // of the immortal
  std::string name;
  core::Incarnation incarnation{};
  Profile profile = Profile::kLocal;
  uint64_t segment_bytes = 64u << 20;  // when a record would go beyond, the next segment begins; a larger record gets
                                       // a segment of its own size
};

class LogWriter {
 public:
  // Creates segment 0 of `epoch`. `next` is the index of the first input of the history after `base`, i.e. of the
  // first copied record; `chain` the chain before it. `random` makes segment ids.
  static absl::StatusOr<std::unique_ptr<LogWriter>> Start(Disk& disk, LogOptions options, core::Epoch epoch,
                                                          uint64_t nonce, core::Index next, const Chain& chain,
                                                          uint64_t random);

  // Copies one record of an older epoch: header bytes 32..95 as they are, this epoch's segment id. Before Seal.
  absl::Status Copy(const RecordHeader& header, std::span<const std::byte> body);

  // Writes the seal as batch 0, after all copies, and syncs. Returns its header (chain included).
  absl::StatusOr<RecordHeader> WriteSeal(const Seal& seal);

  // Writes a closed unit. Not durable before Sync.
  absl::Status Append(Unit& unit);

  absl::Status Sync();

  // True when a spare segment should be prepared (the current one is half full and there is no spare).
  bool WantsSpare() const;
  // Creates the next segment beforehand (local profile: prewritten with zeroes). Any thread. An error is kept out of
  // the way: Append then creates the segment itself.
  absl::Status PrepareSpare();

  uint64_t bytes_written() const;

 private:
  LogWriter() = default;
};

}  // namespace semper::log
