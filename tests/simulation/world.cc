#include "tests/simulation/world.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/simulation/immortal.h"

namespace semper::sim {

namespace {

constexpr SimNanos kHealingLimit = 300 * kSecond;
constexpr SimNanos kSleepInHealingMax = 2 * kSecond;
// Fellows talk also when nothing goes on: so much longer is the chaos of a world with members.
constexpr uint64_t kStepsOfMembers = 6;

}  // namespace

int MembersOf(uint64_t seed) {
  // A generator of its own: a seed draws the same things however many members it is told to have.
  static constexpr std::array<int, 4> kDraws = {1, 2, 3, 3};
  return kDraws[SimRandom(seed ^ 0x6d656d62657273u).Below(kDraws.size())];
}

World::World(WorldOptions options)
    : options_(options),
      members_(options.members > 0 ? options.members : MembersOf(options.seed)),
      scheduler_(options.seed),
      random_(scheduler_.random().Fork()),
      network_(scheduler_),
      observer_(scheduler_) {
  const int immortals = members_ > 1 ? std::min(options_.immortals, 2) : options_.immortals;
  std::vector<std::string> names;
  for (int i = 0; i < immortals; ++i) {
    names.push_back(absl::StrCat("sim/", std::string(1, static_cast<char>('a' + i))));
    for (int j = 0; j < members_; ++j)
      addresses_[names.back()].push_back(absl::StrCat("10.", j, ".0.", i + 1, ":7600"));
  }
  for (const std::string& name : names)
    immortals_.push_back(std::make_unique<Immortal>(*this, name, members_));
  PlanChaos();
  PlanWork();
}

World::~World() = default;

void World::PlanChaos() {
  // A take-over takes a while, and most of them should come to their end.
  const SimNanos most = members_ > 1 ? kSecond : 60 * kMillisecond;
  scheduler_.After(kMillisecond + random_.Skewed(most), [this] {
    if (healing_) return;
    cut_off_ ? WatchCutOff() : members_ > 1 ? ChaosOfMembers() : Chaos();
    PlanChaos();
  });
}

void World::PlanWork() {
  const SimNanos most = members_ > 1 ? 60 * kMillisecond : 8 * kMillisecond;
  scheduler_.After(20 * kMicrosecond + random_.Skewed(most), [this] {
    if (!working_) return;
    Work();
    PlanWork();
  });
}

void World::Work() {
  Immortal& immortal = *random_.Pick(immortals_);
  std::vector<Member*> candidates;
  for (auto& member : immortal.members()) {
    Member::Life* const life = member->current();
    if (life == nullptr || !life->service) continue;
    if (cut_off_ && cut_off_->member == member.get()) continue;  // nor do its clients reach it
    if (immortal.alone() || life->service->live()) candidates.push_back(member.get());
  }
  if (candidates.empty()) return;
  Member* const member = candidates.size() == 1 ? candidates.front() : random_.Pick(candidates);
  Member::Life* const life = member->current();
  const uint64_t burst = random_.Chance(1, 8) ? 1 + random_.Below(20) : 1;
  for (uint64_t i = 0; i < burst; ++i) {
    const auto messages = static_cast<uint8_t>(random_.Below(6));
    const auto hops = static_cast<uint8_t>(random_.Below(3));
    const auto bytes = static_cast<uint32_t>(random_.Chance(1, 40) ? random_.Skewed(300'000)
                                                                   : random_.Skewed(600));
    life->service->Submit(next_impulse_++, messages, hops, bytes);
  }
}

void World::Heal() {
  healing_ = true;
  working_ = false;
  scheduler_.Trace("heal");
  network_.HealPartitions();
  network_.RefuseDials(0);
  for (auto& immortal : immortals_) {
    immortal->volume().ClearFaults();
    immortal->volume().CancelCrash();
    for (auto& member : immortal->members()) {
      if (immortal->volume().shared()) immortal->volume().CutOff(member->machine(), 0);
      if (Member::Life* life = member->current()) life->process->CrashAfterEffects(UINT64_MAX / 2);
    }
  }
}

bool World::Quiet() { return WhatIsNotQuiet().empty(); }

std::string World::WhatIsNotQuiet() {
  for (auto& immortal : immortals_) {
    if (std::string what = WhatIsNotQuiet(*immortal); !what.empty()) return what;
  }
  return "";
}

std::string World::WhatIsNotQuiet(Immortal& immortal) {
  Member* const leader = immortal.leader();
  if (leader == nullptr) return immortal.name() + " has nobody who leads";
  const std::string& name = leader->leading()->process->name();
  const Member::Life& life = *leader->leading();
  const core::Core& core = *life.coordinator->core();
  if (!life.service || !life.service->live()) return name + "'s service is not live";
  if (core.done() != core.appended() || core.committed() != core.appended()) {
    return absl::StrCat(name, " appended ", Raw(core.appended()), ", committed ",
                        Raw(core.committed()), ", delivered ", Raw(core.delivered()), ", done ",
                        Raw(core.done()), ", its service ", life.service->index());
  }
  for (const core::Destination& d : core.ledger().destinations()) {
    if (!d.held.empty() || d.acked != d.produced) {
      return absl::StrCat(name, " holds outputs to ", d.name, ": produced ", d.produced.sequence,
                          ", acked ", d.acked.sequence, ", connected ", d.connected);
    }
  }
  for (auto& member : immortal.members()) {
    if (member.get() == leader) continue;
    const Member::Life* other = member->current();
    if (other == nullptr || other->process->dead() || other->coordinator->core() == nullptr)
      return absl::StrCat("member ", member->name(), " is down");
    const core::Core& standby = *other->coordinator->core();
    // What its service has done it tells now and then.
    const uint64_t did = other->service ? other->service->index() : 0;
    if (standby.phase() != core::Core::Phase::kFollowing || did != Raw(core.appended())) {
      return absl::StrCat(other->process->name(), " is in phase ",
                          static_cast<int>(standby.phase()), ", delivered ",
                          Raw(standby.delivered()), " of ", Raw(core.appended()),
                          ", its service is at ", did);
    }
  }
  return "";
}

void World::CheckEnd() {
  for (auto& from : immortals_) {
    const Chatter& chatter = *from->leader()->leading()->service->chatter();
    for (auto& to : immortals_) {
      if (to == from) continue;
      const auto sent = chatter.sent().find(to->name());
      const Chatter& other = *to->leader()->leading()->service->chatter();
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
  const auto state_of = [this](Immortal& immortal) {
    const ServiceHost& service = *immortal.leader()->leading()->service;
    observer_.State(immortal.name(), service.index(), service.chatter()->digest(), "the end");
  };
  for (auto& immortal : immortals_) {
    state_of(*immortal);
    for (auto& member : immortal->members())
      immortal->alone() ? member->KillService() : member->KillCoordinator();
  }
  const bool done = scheduler_.RunUntilDone(
      [this] {
        Observe();
        return Quiet() || !observer_.violation().empty();
      },
      scheduler_.now() + kHealingLimit);
  if (!observer_.violation().empty()) return;
  if (!done)
    return observer_.Violate("liveness",
                             "after a last restart of the services: " + WhatIsNotQuiet());
  // The observer has compared the states after every input; this one is the last.
  for (auto& immortal : immortals_) state_of(*immortal);
}

void World::Observe() {
  for (auto& immortal : immortals_) immortal->Observe();
}

void World::CountVolume(Immortal& immortal) {
  const SimVolumeCounters& c = immortal.volume().counters();
  Count(Situation::kTornWrite, c.writes_torn);
  immortal.CountFiles();
  if (immortal.alone()) return;
  Count(Situation::kLateWrite, c.writes_late);
  Count(Situation::kServerRestartLostWrites, c.sync_errors_owed);
}

WorldResult World::Run() {
  uint64_t steps = 0;
  const auto observe = [this] {
    Observe();
    return !observer_.violation().empty();
  };
  const uint64_t chaos = options_.steps * (members_ > 1 ? kStepsOfMembers : 1);
  while ((steps < chaos || cut_off_) && !observe()) {
    scheduler_.Step();
    if (!cut_off_) ++steps;
  }
  if (observer_.violation().empty()) {
    Heal();
    // Chaos that is already planned plays out first; replaced leaders that still sleep are taken
    // away, and so is who sleeps for long.
    const SimNanos plays_out = members_ > 1 ? 3 * kSecond : 10 * kSecond;
    scheduler_.RunUntilDone([&] { return observe(); }, scheduler_.now() + plays_out);
    for (auto& immortal : immortals_) {
      for (auto& member : immortal->members()) {
        member->DropReplaced();
        if (!immortal->alone()) member->EndSleepers(kSleepInHealingMax);
      }
    }
    const bool done = scheduler_.RunUntilDone([&] { return observe() || Quiet(); },
                                              scheduler_.now() + kHealingLimit);
    if (observer_.violation().empty() && !done)
      observer_.Violate("liveness", "after healing: " + WhatIsNotQuiet());
    if (observer_.violation().empty()) CheckEnd();
    if (observer_.violation().empty()) CheckFinalReplay();
  }
  WorldResult result;
  result.violation = observer_.violation();
  for (auto& immortal : immortals_) {
    result.inputs += immortal->committed();
    result.acknowledged += observer_.acknowledged(immortal->name()).size();
    CountVolume(*immortal);
  }
  result.crashes = crashes_;
  result.faults = faults_;
  result.steps = scheduler_.events_run();
  result.trace_hash = scheduler_.trace().hash();
  result.members = members_;
  result.situations = situations_;
  return result;
}

}  // namespace semper::sim
