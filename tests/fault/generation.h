// Generation: one life of a coordinator on a log directory, reduced to what it does to the disk.
//
// Claim, take over, seal, load a checkpoint, write, look up, acknowledge, roll, checkpoint,
// truncate: through the real log and checkpoint rooms, every step in the order that core.md
// demands. Told to the ledger only when it is true.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/disk.h"
#include "sidecar/log/history.h"
#include "sidecar/log/writer.h"
#include "tests/fault/ledger.h"
#include "tests/support/sim_random.h"

namespace semper::fault {

struct GenerationOptions {
  log::Profile profile = log::Profile::kLocal;
  uint64_t segment_bytes = 12 << 10;
  int units = 8;             // group commits
  int checkpoint_every = 5;  // units; then what is old is removed, on the local profile reused
  uint64_t seed = 0;         // of what is written
};

class Generation {
 public:
  static constexpr char kDir[] = "/volume/shop/orders";

  Generation(Disk& disk, Ledger& ledger, GenerationOptions options);

  // All of it. Not OK: the process was killed (ABORTED), or gave up.
  absl::Status Run();
  // Up to the moment at which it leads: everything before it is compared with the ledger.
  absl::Status Recover();

 private:
  absl::Status OpenGenesis();
  absl::Status TakeOver();
  absl::Status Confirm();  // the look-up after the seal, then adopting the history
  absl::StatusOr<LogContents> ReadAll();
  absl::StatusOr<std::optional<checkpoint::CheckpointId>> LoadCheckpoint(const log::History&);
  absl::Status VerifyContents(checkpoint::CheckpointId id);
  absl::Status WriteUnit(bool note);
  absl::Status SyncAndLookUp();
  absl::Status LookUp();
  absl::Status WriteCheckpoint();
  absl::Status RemoveOld();

  Disk& disk_;
  Ledger& ledger_;
  const GenerationOptions options_;
  sim::SimRandom random_;
  core::Incarnation incarnation_{};
  core::Epoch epoch_{};
  uint64_t nonce_ = 0;
  std::unique_ptr<log::LogWriter> writer_;
  log::Unit unit_;
  std::deque<std::string> payloads_;  // of the unit that is being written
  Chain chain_{};
  core::Index last_{};
  uint64_t batches_ = 0;    // written
  uint64_t durable_ = 0;    // of them
  uint64_t committed_ = 0;  // of them
  struct End {              // of a batch
    uint64_t batches;
    core::Index index;
    Chain chain;
    bool inputs;
  };
  std::deque<End> unanswered_;
  End newest_answered_{};  // with inputs: where a checkpoint can be cut
};

}  // namespace semper::fault
