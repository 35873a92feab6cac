// What goes wrong in a world.
#include <utility>

#include "tests/simulation/immortal.h"
#include "tests/simulation/world.h"

namespace semper::sim {

void World::Chaos() {
  Immortal& immortal = *random_.Pick(immortals_);
  Member& member = *immortal.members().front();
  switch (random_.Below(16)) {
    case 0:
    case 1:
      scheduler_.Trace("kill service", immortal.name());
      return member.KillService();
    case 2:
      scheduler_.Trace("kill coordinator", immortal.name());
      return member.KillCoordinator();
    case 3:
      scheduler_.Trace("power loss", immortal.name());
      return immortal.PowerLoss();
    case 4:
      if (!random_.Chance(1, 4)) return;
      scheduler_.Trace("power loss of all");
      Count(Situation::kAllDown);
      for (auto& each : immortals_) each->PowerLoss();
      return;
    case 5:
    case 6: {
      const SimNanos pause = 10 * kMillisecond + random_.Skewed(5 * kSecond);
      scheduler_.Trace("pause and replace", immortal.name(), pause);
      return member.PauseAndReplace(pause);
    }
    case 7:
      if (Member::Life* life = member.current()) {
        ++faults_;
        life->process->Pause(random_.Skewed(2 * kSecond));
      }
      return;
    case 8:
      if (Member::Life* life = member.current())
        life->process->CrashAfterEffects(1 + random_.Skewed(60));
      return;
    case 9:
      return JumpClock(member);
    case 10:
    case 11:
      return DiskTrouble(immortal, member);
    case 12:
      if (Member::Life* life = member.current()) {
        if (life->seen_leading && !life->process->dead())
          life->coordinator->TakeCheckpoint([](const auto&) {});
      }
      return;
    default:
      return NetworkTrouble();
  }
}

void World::DiskTrouble(Immortal& immortal, Member& member) {
  ++faults_;
  if (random_.Chance(1, 3)) {
    Member::Life* life = member.current();
    if (life == nullptr) return;
    CrashPlan plan;
    plan.after = immortal.volume().mutations() + random_.Below(12);
    plan.tear = random_.Coin();
    Count(Situation::kCrashBetweenDiskOperations);
    if (immortal.volume().shared()) plan.machine = member.machine();
    return immortal.volume().PlanCrash(plan, [this, &immortal, &member] {
      ++crashes_;
      immortal.volume().shared() ? member.DoomAll() : immortal.DoomAll();
    });
  }
  FaultRule rule;
  rule.one_in = 1 + random_.Below(8);
  rule.times = 1;
  switch (random_.Below(4)) {
    case 0:
      rule.kind = FaultKind::kIoError;
      break;
    case 1:
      rule.kind = FaultKind::kNoSpace;
      break;
    case 2:
      rule.kind = FaultKind::kSyncLies;
      Count(Situation::kFsyncFailed);
      break;
    default:
      rule.kind = FaultKind::kSlow;
      rule.slow_min = kMillisecond;
      rule.slow_max = random_.Chance(1, 4) ? 60 * kSecond : kSecond;
  }
  immortal.volume().AddFault(rule);
}

void World::NetworkTrouble() {
  ++faults_;
  switch (random_.Below(3)) {
    case 0: {
      const bool notice = random_.Coin();
      Count(notice ? Situation::kConnectionCutWithNotice : Situation::kConnectionCutSilently);
      return network_.CutConnections(1 + random_.Below(8), notice);
    }
    case 1:
      Count(Situation::kPartition);
      {
        // One draw a statement: the order of arguments is the compiler's.
        const std::string& one = random_.Pick(immortals_)->members().front()->machine();
        const std::string& other = random_.Pick(immortals_)->members().front()->machine();
        network_.Partition(one, other);
      }
      scheduler_.After(random_.Skewed(20 * kSecond), [this] { network_.HealPartitions(); });
      return;
    default:
      return network_.RefuseDials(random_.Below(8));
  }
}

void World::JumpClock(Member& member) {
  Member::Life* const life = member.current();
  if (life == nullptr) return;
  ++faults_;
  const auto jump = static_cast<int64_t>(random_.Skewed(3600 * kSecond));
  const bool back = random_.Coin();
  if (back) Count(Situation::kClockWentBack);
  life->process->JumpWallClock(back ? -jump : jump);
}

}  // namespace semper::sim
