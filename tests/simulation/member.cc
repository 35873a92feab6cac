#include "tests/simulation/member.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace semper::sim {

Member::Member(World& world, std::string name)
    : world_(world),
      name_(std::move(name)),
      volume_(world.scheduler_),
      random_(world.scheduler_.random().Fork()) {
  Start();
}

Member::~Member() {
  while (!lives_.empty()) {
    Life& life = *lives_.back();
    life.process->Kill();
    if (life.service_process) life.service_process->Kill();
    End(life);
  }
}

runtime::Options Member::OptionsFor(Life& life) {
  runtime::Options options;
  options.name = name_;
  options.cluster = "sim";
  options.member = life.process->name();
  options.log_dir = "";  // the root of its volume
  options.genesis = runtime::GenesisMode::kCreate;
  options.service_address = life.link;
  for (size_t i = 0; i < world_.names_.size(); ++i) {
    options.peers[world_.names_[i]] = {absl::StrCat("10.0.0.", i + 1, ":7600")};
  }
  options.peer_address = options.peers[name_].front();
  // Small, so that every boundary is met within a few thousand events.
  options.segment_bytes = 8192 + random_.Skewed(256u << 10);
  options.unit_bytes_max = 1024 + random_.Skewed(1u << 20);
  options.chunk_bytes = 64u << 10;
  options.receive_bytes_max = (512u << 10) + random_.Skewed(4u << 20);
  options.held_output_bytes_max = 4096 + random_.Skewed(4u << 20);
  options.ack_note_bytes = 1 + random_.Skewed(64u << 10);
  options.checkpoint_every_inputs = 20 + random_.Skewed(1000);
  options.checkpoint_every_bytes = 4096 + random_.Skewed(1u << 20);
  options.on_stop = [this, &life](core::StopReason reason, const absl::Status& why) {
    OnStop(life, reason, why);
  };
  return options;
}

void Member::Start() {
  starting_ = false;
  const uint64_t number = next_life_++;
  lives_.push_back(std::make_unique<Life>());
  Life& life = *lives_.back();
  const std::string process = absl::StrCat(name_, "-", number);
  life.link = absl::StrCat("unix:/run/", process);
  life.process = std::make_unique<SimProcess>(world_.scheduler_, world_.network_, &volume_, process,
                                              machine(), [this, &life] {
                                                world_.Count(Situation::kCrashBetweenEffects);
                                                ++world_.crashes_;
                                                EndSoon(life, random_.Skewed(20 * kMillisecond));
                                              });
  life.coordinator = std::make_unique<runtime::Coordinator>(
      OptionsFor(life), life.process->loop(), life.process->disk(), life.process->executor());
  if (!world_.healing_ && random_.Chance(1, 6))
    life.process->CrashAfterEffects(random_.Skewed(400));
  life.coordinator->Start();
  StartService(life);
}

void Member::StartAfter(SimNanos delay) {
  if (starting_) return;
  starting_ = true;
  world_.scheduler_.After(delay, [this] { Start(); });
}

void Member::StartService(Life& life) {
  life.service_process = std::make_unique<SimProcess>(world_.scheduler_, world_.network_, nullptr,
                                                      life.process->name() + "-service", machine());
  ServiceHost::Plan plan;
  plan.immortal = name_;
  plan.address = life.link;
  for (const std::string& other : world_.names_) {
    if (other != name_) plan.peers.push_back(other);
  }
  plan.committed = [&life]() -> uint64_t {
    const core::Core* core = life.coordinator ? life.coordinator->core() : nullptr;
    return core == nullptr ? 0 : Raw(core->committed());
  };
  life.service =
      std::make_unique<ServiceHost>(*life.service_process, std::move(plan), world_.observer_);
}

void Member::Observe() {
  for (auto& life : lives_) {
    if (!life->coordinator || life->coordinator->core() == nullptr) continue;
    const core::Core& core = *life->coordinator->core();
    if (core.phase() != core::Core::Phase::kLeading && !life->seen_leading) continue;
    if (!life->seen_leading) {
      life->seen_leading = true;
      world_.observer_.TookOver(name_, core);
      world_.scheduler_.Trace(life->process->name(), "leads epoch", Raw(core.epoch()), "from index",
                              Raw(core.appended()));
      CountTakeOver(*life);
    }
    life->appended = Raw(core.appended());
    if (Raw(core.committed()) != life->committed) {
      life->committed = Raw(core.committed());
      committed_ = std::max(committed_, life->committed);
      world_.observer_.Committed(name_, life->committed);
      world_.scheduler_.Trace(life->process->name(), "committed", life->committed, "of",
                              life->appended);
    }
    for (const core::Destination& d : core.ledger().destinations()) {
      if (!d.quarantine.empty())
        world_.observer_.Violate("I4 determinism", absl::StrCat(name_, ": ", d.quarantine));
    }
    for (const auto& link : core.source_links()) {
      if (!link.quarantine.empty())
        world_.observer_.Violate("I4 determinism", absl::StrCat(name_, ": ", link.quarantine));
    }
  }
}

void Member::CountTakeOver(const Life& life) {
  const auto& facts = life.coordinator->take_over_facts();
  if (facts.records_copied > 0) world_.Count(Situation::kTailCopied);
  if (facts.epochs_void > 0) world_.Count(Situation::kVoidEpoch);
  if (facts.outputs_restored > 0) world_.Count(Situation::kRestoredWithHeldOutputs);
  if (Raw(facts.checkpoint) > 0) world_.Count(Situation::kRestoredFromCheckpoint);
  const uint64_t index = Raw(life.coordinator->core()->appended());
  if (last_death_appended_ > index) world_.Count(Situation::kSpeculationLost);
  const uint64_t torn = volume_.counters().writes_torn + volume_.counters().power_losses_reordered;
  if (torn > torn_before_) world_.Count(Situation::kTornTailAtTakeOver);
  torn_before_ = torn;
  last_death_appended_ = 0;
}

