// SimLoop: the event loop of one simulated process, in virtual time.
//
// What is ready at one moment runs in one round, then the functions of AtEndOfRound; the next round
// comes a little later. Streams and listeners live in SimNetwork. A loop of a dead process calls
// nothing any more.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "tests/support/sim_life.h"
#include "tests/support/sim_scheduler.h"

namespace semper::sim {

class SimNetwork;

// What callbacks need of a loop; outlives it while events are under way.
class SimLoopCore : public std::enable_shared_from_this<SimLoopCore> {
 public:
  SimLoopCore(SimScheduler& scheduler, std::shared_ptr<SimLife> life)
      : scheduler_(scheduler), life_(std::move(life)), random_(scheduler.random().Fork()) {}

  SimScheduler& scheduler() { return scheduler_; }
  SimLife& life() { return *life_; }
  SimRandom& random() { return random_; }

  // Runs `f` in the next round.
  void Ready(std::function<void()> f);
  void AtEndOfRound(std::function<void()> f);
  void AtEndOfRound(RoundTask& task);
  // Drops what is queued. Not from inside a round.
  void Clear();

 private:
  void Schedule();
  void Round();

  SimScheduler& scheduler_;
  const std::shared_ptr<SimLife> life_;
  SimRandom random_;
  std::vector<std::function<void()>> ready_;
  RoundTasks tasks_;
  std::vector<std::function<void()>> end_of_round_;
  bool scheduled_ = false;
};

class SimLoop final : public Loop {
 public:
  // Wall clocks begin at this time when the simulation begins, plus the process's offset.
  static constexpr UnixNanos kWallClockBegin = 1'700'000'000 * kSecond;

  SimLoop(SimScheduler& scheduler, SimNetwork& network, std::shared_ptr<SimLife> life);
  ~SimLoop() override { core_->Clear(); }

  absl::StatusOr<std::unique_ptr<Listener>> Listen(
      const std::string& address, std::function<void(std::unique_ptr<Stream>)> accept) override;
  std::unique_ptr<Timer> Dial(
      const std::string& address, std::chrono::nanoseconds timeout,
      std::function<void(absl::StatusOr<std::unique_ptr<Stream>>)> connected) override;
  [[nodiscard]] std::unique_ptr<Timer> After(std::chrono::nanoseconds delay,
                                             std::function<void()> f) override;
  void AtEndOfRound(std::function<void()> f) override { core_->AtEndOfRound(std::move(f)); }
  void AtEndOfRound(RoundTask& task) override { core_->AtEndOfRound(task); }
  void Post(std::function<void()> f) override { core_->Ready(std::move(f)); }
  std::chrono::nanoseconds Monotonic() const override;
  UnixNanos WallClock() const override;
  uint64_t Random() override { return random_.Next(); }

  const std::shared_ptr<SimLoopCore>& core() { return core_; }

 private:
  SimNetwork& network_;
  const std::shared_ptr<SimLoopCore> core_;
  SimRandom random_;
};

}  // namespace semper::sim
