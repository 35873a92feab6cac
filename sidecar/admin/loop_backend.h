// LoopBackend: a Backend for a coordinator that lives on one event loop.
//
// Posts each question to the loop and waits for the answer with a deadline, so that a loop that
// hangs gives stale answers, never hanging ones. At most one question of each kind is under way:
// impatient callers do not pile up work on a loop that is behind.
#pragma once

#include <functional>
#include <memory>

#include "base/loop.h"
#include "sidecar/admin/backend.h"

namespace semper::admin {

class LoopBackend : public Backend {
 public:
  using CheckpointDone = std::function<void(absl::StatusOr<CheckpointRef>)>;

  // All are called on the loop's thread.
  struct Hooks {
    std::function<StatusSnapshot()> status;
    // Calls its argument exactly once on the loop, now or later; dropping it unanswered ends the
    // wait with UNAVAILABLE.
    std::function<void(CheckpointDone)> take_checkpoint;
    // Begins the hand-over to a member, or to the best that is ready if it is empty. Called when
    // the status names nothing against it; what else there may be is its answer.
    std::function<absl::Status(const std::string& to)> switchover;
    std::function<void()> drain;
  };

  // `loop` must outlive this object; posted questions may outlive it, the hooks are not called
  // after Detach.
  LoopBackend(Loop& loop, Hooks hooks,
              std::chrono::nanoseconds status_timeout = std::chrono::seconds(1));
  ~LoopBackend() override;

  // On the loop's thread, before what the hooks refer to goes away. Later questions get the last
  // known state.
  void Detach();

  StatusSnapshot Status() override;
  absl::StatusOr<CheckpointRef> TakeCheckpoint(std::chrono::nanoseconds timeout) override;
  absl::Status Switchover(const std::string& to, std::chrono::nanoseconds timeout) override;
  void Drain() override;

 private:
  struct Shared;

  Loop& loop_;
  const std::chrono::nanoseconds status_timeout_;
  std::shared_ptr<Shared> shared_;  // also held by what was posted
};

}  // namespace semper::admin
