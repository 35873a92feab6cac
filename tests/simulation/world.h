// World: several immortals, their services, disks and network, in one thread from one seed; and
// what goes wrong.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sidecar/runtime/coordinator.h"
#include "tests/simulation/observer.h"
#include "tests/simulation/service_host.h"
#include "tests/simulation/situations.h"
#include "tests/support/sim_process.h"
#include "tests/support/sim_volume.h"

namespace semper::sim {

struct WorldOptions {
  uint64_t seed = 1;
  uint64_t steps = 5000;  // events of the scheduler while chaos lasts
  int immortals = 3;
};

struct WorldResult {
  std::string violation;  // empty: none
  uint64_t inputs = 0;    // committed, of all immortals
  uint64_t acknowledged = 0;
  uint64_t crashes = 0;
  uint64_t faults = 0;
  uint64_t steps = 0;
  uint64_t trace_hash = 0;
  SituationCounts situations{};
};

// One immortal: its volume, and the lives of its coordinator. More than one lives at a time when a
// paused one was replaced.
class Member;

class World {
 public:
  explicit World(WorldOptions options);
  ~World();

  // Chaos for `steps` events, then everything heals and must finish.
  WorldResult Run();
  SimTrace& trace() { return scheduler_.trace(); }

 private:
  friend class Member;
  void Count(Situation s, uint64_t times = 1) { situations_[static_cast<size_t>(s)] += times; }
  void PlanChaos();
  void Chaos();
  void DiskTrouble(Member& member);
  void NetworkTrouble();
  void PlanWork();
  void Work();
  void Heal();
  bool Quiet();
  void CheckEnd();
  void CheckFinalReplay();
  std::string WhatIsNotQuiet();

  const WorldOptions options_;
  SimScheduler scheduler_;
  SimRandom random_;
  SimNetwork network_;
  Observer observer_;
  std::vector<std::unique_ptr<Member>> members_;
  std::vector<std::string> names_;
  uint64_t next_impulse_ = 1;
  uint64_t crashes_ = 0;
  uint64_t faults_ = 0;
  bool healing_ = false;
  bool working_ = true;
  SituationCounts situations_{};
};

}  // namespace semper::sim
