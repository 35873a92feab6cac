// Member: one member of an immortal: its machine, and the lives of its coordinator and service, one
// after the other. An immortal's only member may have a second life while the first one is paused.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/world.h"

namespace semper::sim {

class Member {
 public:
  Member(Immortal& immortal, std::string name, std::string machine, std::string address);
  ~Member();

  // One life of the coordinator, with the service that is linked to it.
  struct Life {
    std::unique_ptr<SimProcess> process;
    std::unique_ptr<runtime::Coordinator> coordinator;
    std::unique_ptr<SimProcess> service_process;
    std::unique_ptr<ServiceHost> service;
    std::string link;
    uint64_t serial = 0;  // unique in the world
    SimNanos began = 0;
    bool seen_sealed = false;
    bool seen_leading = false;
    bool ahead_counted = false;
    bool slept = false;     // paused while it led
    bool replaced = false;  // by another one while it was paused
    uint64_t appended = 0;  // as last seen
    uint64_t committed = 0;
  };

  // The observer's look at every life; after each event of the scheduler.
  void Observe();

  // Kills are for events of the world, not for code of a process.
  void KillCoordinator(SimDeath how = SimDeath::kProcess);
  void KillService();
  void Start();
  // All that runs on its machine; the caller sees to the volume and to its start.
  void EndAll();
  void StartAfter(SimNanos delay);
  void PauseAndReplace(SimNanos pause);
  void Pause(uint64_t after_effects, SimNanos pause);
  // What sleeps longer than that is killed.
  void EndSleepers(SimNanos limit);
  void DropReplaced();
  void DoomAll();  // from inside of an operation of the volume
  Life* current() {
    return lives_.empty() || lives_.back()->replaced ? nullptr : lives_.back().get();
  }
  // Its present life, if that leads.
  Life* leading();
  const std::string& name() const { return name_; }
  const std::string& machine() const { return machine_; }
  SimRandom& random() { return random_; }

 private:
  void StartService(Life& life);
  void OnStop(Life& life, core::StopReason reason, const absl::Status& why);
  void CountStop(Life& life, core::StopReason reason, const absl::Status& why);
  void EndSoon(Life& life, SimNanos restart);
  void End(Life& life);  // its processes are dead: frees them
  void NoteDeath(Life& life);
  void NoteForNextLife(const Life& life, core::StopReason reason);
  runtime::Options OptionsFor(Life& life);
  void ObserveLeader(Life& life, const core::Core& core);
  void ObserveStandby(Life& life, const core::Core& core);
  void ObserveSeal(Life& life, const core::Core& core);
  void CheckLinks(const core::Core& core);
  void CountTakeOver(const Life& life);

  Immortal& immortal_;
  World& world_;
  const std::string name_;
  const std::string machine_;
  const std::string address_;
  SimRandom random_;
  std::vector<std::unique_ptr<Life>> lives_;
  uint64_t next_life_ = 1;
  int losses_ = 0;
  SimNanos claim_not_before_ = 0;
  core::Index known_committed_{};
  bool starting_ = false;
};

}  // namespace semper::sim
