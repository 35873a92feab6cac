// The jobs of the log lock: reading claims, claiming, taking over, looking up, recovering. Each is
// blocking work on a lane and one event for the core; what to do next is the core's to say.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/disk.h"
#include "base/executor.h"
#include "sidecar/checkpoint/checkpoint.h"
#include "sidecar/core/core.h"
#include "sidecar/log/claims.h"
#include "sidecar/log/genesis.h"
#include "sidecar/log/history.h"
#include "sidecar/log/writer.h"
#include "sidecar/runtime/follower.h"
#include "sidecar/runtime/options.h"

namespace semper::runtime {

// A job made of two functions; the owner keeps it alive while it runs. For work that is rare.
class FunctionJob : public Job {
 public:
  void Set(std::function<void()> work, std::function<void()> done) {
    work_ = std::move(work);
    done_ = std::move(done);
  }
  void Work() override { work_(); }
  void Done() override {
    const auto done = std::move(done_);  // it may set this job anew
    done();
  }

 private:
  std::function<void()> work_;
  std::function<void()> done_;
};

// Reads or creates the genesis, removes what an earlier process left unfinished.
absl::StatusOr<log::Genesis> OpenImmortal(Disk& disk, const Options& options,
                                          const std::string& dir, core::Incarnation fresh,
                                          uint64_t now);

struct TakenOver {
  std::unique_ptr<log::LogWriter> writer;
  Chain chain{};  // after the seal
  core::Index last_index{};
  uint64_t copied_records = 0;
  uint64_t void_epochs = 0;
  log::History history;  // with the new epoch
};
// Re-opens the older segments, copies the unproven tail into a segment of `epoch`, and seals it,
// durably. OUT_OF_RANGE: the log ends before `committed`, which was known to be committed.
absl::StatusOr<TakenOver> TakeOverLog(Disk& disk, const log::LogOptions& options, core::Epoch epoch,
                                      uint64_t nonce, uint64_t random,
                                      const log::LogPlace& known = {}, core::Index committed = {});

// What a take-over of `epoch` ran into. ABORTED: somebody has claimed a newer epoch, and may have
// removed what was being read; nothing else is said of it then (docs/adr/0005).
absl::Status UnlessDeposed(Disk& disk, const std::string& dir, core::Epoch epoch,
                           const absl::Status& found);

// What the log takes on its volume, for status; zeroes where it cannot be told.
struct LogSize {
  uint64_t segments = 0;
  uint64_t bytes = 0;
  uint64_t free_bytes = 0;
};
LogSize MeasureLog(Disk& disk, const std::string& dir);

struct RecoveredLog {
  LogSize size;
  log::History history;
  core::ReplicatedState state;
  checkpoint::CheckpointId checkpoint;  // index 0: none
  v1::CoordinatorState checkpoint_state;
  struct Held {
    core::FrameHeader frame;
    std::vector<std::byte> payload;
  };
  std::vector<Held> held;
  std::vector<std::string> skipped;  // checkpoints that were not usable, and why
  uint64_t scanned_inputs = 0;
};
// Applies the inputs of a record that `state` does not have yet; and of all records from where
// `reader` stands to the end. Return how many inputs that were. DATA_LOSS names file and offset.
absl::StatusOr<uint64_t> ApplyRecord(const log::Record& record, core::ReplicatedState& state);
absl::StatusOr<uint64_t> ApplyToEnd(log::HistoryReader& reader, core::ReplicatedState& state);

// Finds the newest checkpoint that fits `history`, and reads the log after it to its end at `last`.
absl::StatusOr<RecoveredLog> RecoverLog(Disk& disk, const std::string& dir, log::History history,
                                        const core::Incarnation& incarnation, core::Index last);

// What a standby begins with: the committed history, and the newest checkpoint that fits it; the
// state is the checkpoint's, nothing after it was read. `history` has no ranges while nothing is
// committed.
absl::StatusOr<RecoveredLog> JoinLog(Disk& disk, const std::string& dir,
                                     const core::Incarnation& incarnation);

// A take-over by a member that has followed: what is left to read, applied to `state`.
absl::StatusOr<RecoveredLog> RecoverFollowed(const std::string& dir, log::History history,
                                             Follower& follower, core::ReplicatedState state,
                                             core::Index last);

// Is this checkpoint, which a fellow has published, one of this history? Its header.
absl::StatusOr<checkpoint::CheckpointHeader> CheckForeignCheckpoint(
    Disk& disk, const std::string& dir, const log::History& history,
    const core::Incarnation& incarnation, checkpoint::CheckpointId id);

}  // namespace semper::runtime
