// SimProcess: the ports of one simulated process (loop, executor, disk), and its death.
//
// Construct it, then what runs in it. To end it: Kill (or wait until a planned crash has struck),
// then destroy what runs in it, then the process. Nothing that the dead code still does has an
// effect.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tests/support/sim_disk.h"
#include "tests/support/sim_executor.h"
#include "tests/support/sim_life.h"
#include "tests/support/sim_loop.h"
#include "tests/support/sim_network.h"

namespace semper::sim {

class SimProcess {
 public:
  // `volume` may be null: a process without durable state. `struck` runs, in an event of its own,
  // after a planned crash has ended the process (not after Kill).
  SimProcess(SimScheduler& scheduler, SimNetwork& network, SimVolume* volume, std::string name,
             std::string machine, std::function<void()> struck = {});
  ~SimProcess();
  SimProcess(const SimProcess&) = delete;
  SimProcess& operator=(const SimProcess&) = delete;

  SimLoop& loop() { return *loop_; }
  SimExecutor& executor() { return *executor_; }
  SimDisk& disk() { return *disk_; }
  const std::string& name() const { return life_->process; }
  bool dead() const { return life_->dead; }
  uint64_t effects() const { return life_->effects; }

  // From an event of the simulation, not from code of the process. A power loss is Kill(kPower) of
  // every process of the machine, then SimVolume::PowerLoss.
  void Kill(SimDeath how = SimDeath::kProcess);
  // SIGKILL from inside: effects end now, the rest follows in an event of its own. May be called
  // from anywhere, e.g. as the `struck` of SimVolume::PlanCrash.
  void Doom();
  // Dooms it at the attempt of its n-th effect from now (Write, closing a stream, Dial, Listen,
  // Executor::Run): between two effects of one callback.
  void CrashAfterEffects(uint64_t n) { life_->crash_after_effects = life_->effects + n; }

  // SIGSTOP until that much later. What is in flight on its disk ends.
  void Pause(SimNanos duration);
  // The same at the attempt of its n-th effect from now: what the code of this step still does has
  // its effect when the pause is over.
  void PauseAfterEffects(uint64_t n, SimNanos duration);
  bool paused_longer(SimNanos limit) const {
    return scheduler_.now() + limit < life_->paused_until;
  }
  void JumpWallClock(int64_t nanos) { life_->wall_offset_nanos += nanos; }

 private:
  void End(SimDeath how);

  SimScheduler& scheduler_;
  SimNetwork& network_;
  const std::shared_ptr<SimLife> life_;
  const std::shared_ptr<bool> here_ = std::make_shared<bool>(true);
  std::function<void()> struck_;
  bool ended_ = false;
  std::unique_ptr<SimDisk> disk_;
  std::unique_ptr<SimLoop> loop_;
  std::unique_ptr<SimExecutor> executor_;
};

}  // namespace semper::sim
