// World: several immortals, their services, disks and network, in one thread from one seed; and
// what goes wrong.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
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
  int immortals = 3;      // two, if they have several members
  int members = 0;        // of each immortal; 0: the seed draws 1, 2 or 3
};
// What a seed draws.
int MembersOf(uint64_t seed);

struct WorldResult {
  std::string violation;  // empty: none
  uint64_t inputs = 0;    // committed, of all immortals
  uint64_t acknowledged = 0;
  uint64_t crashes = 0;
  uint64_t faults = 0;
  uint64_t steps = 0;
  uint64_t trace_hash = 0;
  int members = 0;  // of each immortal
  SituationCounts situations{};
};

class Immortal;
class Member;

class World {
 public:
  explicit World(WorldOptions options);
  ~World();

  // Chaos for `steps` events, then everything heals and must finish.
  WorldResult Run();
  SimTrace& trace() { return scheduler_.trace(); }

 private:
  friend class Immortal;
  friend class Member;
  void Count(Situation s, uint64_t times = 1) { situations_[static_cast<size_t>(s)] += times; }
  void PlanChaos();
  void Chaos();  // of immortals without fellows
  void JumpClock(Member& member);
  void DiskTrouble(Immortal& immortal, Member& member);
  void NetworkTrouble();
  void ChaosOfMembers();
  void Kill(Immortal& immortal, Member& member);
  void KillAll(Immortal& immortal);
  void Pause(Immortal& immortal, Member& member);
  void HandOver(Immortal& immortal);
  void HoldCheckpoints(Immortal& immortal);
  void VolumeTrouble(Immortal& immortal, Member& member);
  void PartitionOf(Immortal& immortal, Member& member);
  void CutFrom(const std::string& machine, const std::vector<std::string>& others);
  std::vector<std::string> MachinesBut(const std::string& machine);
  void CutOffLeader(Immortal& immortal);
  void WatchCutOff();
  void PlanWork();
  void Work();
  void Heal();
  bool Quiet();
  std::string WhatIsNotQuiet(Immortal& immortal);
  void CheckEnd();
  void Observe();
  void CountVolume(Immortal& immortal);
  void CheckFinalReplay();
  std::string WhatIsNotQuiet();

  const WorldOptions options_;
  const int members_;  // of each immortal
  SimScheduler scheduler_;
  SimRandom random_;
  SimNetwork network_;
  Observer observer_;
  std::vector<std::unique_ptr<Immortal>> immortals_;
  std::map<std::string, std::vector<std::string>> addresses_;  // of each immortal's members
  uint64_t next_impulse_ = 1;
  uint64_t lives_ = 0;  // of coordinators
  uint64_t crashes_ = 0;
  uint64_t faults_ = 0;
  // A member that led and that nobody reaches: nothing else goes wrong until another one leads.
  struct CutOff {
    Immortal* immortal = nullptr;
    Member* member = nullptr;  // not yet: all is well for a moment
    SimNanos began = 0;
  };
  std::optional<CutOff> cut_off_;
  bool healing_ = false;
  bool working_ = true;
  SituationCounts situations_{};
};

}  // namespace semper::sim
