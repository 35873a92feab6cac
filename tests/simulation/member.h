// Member: one immortal of the simulated world: its volume and its processes, present and replaced.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/world.h"

namespace semper::sim {

class Member {
 public:
  Member(World& world, std::string name);
  ~Member();

  // One life of the coordinator, with the service that is linked to it.
  struct Life {
    std::unique_ptr<SimProcess> process;
    std::unique_ptr<runtime::Coordinator> coordinator;
    std::unique_ptr<SimProcess> service_process;
    std::unique_ptr<ServiceHost> service;
    std::string link;
    bool seen_leading = false;
    bool replaced = false;  // by another one while it was paused
    uint64_t appended = 0;  // as last seen
    uint64_t committed = 0;
  };

  // The observer's look at every life; after each event of the scheduler.
  void Observe();

  // Kills are for events of the world, not for code of a process.
  void KillCoordinator(SimDeath how = SimDeath::kProcess);
  void KillService();
  void PowerLoss();
  void PauseAndReplace(SimNanos pause);
  void DropReplaced();
  void DoomAll();     // from inside of an operation of the volume
  void CountFiles();  // situations that the files tell
  Life* current() {
    return lives_.empty() || lives_.back()->replaced ? nullptr : lives_.back().get();
  }
  const std::string& name() const { return name_; }
  const std::string& machine() const { return name_; }
  SimVolume& volume() { return volume_; }
  uint64_t committed() const { return committed_; }

 private:
  void Start();
  void StartAfter(SimNanos delay);
  void StartService(Life& life);
  void OnStop(Life& life, core::StopReason reason, const absl::Status& why);
  void EndSoon(Life& life, SimNanos restart);
  void End(Life& life);  // its processes are dead: frees them
  void NoteDeath(Life& life);
  runtime::Options OptionsFor(Life& life);
  void CountTakeOver(const Life& life);

  World& world_;
  const std::string name_;
  SimVolume volume_;
  SimRandom random_;
  std::vector<std::unique_ptr<Life>> lives_;
  uint64_t next_life_ = 1;
  uint64_t committed_ = 0;
  uint64_t last_death_appended_ = 0;
  bool starting_ = false;
  uint64_t torn_before_ = 0;
};

}  // namespace semper::sim
