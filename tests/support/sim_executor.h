// SimExecutor: the lanes of one simulated process. Each job's Work runs on a fiber, which waits in
// virtual time at every operation of SimDisk; Done comes from the process's loop.
#pragma once

#include <array>
#include <memory>

#include "base/executor.h"
#include "base/job_queue.h"
#include "tests/support/sim_fiber.h"
#include "tests/support/sim_loop.h"

namespace semper::sim {

class SimExecutor final : public Executor {
 public:
  explicit SimExecutor(std::shared_ptr<SimLoopCore> core);
  ~SimExecutor() override;

  void Run(Lane lane, Job& job) override;

  // After the death of the process (its disk fails every operation by now): lets every Work that
  // has begun come to its end. No Done is called; queued jobs are dropped. Not on a fiber.
  void Drain();

  bool Idle() const;
  // Jobs of that lane that have not begun wait until then.
  void Hold(Lane lane, SimNanos until) {
    state_->lanes[static_cast<size_t>(lane)].held_until = until;
  }

 private:
  struct LaneState {
    JobQueue queue;
    Job* current = nullptr;
    std::unique_ptr<SimFiber> fiber;
    SimNanos held_until = 0;
  };
  struct State {
    explicit State(std::shared_ptr<SimLoopCore> c) : core(std::move(c)) {}
    const std::shared_ptr<SimLoopCore> core;
    std::array<LaneState, kLaneCount> lanes;
  };
  static void Start(const std::shared_ptr<State>& state, size_t lane);
  static void Begin(const std::shared_ptr<State>& state, size_t lane);
  static void End(const std::shared_ptr<State>& state, size_t lane);

  const std::shared_ptr<State> state_;
};

}  // namespace semper::sim