void Member::NoteDeath(Life& life) {
  const core::Core* core = life.coordinator ? life.coordinator->core() : nullptr;
  if (core == nullptr) return;
  world_.Count(Situation::kDuplicatePrefixCut, core->frames_cut());
  world_.Count(Situation::kDuplicateFrameDropped, core->frames_dropped());
  world_.Count(Situation::kRegeneratedOutputDropped, core->ledger().regenerated());
  const auto status = life.coordinator->Status();
  world_.Count(Situation::kCheckpointPublished, status.counters.checkpoints_taken);
  if (status.counters.batches > 0 && status.counters.inputs > 4 * status.counters.batches)
    world_.Count(Situation::kManyInOneUnit);
  if (core->checkpoint_under_way()) world_.Count(Situation::kCheckpointRacedByCrash);
  last_death_appended_ = std::max(last_death_appended_, Raw(core->appended()));
}

void Member::End(Life& life) {
  // What runs in a process goes before its ports.
  life.service.reset();
  life.service_process.reset();
  life.coordinator.reset();
  life.process.reset();
  std::erase_if(lives_, [&](const std::unique_ptr<Life>& l) { return l.get() == &life; });
}

void Member::OnStop(Life& life, core::StopReason reason, const absl::Status& why) {
  world_.scheduler_.Trace(life.process->name(), "stops", std::string(why.message()));
  if (reason == core::StopReason::kDamage) {
    world_.observer_.Violate("recovery", absl::StrCat(name_, " cannot go on: ", why.message()));
  }
  if (reason == core::StopReason::kLostLock) {
    world_.Count(life.replaced ? Situation::kPausedLeaderWokeAndStoodDown
                               : Situation::kLostLockByError);
  }
  EndSoon(life, 1 + random_.Skewed(50 * kMillisecond));
}

// Not at once: code of the process may be on the call stack.
void Member::EndSoon(Life& life, SimNanos restart) {
  world_.scheduler_.After(0, [this, dying = &life, restart] {
    if (std::none_of(lives_.begin(), lives_.end(), [&](const auto& l) { return l.get() == dying; }))
      return;
    const bool was_current = current() == dying;
    NoteDeath(*dying);
    dying->process->Kill();
    if (dying->service_process) dying->service_process->Kill();
    End(*dying);
    if (was_current) StartAfter(restart);
  });
}

void Member::KillCoordinator(SimDeath how) {
  Life* life = current();
  if (life == nullptr) return;
  NoteDeath(*life);
  ++world_.crashes_;
  life->process->Kill(how);
  if (life->service_process) life->service_process->Kill(how);
  world_.Count(Situation::kServiceAndCoordinatorDown);
  End(*life);
  StartAfter(random_.Skewed(20 * kMillisecond));
}

void Member::KillService() {
  Life* life = current();
  if (life == nullptr || !life->service_process) return;
  ++world_.crashes_;
  life->service_process->Kill();
  life->service.reset();
  life->service_process.reset();
  world_.scheduler_.After(random_.Skewed(20 * kMillisecond), [this, life] {
    const bool there =
        std::any_of(lives_.begin(), lives_.end(), [&](const auto& l) { return l.get() == life; });
    if (there && !life->service && !life->process->dead()) StartService(*life);
  });
}

void Member::PowerLoss() {
  while (!lives_.empty()) {
    Life& life = *lives_.back();
    NoteDeath(life);
    life.process->Kill(SimDeath::kPower);
    if (life.service_process) life.service_process->Kill(SimDeath::kPower);
    End(life);
  }
  const SimVolumeCounters before = volume_.counters();
  volume_.PowerLoss();
  const SimVolumeCounters& after = volume_.counters();
  world_.Count(Situation::kPowerLoss);
  world_.Count(Situation::kReorderedWrites,
               after.power_losses_reordered - before.power_losses_reordered);
  ++world_.crashes_;
  StartAfter(random_.Skewed(100 * kMillisecond));
}

void Member::PauseAndReplace(SimNanos pause) {
  Life* life = current();
  if (life == nullptr || !life->seen_leading || life->process->dead()) return;
  life->process->Pause(pause);
  life->replaced = true;
  ++world_.faults_;
  StartAfter(random_.Skewed(5 * kMillisecond));
}

void Member::DropReplaced() {
  for (size_t i = lives_.size(); i > 0; --i) {
    Life& life = *lives_[i - 1];
    if (!life.replaced) continue;
    NoteDeath(life);
    life.process->Kill();
    if (life.service_process) life.service_process->Kill();
    End(life);
  }
}

void Member::DoomAll() {
  for (auto& life : lives_) {
    if (!life->process->dead()) life->process->Doom();
  }
}

void Member::CountFiles() {
  uint64_t lowest = UINT64_MAX;
  uint64_t changes = 0;
  for (const std::string& path : volume_.Files()) {
    const size_t at = path.rfind("/log/");
    if (at == std::string::npos || !path.ends_with(".seg")) continue;
    const uint64_t epoch = std::stoull(path.substr(at + 5, 16), nullptr, 16);
    const uint64_t number = std::stoull(path.substr(path.size() - 12, 8), nullptr, 16);
    lowest = std::min(lowest, epoch);
    if (number > 0) ++changes;
  }
  if (changes > 0) world_.Count(Situation::kSegmentChange, changes);
  if (lowest != UINT64_MAX && lowest > 1) world_.Count(Situation::kLogTruncated);
}

}  // namespace semper::sim
