#include "tests/support/sim_loop.h"

#include <algorithm>
#include <utility>

#include "tests/support/sim_network.h"

namespace semper::sim {
namespace {

constexpr SimNanos kRoundDelayMax = 30 * kMicrosecond;
constexpr SimNanos kTimerLateMax = kMillisecond;

class SimTimer final : public Timer {
 public:
  struct State {
    std::function<void()> f;  // empty: has run or was cancelled
  };

  explicit SimTimer(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~SimTimer() override {
    // The function may hold what owns this timer: it goes last.
    const auto f = std::exchange(state_->f, nullptr);
  }

 private:
  const std::shared_ptr<State> state_;
};

}  // namespace

void SimLoopCore::Ready(std::function<void()> f) {
  if (life_->dead) return;
  ready_.push_back(std::move(f));
  Schedule();
}

void SimLoopCore::AtEndOfRound(std::function<void()> f) {
  if (life_->dead) return;
  end_of_round_.push_back(std::move(f));
  Schedule();
}

void SimLoopCore::AtEndOfRound(RoundTask& task) {
  if (life_->dead) return;
  tasks_.Plan(task);
  Schedule();
}

void SimLoopCore::Clear() {
  tasks_.Clear();
  // What goes may hold streams and timers, whose ends queue nothing for a dead process.
  while (!ready_.empty() || !end_of_round_.empty()) {
    const auto ready = std::exchange(ready_, {});
    const auto end_of_round = std::exchange(end_of_round_, {});
  }
}

void SimLoopCore::Schedule() {
  if (std::exchange(scheduled_, true)) return;
  const SimNanos delay = random_.Skewed(kRoundDelayMax);
  scheduler_.After(delay, [self = shared_from_this()] { self->Round(); });
}

void SimLoopCore::Round() {
  scheduled_ = false;
  if (life_->dead) return;
  if (scheduler_.now() < life_->paused_until) {
    scheduled_ = true;
    scheduler_.At(life_->paused_until, [self = shared_from_this()] { self->Round(); });
    return;
  }
  // What becomes ready in this round waits for the next one, as it does with epoll.
  scheduled_ = true;
  const auto ready = std::exchange(ready_, {});
  for (const auto& f : ready) {
    if (!life_->dead) f();
  }
  RoundTasks tasks;
  tasks.Take(tasks_);
  while (!life_->dead && tasks.RunOne()) {
  }
  const auto end_of_round = std::exchange(end_of_round_, {});
  for (const auto& f : end_of_round) {
    if (!life_->dead) f();
  }
  scheduled_ = false;
  if (!ready_.empty() || !tasks_.empty() || !end_of_round_.empty()) Schedule();
}

SimLoop::SimLoop(SimScheduler& scheduler, SimNetwork& network, std::shared_ptr<SimLife> life)
    : network_(network),
      core_(std::make_shared<SimLoopCore>(scheduler, std::move(life))),
      random_(core_->random().Fork()) {}

absl::StatusOr<std::unique_ptr<Listener>> SimLoop::Listen(
    const std::string& address, std::function<void(std::unique_ptr<Stream>)> accept) {
  return network_.Listen(core_, address, std::move(accept));
}

std::unique_ptr<Timer> SimLoop::Dial(
    const std::string& address, std::chrono::nanoseconds timeout,
    std::function<void(absl::StatusOr<std::unique_ptr<Stream>>)> connected) {
  return network_.Dial(core_, address, static_cast<SimNanos>(timeout.count()),
                       std::move(connected));
}

std::unique_ptr<Timer> SimLoop::After(std::chrono::nanoseconds delay, std::function<void()> f) {
  auto state = std::make_shared<SimTimer::State>();
  state->f = std::move(f);
  const SimNanos late = core_->random().Skewed(kTimerLateMax);
  const auto wait = static_cast<SimNanos>(std::max<int64_t>(delay.count(), 0));
  core_->scheduler().After(wait + late, [core = core_, weak = std::weak_ptr(state)] {
    core->Ready([weak] {
      const auto due = weak.lock();
      if (due == nullptr) return;
      if (const auto run = std::exchange(due->f, nullptr)) run();
    });
  });
  return std::make_unique<SimTimer>(std::move(state));
}

std::chrono::nanoseconds SimLoop::Monotonic() const {
  return std::chrono::nanoseconds(core_->scheduler().now());
}

UnixNanos SimLoop::WallClock() const {
  return kWallClockBegin + core_->scheduler().now() +
         static_cast<uint64_t>(core_->life().wall_offset_nanos);
}

}  // namespace semper::sim
