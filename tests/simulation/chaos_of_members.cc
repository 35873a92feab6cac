// What goes wrong in a world whose immortals have several members.
#include <utility>

#include "tests/simulation/immortal.h"
#include "tests/simulation/world.h"

namespace semper::sim {

namespace {
// A connection that is cut ends after 5 s, a report follows a second later, one more is waited for:
// ten times that, since members may have to start and to replay.
constexpr SimNanos kReplacedLimit = 100 * kSecond;
// Longer than turns of two standbys.
constexpr SimNanos kHeldFor = 60 * kSecond;
}  // namespace

void World::ChaosOfMembers() {
  Immortal& immortal = *random_.Pick(immortals_);
  Member& any = *random_.Pick(immortal.members());
  Member* const leader = immortal.leader();
  const bool the_leader = random_.Coin();
  Member& member = the_leader && leader != nullptr ? *leader : any;
  switch (random_.Below(20)) {
    case 0:
      scheduler_.Trace("kill service", member.name());
      return member.KillService();
    case 1:
    case 2:
      return Kill(immortal, member);
    case 3:
      return KillAll(immortal);
    case 4:
    case 5:
      return Pause(immortal, member);
    case 6:
      if (Member::Life* life = member.current())
        life->process->CrashAfterEffects(1 + random_.Skewed(60));
      return;
    case 7:
      return JumpClock(member);
    case 8:
    case 9:
      return DiskTrouble(immortal, member);
    case 10:
      if (!the_leader) return HoldCheckpoints(immortal);
      if (leader != nullptr) leader->leading()->coordinator->TakeCheckpoint([](const auto&) {});
      return;
    case 11:
    case 12:
      return HandOver(immortal);
    case 13:
    case 14:
    case 15:
      return VolumeTrouble(immortal, member);
    case 16:
    case 17:
      return PartitionOf(immortal, member);
    case 18:
      scheduler_.Trace("storm of claims", immortal.name());
      immortal.StormOfClaims(scheduler_.now() + 3 * kSecond);
      return Kill(immortal, member);
    default:
      return NetworkTrouble();
  }
}

// Standbys are well, but none of them writes a checkpoint, or reads one.
void World::HoldCheckpoints(Immortal& immortal) {
  ++faults_;
  scheduler_.Trace("checkpoints of standbys hang", immortal.name());
  for (auto& member : immortal.members()) {
    if (member->current() == nullptr || member->leading() != nullptr) continue;
    member->current()->process->executor().Hold(Lane::kCheckpoint, scheduler_.now() + kHeldFor);
  }
}

void World::Kill(Immortal& immortal, Member& member) {
  const bool machine = immortal.volume().shared() && random_.Chance(1, 3);
  scheduler_.Trace(machine ? "machine dies" : "kill coordinator", member.name());
  if (!machine) return member.KillCoordinator();
  ++crashes_;
  Count(Situation::kMachineLost);
  member.EndAll();
  immortal.volume().MachineDied(member.machine());
  member.StartAfter(random_.Skewed(kSecond));
}

void World::KillAll(Immortal& immortal) {
  Count(Situation::kAllMembersDown);
  if (random_.Chance(1, 3)) {
    scheduler_.Trace("power loss", immortal.name());
    immortal.PowerLoss();
    return;
  }
  scheduler_.Trace("kill all members", immortal.name());
  for (auto& member : immortal.members()) member->KillCoordinator();
}

void World::Pause(Immortal&, Member& member) {
  const bool minutes = random_.Chance(1, 4);
  const SimNanos pause = minutes ? 60 * kSecond + random_.Below(120 * kSecond)
                                 : 10 * kMillisecond + random_.Skewed(10 * kSecond);
  const uint64_t effects = random_.Coin() ? 1 + random_.Skewed(60) : 0;
  if (effects > 0) Count(Situation::kStoppedWithinAStep);
  scheduler_.Trace("pause", member.name(), pause, effects);
  member.Pause(effects, pause);
}

void World::HandOver(Immortal& immortal) {
  Member* const leader = immortal.leader();
  if (leader == nullptr) return;
  Member& to = *random_.Pick(immortal.members());
  scheduler_.Trace("hand over", leader->name(), to.name());
  runtime::Coordinator& coordinator = *leader->leading()->coordinator;
  switch (random_.Below(3)) {
    case 0:
      coordinator.HandOver("").IgnoreError();
      return;
    case 1:
      coordinator.HandOver(to.name()).IgnoreError();
      return;
    default:
      return coordinator.Drain();
  }
}

void World::VolumeTrouble(Immortal& immortal, Member& member) {
  SimVolume& volume = immortal.volume();
  if (!volume.shared()) return DiskTrouble(immortal, member);
  ++faults_;
  if (random_.Chance(1, 3)) {
    scheduler_.Trace("storage server restarts", immortal.name());
    Count(Situation::kServerRestart);
    return volume.RestartServer();
  }
  Count(Situation::kCutFromVolume);
  const SimNanos time = 10 * kMillisecond + random_.Skewed(60 * kSecond);
  volume.CutOff(member.machine(), scheduler_.now() + time);
  // As a node that is gone: nobody hears of it either.
  if (!random_.Chance(1, 3)) return;
  CutFrom(member.machine(), MachinesBut(member.machine()));
}

std::vector<std::string> World::MachinesBut(const std::string& machine) {
  std::vector<std::string> others;
  for (auto& each : immortals_) {
    for (auto& other : each->members()) {
      if (other->machine() != machine) others.push_back(other->machine());
    }
  }
  return others;
}

// Nobody reaches the leader any more, which reaches the volume; everybody else is well, for a while
// before it, too, lest it be deposed for something else.
void World::CutOffLeader(Immortal& immortal) {
  if (!immortal.volume().shared()) return;
  network_.RefuseDials(0);
  network_.HealPartitions();
  for (auto& each : immortals_) {
    each->volume().ClearFaults();
    each->StormOfClaims(0);
    for (auto& member : each->members()) {
      if (each->volume().shared()) each->volume().CutOff(member->machine(), 0);
      member->EndSleepers(kSecond);
    }
  }
  cut_off_ = {&immortal, nullptr, scheduler_.now() + kSecond};
}

void World::WatchCutOff() {
  if (scheduler_.now() < cut_off_->began) return;
  Member* const leader = cut_off_->immortal->leader();
  if (cut_off_->member == nullptr) {
    if (leader == nullptr || leader->current()->process->paused_longer(0)) return;
    cut_off_->member = leader;
    cut_off_->began = scheduler_.now();
    scheduler_.Trace("leader cut off from everybody", leader->name());
    Count(Situation::kLeaderCutFromEverybody);
  }
  // Again and again: what was planned before may heal the network, or put a standby to sleep.
  const std::string& machine = cut_off_->member->machine();
  for (auto& member : cut_off_->immortal->members()) {
    if (member.get() != cut_off_->member) member->EndSleepers(kSecond);
  }
  for (const std::string& other : MachinesBut(machine)) network_.Partition(machine, other);
  if (leader != nullptr && leader != cut_off_->member) {
    Count(Situation::kCutOffLeaderReplaced);
  } else if (scheduler_.now() < cut_off_->began + kReplacedLimit) {
    return;
  } else {
    observer_.Violate("liveness", cut_off_->member->name() +
                                      " is cut off from everybody, and nobody leads instead");
  }
  cut_off_.reset();
  scheduler_.After(random_.Skewed(30 * kSecond), [this, machine] {
    for (const std::string& other : MachinesBut(machine)) network_.Heal(machine, other);
  });
}

void World::PartitionOf(Immortal& immortal, Member& member) {
  ++faults_;
  if (random_.Chance(1, 4)) return CutOffLeader(immortal);
  if (random_.Chance(1, 6)) {
    const std::string& other = random_.Pick(immortal.members())->machine();
    if (other == member.machine()) return;
    Count(Situation::kOneWayBetweenMembers);
    network_.PartitionOneWay(member.machine(), other);
    scheduler_.After(10 * kMillisecond + random_.Skewed(30 * kSecond),
                     [this, machine = member.machine(), other] { network_.Heal(machine, other); });
    return;
  }
  const bool peers = random_.Chance(1, 3);
  Count(peers ? Situation::kCutFromPeers : Situation::kCutFromMembers);
  std::vector<std::string> others;
  for (auto& each : immortals_) {
    if ((each.get() != &immortal) != peers) continue;
    for (auto& other : each->members()) others.push_back(other->machine());
  }
  CutFrom(member.machine(), others);
}

// For a while, in both directions or in one.
void World::CutFrom(const std::string& machine, const std::vector<std::string>& others) {
  const uint64_t direction = random_.Below(4);  // both, to them, from them, both
  if (direction == 1 || direction == 2) Count(Situation::kOneWayPartition);
  const SimNanos time = 10 * kMillisecond + random_.Skewed(30 * kSecond);
  for (const std::string& other : others) {
    if (other == machine) continue;
    if (direction == 1) {
      network_.PartitionOneWay(machine, other);
    } else if (direction == 2) {
      network_.PartitionOneWay(other, machine);
    } else {
      network_.Partition(machine, other);
    }
    scheduler_.After(time, [this, machine, other] { network_.Heal(machine, other); });
  }
}

}  // namespace semper::sim
