#include "tests/simulation/world.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/simulation/member.h"

namespace semper::sim {

namespace {

constexpr SimNanos kHealingLimit = 300 * kSecond;

}  // namespace

World::World(WorldOptions options)
    : options_(options),
      scheduler_(options.seed),
      random_(scheduler_.random().Fork()),
      network_(scheduler_) {
  for (int i = 0; i < options_.immortals; ++i)
    names_.push_back(absl::StrCat("sim/", std::string(1, static_cast<char>('a' + i))));
  for (const std::string& name : names_) members_.push_back(std::make_unique<Member>(*this, name));
  PlanChaos();
  PlanWork();
}

World::~World() = default;

void World::PlanChaos() {
  scheduler_.After(kMillisecond + random_.Skewed(60 * kMillisecond), [this] {
    if (healing_) return;
    Chaos();
    PlanChaos();
  });
}

void World::PlanWork() {
  scheduler_.After(20 * kMicrosecond + random_.Skewed(8 * kMillisecond), [this] {
    if (!working_) return;
    Work();
    PlanWork();
  });
}

void World::Work() {
  Member& member = *random_.Pick(members_);
  Member::Life* life = member.current();
  if (life == nullptr || !life->service) return;
  const uint64_t burst = random_.Chance(1, 8) ? 1 + random_.Below(20) : 1;
  for (uint64_t i = 0; i < burst; ++i) {
    const auto messages = static_cast<uint8_t>(random_.Below(6));
    const auto hops = static_cast<uint8_t>(random_.Below(3));
    const auto bytes = static_cast<uint32_t>(random_.Chance(1, 40) ? random_.Skewed(300'000)
                                                                   : random_.Skewed(600));
    life->service->Submit(next_impulse_++, messages, hops, bytes);
  }
}

void World::Chaos() {
  Member& member = *random_.Pick(members_);
  switch (random_.Below(16)) {
    case 0:
    case 1:
      scheduler_.Trace("kill service", member.name());
      return member.KillService();
    case 2:
      scheduler_.Trace("kill coordinator", member.name());
      return member.KillCoordinator();
    case 3:
      scheduler_.Trace("power loss", member.name());
      return member.PowerLoss();
    case 4:
      if (!random_.Chance(1, 4)) return;
      scheduler_.Trace("power loss of all");
      Count(Situation::kAllDown);
      for (auto& each : members_) each->PowerLoss();
      return;
    case 5:
    case 6: {
      const SimNanos pause = 10 * kMillisecond + random_.Skewed(5 * kSecond);
      scheduler_.Trace("pause and replace", member.name(), pause);
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
      if (Member::Life* life = member.current()) {
        ++faults_;
        const auto jump = static_cast<int64_t>(random_.Skewed(3600 * kSecond));
        const bool back = random_.Coin();
        if (back) Count(Situation::kClockWentBack);
        life->process->JumpWallClock(back ? -jump : jump);
      }
      return;
    case 10:
    case 11:
      return DiskTrouble(member);
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

void World::DiskTrouble(Member& member) {
  ++faults_;
  if (random_.Chance(1, 3)) {
    Member::Life* life = member.current();
    if (life == nullptr) return;
    CrashPlan plan;
    plan.after = member.volume().mutations() + random_.Below(12);
    plan.tear = random_.Coin();
    Count(Situation::kCrashBetweenDiskOperations);
    return member.volume().PlanCrash(plan, [this, &member] {
      ++crashes_;
      member.DoomAll();
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
  member.volume().AddFault(rule);
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
        const std::string& one = random_.Pick(members_)->machine();
        const std::string& other = random_.Pick(members_)->machine();
        network_.Partition(one, other);
      }
      scheduler_.After(random_.Skewed(20 * kSecond), [this] { network_.HealPartitions(); });
      return;
    default:
      return network_.RefuseDials(random_.Below(8));
  }
}

void World::Heal() {
  healing_ = true;
  working_ = false;
  scheduler_.Trace("heal");
  network_.HealPartitions();
  network_.RefuseDials(0);
  for (auto& member : members_) {
    member->volume().ClearFaults();
    member->volume().CancelCrash();
    if (Member::Life* life = member->current()) life->process->CrashAfterEffects(UINT64_MAX / 2);
  }
}

bool World::Quiet() { return WhatIsNotQuiet().empty(); }

std::string World::WhatIsNotQuiet() {
  for (auto& member : members_) {
    Member::Life* life = member->current();
    if (life == nullptr || !life->seen_leading || life->process->dead())
      return member->name() + " does not lead";
    const core::Core& core = *life->coordinator->core();
    if (core.phase() != core::Core::Phase::kLeading) return member->name() + " does not lead";
    if (!life->service || !life->service->live()) return member->name() + "'s service is not live";
    if (core.done() != core.appended() || core.committed() != core.appended()) {
      return absl::StrCat(member->name(), " appended ", Raw(core.appended()), ", committed ",
                          Raw(core.committed()), ", delivered ", Raw(core.delivered()), ", done ",
                          Raw(core.done()), ", its service ", life->service->index());
    }
    for (const core::Destination& d : core.ledger().destinations()) {
      if (!d.held.empty() || d.acked != d.produced) {
        return absl::StrCat(member->name(), " holds outputs to ", d.name, ": produced ",
                            d.produced.sequence, ", acked ", d.acked.sequence, ", connected ",
                            d.connected);
      }
    }
  }
  return "";
}

void World::CheckEnd() {
  for (auto& from : members_) {
    const Chatter& chatter = *from->current()->service->chatter();
    for (auto& to : members_) {
      if (to == from) continue;
      const auto sent = chatter.sent().find(to->name());
      const Chatter& other = *to->current()->service->chatter();
      const auto received = other.received().find(from->name());
      const Tally out = sent == chatter.sent().end() ? Tally{} : sent->second;
      const Tally in = received == other.received().end() ? Tally{} : received->second;
      if (out != in) {
        observer_.Violate("I3 exactly once",
                          absl::StrCat(from->name(), " sent ", out.count, " messages to ",
                                       to->name(), ", which consumed ", in.count));
      }
    }
    for (const auto& [id, index] : observer_.acknowledged(from->name())) {
      if (!chatter.impulse_ids().contains(id)) {
        observer_.Violate("I2 nothing leaves before it is committed",
                          absl::StrCat(from->name(), " acknowledged impulse ", id, " at index ",
                                       index, " and lost it"));
      }
    }
    if (chatter.timers_fired() > 0) Count(Situation::kTimerFired);
  }
}

// Every service once more from its checkpoint and log: the same states.
void World::CheckFinalReplay() {
  for (auto& member : members_) {
    const ServiceHost& service = *member->current()->service;
    observer_.State(member->name(), service.index(), service.chatter()->digest());
    member->KillService();
  }
  const bool done = scheduler_.RunUntilDone(
      [this] {
        for (auto& member : members_) member->Observe();
        return Quiet() || !observer_.violation().empty();
      },
      scheduler_.now() + kHealingLimit);
  if (!observer_.violation().empty()) return;
  if (!done)
    return observer_.Violate("liveness",
                             "after a last restart of the services: " + WhatIsNotQuiet());
  for (size_t i = 0; i < members_.size(); ++i) {
    // The observer has compared the states after every input; this one is the last.
    const uint64_t index = members_[i]->current()->service->index();
    observer_.State(members_[i]->name(), index,
                    members_[i]->current()->service->chatter()->digest());
  }
}

WorldResult World::Run() {
  uint64_t steps = 0;
  const auto observe = [this] {
    for (auto& member : members_) member->Observe();
    return !observer_.violation().empty();
  };
  for (; steps < options_.steps && !observe(); ++steps) scheduler_.Step();
  if (observer_.violation().empty()) {
    Heal();
    // Chaos that is already planned plays out first; replaced leaders that still sleep are taken
    // away.
    scheduler_.RunUntilDone([&] { return observe(); }, scheduler_.now() + 10 * kSecond);
    for (auto& member : members_) member->DropReplaced();
    const bool done = scheduler_.RunUntilDone([&] { return observe() || Quiet(); },
                                              scheduler_.now() + kHealingLimit);
    if (observer_.violation().empty() && !done)
      observer_.Violate("liveness", "after healing: " + WhatIsNotQuiet());
    if (observer_.violation().empty()) CheckEnd();
    if (observer_.violation().empty()) CheckFinalReplay();
  }
  WorldResult result;
  result.violation = observer_.violation();
  for (auto& member : members_) {
    result.inputs += member->committed();
    result.acknowledged += observer_.acknowledged(member->name()).size();
    const auto& c = member->volume().counters();
    Count(Situation::kTornWrite, c.writes_torn);
    member->CountFiles();
  }
  result.crashes = crashes_;
  result.faults = faults_;
  result.steps = scheduler_.events_run();
  result.trace_hash = scheduler_.trace().hash();
  result.situations = situations_;
  return result;
}

}  // namespace semper::sim
