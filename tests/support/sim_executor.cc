#include "tests/support/sim_executor.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace semper::sim {
namespace {

constexpr SimNanos kStartDelayMax = 50 * kMicrosecond;
constexpr int kDrainResumesMax = 1'000'000;

}  // namespace

SimExecutor::SimExecutor(std::shared_ptr<SimLoopCore> core)
    : state_(std::make_shared<State>(std::move(core))) {}

SimExecutor::~SimExecutor() {
  for (const LaneState& lane : state_->lanes) {
    SEMPER_CHECK(lane.fiber == nullptr, "a simulated executor is destroyed before it is drained");
  }
}

void SimExecutor::Run(Lane lane, Job& job) {
  if (!state_->core->life().Effect()) return;
  LaneState& mine = state_->lanes[static_cast<size_t>(lane)];
  mine.queue.Push(job);
  if (mine.current == nullptr) Start(state_, static_cast<size_t>(lane));
}

void SimExecutor::Start(const std::shared_ptr<State>& state, size_t lane) {
  LaneState& mine = state->lanes[lane];
  mine.current = mine.queue.Pop();
  if (mine.current == nullptr) return;
  SimLoopCore& core = *state->core;
  const SimNanos delay = core.random().Skewed(kStartDelayMax);
  core.scheduler().After(delay, [state, lane] { Begin(state, lane); });
}

void SimExecutor::Begin(const std::shared_ptr<State>& state, size_t lane) {
  SimLoopCore& core = *state->core;
  if (core.life().dead) return;
  LaneState& mine = state->lanes[lane];
  const SimNanos until = std::max(core.life().paused_until, mine.held_until);
  if (core.scheduler().now() < until) {
    core.scheduler().At(until, [state, lane] { Begin(state, lane); });
    return;
  }
  mine.fiber = std::make_unique<SimFiber>([state, lane] {
    state->lanes[lane].current->Work();
    // A fiber cannot free the stack it stands on.
    if (!state->core->life().dead) {
      state->core->scheduler().After(0, [state, lane] { End(state, lane); });
    }
  });
  mine.fiber->Resume();
}

void SimExecutor::End(const std::shared_ptr<State>& state, size_t lane) {
  if (state->core->life().dead) return;  // drained
  LaneState& mine = state->lanes[lane];
  mine.fiber.reset();
  Job* const job = mine.current;
  state->core->Ready([job] { job->Done(); });
  Start(state, lane);
}

void SimExecutor::Drain() {
  SEMPER_CHECK(SimFiber::Current() == nullptr, "a process is drained from outside its fibers");
  SEMPER_CHECK(state_->core->life().dead, "a living process is drained");
  for (LaneState& lane : state_->lanes) {
    for (int resumes = 0; lane.fiber != nullptr && !lane.fiber->ended(); ++resumes) {
      SEMPER_CHECK(resumes < kDrainResumesMax, "a job of a killed process never ends");
      lane.fiber->Resume();
    }
    lane.fiber.reset();
    lane.current = nullptr;
    while (lane.queue.Pop() != nullptr) {
    }
  }
}

bool SimExecutor::Idle() const {
  for (const LaneState& lane : state_->lanes) {
    if (lane.current != nullptr) return false;
  }
  return true;
}

}  // namespace semper::sim
