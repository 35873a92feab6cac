#include "sidecar/admin/loop_backend.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "fmt/format.h"
#include "sidecar/admin/switchover.h"

namespace semper::admin {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

// Outlives the LoopBackend while posted questions are under way. `hooks` and `attached` belong to
// the loop's thread; everything below `mutex` is shared.
struct LoopBackend::Shared {
  Hooks hooks;
  bool attached = true;

  std::mutex mutex;
  std::condition_variable answered;
  bool asked = false;     // a status question is under way
  uint64_t answers = 0;   // how many status questions were answered
  bool detached = false;  // the loop has said that there will be no more answers
  bool drain_asked = false;
  bool checkpoint_asked = false;
  bool switchover_asked = false;
  StatusSnapshot last;
  steady_clock::time_point last_time = steady_clock::now();
};

namespace {

// One checkpoint that somebody waits for. Answered by the callback, or with UNAVAILABLE when the
// last copy of the callback goes away unanswered.
struct CheckpointWait {
  std::mutex mutex;
  std::condition_variable changed;
  bool finishing = false;  // the first answer counts
  bool done = false;
  absl::StatusOr<CheckpointRef> result = absl::UnknownError("not answered");
  std::function<void()> ended;  // frees the way for the next question

  void Finish(absl::StatusOr<CheckpointRef> answer) {
    std::function<void()> end;
    {
      std::lock_guard lock(mutex);
      if (std::exchange(finishing, true)) return;
      end = std::move(ended);
    }
    // Before the waiter goes on: its next question must find the way free.
    if (end) end();
    {
      std::lock_guard lock(mutex);
      done = true;
      result = std::move(answer);
    }
    changed.notify_all();
  }
};

// One switchover that somebody waits for. Given up, it does not begin later behind their back.
struct SwitchoverWait {
  std::mutex mutex;
  std::condition_variable changed;
  bool given_up = false;
  std::optional<absl::Status> result;
};

// Travels inside the callback: its destructor is the answer of last resort.
struct AnswerOfLastResort {
  explicit AnswerOfLastResort(std::shared_ptr<CheckpointWait> waiting) : wait(std::move(waiting)) {}
  ~AnswerOfLastResort() {
    wait->Finish(
        absl::UnavailableError("the coordinator stopped before the checkpoint was published"));
  }
  AnswerOfLastResort(const AnswerOfLastResort&) = delete;
  AnswerOfLastResort& operator=(const AnswerOfLastResort&) = delete;

  const std::shared_ptr<CheckpointWait> wait;
};

}  // namespace

LoopBackend::LoopBackend(Loop& loop, Hooks hooks, nanoseconds status_timeout)
    : loop_(loop), status_timeout_(status_timeout), shared_(std::make_shared<Shared>()) {
  shared_->hooks = std::move(hooks);
  shared_->last.reason = "the event loop has not answered yet";
}

LoopBackend::~LoopBackend() = default;

void LoopBackend::Detach() {
  StatusSnapshot last = shared_->attached ? shared_->hooks.status() : StatusSnapshot{};
  const bool was_attached = std::exchange(shared_->attached, false);
  shared_->hooks = {};
  {
    std::lock_guard lock(shared_->mutex);
    if (was_attached) shared_->last = std::move(last);
    shared_->last_time = steady_clock::now();
    shared_->detached = true;
  }
  shared_->answered.notify_all();
}

StatusSnapshot LoopBackend::Status() {
  std::unique_lock lock(shared_->mutex);
  const uint64_t before = shared_->answers;
  // A question that is already under way is shared: its answer is new enough for both.
  if (!shared_->asked && !shared_->detached) {
    shared_->asked = true;
    lock.unlock();
    loop_.Post([shared = shared_] {
      StatusSnapshot now;
      if (shared->attached) now = shared->hooks.status();
      {
        std::lock_guard inner(shared->mutex);
        shared->asked = false;
        if (!shared->attached) return;
        ++shared->answers;
        shared->last = std::move(now);
        shared->last_time = steady_clock::now();
      }
      shared->answered.notify_all();
    });
    lock.lock();
  }
  const bool fresh = shared_->answered.wait_for(
      lock, status_timeout_, [&] { return shared_->answers != before || shared_->detached; });
  StatusSnapshot result = shared_->last;
  result.fresh = fresh && !shared_->detached;
  result.age = steady_clock::now() - shared_->last_time;
  return result;
}

absl::StatusOr<CheckpointRef> LoopBackend::TakeCheckpoint(nanoseconds timeout) {
  auto wait = std::make_shared<CheckpointWait>();
  {
    std::lock_guard lock(shared_->mutex);
    if (shared_->detached)
      return absl::UnavailableError("the coordinator has stopped; it takes no more checkpoints");
    if (std::exchange(shared_->checkpoint_asked, true)) {
      return absl::UnavailableError(
          "a checkpoint that was asked for earlier is still being taken; try again later");
    }
  }
  wait->ended = [shared = shared_] {
    std::lock_guard lock(shared->mutex);
    shared->checkpoint_asked = false;
  };
  auto answer = std::make_shared<AnswerOfLastResort>(wait);
  loop_.Post([shared = shared_, answer = std::move(answer)] {
    if (!shared->attached) return;
    shared->hooks.take_checkpoint([answer](absl::StatusOr<CheckpointRef> result) {
      answer->wait->Finish(std::move(result));
    });
  });
  std::unique_lock lock(wait->mutex);
  if (!wait->changed.wait_for(lock, timeout, [&] { return wait->done; })) {
    return absl::DeadlineExceededError(
        "the checkpoint was not published in time; it goes on by itself, see the status for its "
        "end");
  }
  return wait->result;
}

absl::Status LoopBackend::Switchover(const std::string& to, nanoseconds timeout) {
  {
    std::lock_guard lock(shared_->mutex);
    if (shared_->detached) return absl::UnavailableError("the coordinator has stopped");
    if (std::exchange(shared_->switchover_asked, true)) {
      return absl::UnavailableError("another switchover is just being asked for");
    }
  }
  auto wait = std::make_shared<SwitchoverWait>();
  loop_.Post([shared = shared_, wait, to] {
    {
      std::lock_guard lock(shared->mutex);
      shared->switchover_asked = false;
    }
    {
      std::lock_guard lock(wait->mutex);
      if (wait->given_up) return;
      if (shared->attached) {
        wait->result = WhyNoSwitchover(shared->hooks.status(), to);
        if (wait->result->ok()) wait->result = shared->hooks.switchover(to);
      } else {
        wait->result = absl::UnavailableError("the coordinator has stopped");
      }
    }
    wait->changed.notify_all();
  });
  std::unique_lock lock(wait->mutex);
  if (wait->changed.wait_for(lock, timeout, [&] { return wait->result.has_value(); })) {
    return *wait->result;
  }
  wait->given_up = true;
  return absl::DeadlineExceededError(
      fmt::format("the event loop did not answer within {:.1f} s; no switchover is begun",
                  std::chrono::duration<double>(timeout).count()));
}

void LoopBackend::Drain() {
  {
    std::lock_guard lock(shared_->mutex);
    if (std::exchange(shared_->drain_asked, true) || shared_->detached) return;
  }
  loop_.Post([shared = shared_] {
    if (shared->attached) shared->hooks.drain();
  });
}

}  // namespace semper::admin
