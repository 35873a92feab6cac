#include "tests/support/sim_process.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "tests/support/sim_fiber.h"

namespace semper::sim {

SimProcess::SimProcess(SimScheduler& scheduler, SimNetwork& network, SimVolume* volume,
                       std::string name, std::string machine, std::function<void()> struck)
    : scheduler_(scheduler),
      network_(network),
      life_(std::make_shared<SimLife>()),
      struck_(std::move(struck)) {
  life_->process = std::move(name);
  life_->machine = std::move(machine);
  life_->strike = [this] { Doom(); };
  if (volume != nullptr) disk_ = std::make_unique<SimDisk>(*volume, life_->process, life_->machine);
  loop_ = std::make_unique<SimLoop>(scheduler_, network_, life_);
  executor_ = std::make_unique<SimExecutor>(loop_->core());
  scheduler_.Trace("process", life_->process, "starts");
}

SimProcess::~SimProcess() {
  if (!ended_) Kill();
  life_->strike = nullptr;
  life_->stop = nullptr;
}

void SimProcess::Kill(SimDeath how) {
  SEMPER_CHECK(SimFiber::Current() == nullptr, "a process is killed from outside; see Doom");
  if (ended_) return;
  life_->dead = true;
  if (disk_ != nullptr) disk_->Kill();
  End(how);
}

void SimProcess::Doom() {
  if (life_->dead) return;
  life_->dead = true;
  if (disk_ != nullptr) disk_->Kill();
  scheduler_.After(0, [this, here = std::weak_ptr(here_)] {
    if (here.expired() || ended_) return;
    End(SimDeath::kProcess);
    // The callback may destroy this process.
    if (const auto struck = struck_) struck();
  });
}

void SimProcess::End(SimDeath how) {
  ended_ = true;
  scheduler_.Trace("process", life_->process, "dies", how);
  executor_->Drain();
  network_.ProcessDied(*loop_->core(), how);
  loop_->core()->Clear();
}

void SimProcess::PauseAfterEffects(uint64_t n, SimNanos duration) {
  life_->pause_after_effects = life_->effects + n;
  life_->stop = [this, duration] { Pause(duration); };
}

void SimProcess::Pause(SimNanos duration) {
  scheduler_.Trace("process", life_->process, "paused", duration);
  life_->paused_until = std::max(life_->paused_until, scheduler_.now() + duration);
  if (disk_ != nullptr) disk_->PauseUntil(life_->paused_until);
}

}  // namespace semper::sim
