#include "tests/simulation/member.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/simulation/immortal.h"

namespace semper::sim {

using Phase = core::Core::Phase;

namespace {

std::chrono::nanoseconds Nanos(SimNanos nanos) {
  return std::chrono::nanoseconds(static_cast<int64_t>(nanos));
}

}  // namespace

Member::Member(Immortal& immortal, std::string name, std::string machine, std::string address)
    : immortal_(immortal),
      world_(immortal.world_),
      name_(std::move(name)),
      machine_(std::move(machine)),
      address_(std::move(address)),
      random_(world_.scheduler_.random().Fork()) {}

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
  const bool alone = immortal_.alone();
  options.name = immortal_.name();
  options.cluster = "sim";
  options.member = alone ? life.process->name() : name_;
  options.log_dir = "";  // the root of its volume
  options.genesis = runtime::GenesisMode::kCreate;
  options.service_address = life.link;
  options.peers = world_.addresses_;
  options.peer_address = address_;
  // Small, so that every boundary is met within a few thousand events.
  options.segment_bytes = 8192 + random_.Skewed(256u << 10);
  options.unit_bytes_max = 1024 + random_.Skewed(1u << 20);
  options.chunk_bytes = 64u << 10;
  options.receive_bytes_max = (512u << 10) + random_.Skewed(4u << 20);
  options.held_output_bytes_max = 4096 + random_.Skewed(4u << 20);
  options.ack_note_bytes = 1 + random_.Skewed(64u << 10);
  options.checkpoint_every_inputs = 20 + random_.Skewed(1000);
  options.checkpoint_every_bytes = 4096 + random_.Skewed(1u << 20);
  if (!alone) {
    options.members = world_.addresses_[immortal_.name()];
    // A standby's room for outputs may be small, and no note may come: the leader says them, too.
    if (random_.Chance(1, 2)) options.ack_note_bytes = UINT64_MAX;
    options.silence_limit = Nanos(200 * kMillisecond + random_.Skewed(800 * kMillisecond));
    options.still_limit = Nanos(5 * kMillisecond + random_.Skewed(30 * kMillisecond));
    options.claim_not_before = Nanos(claim_not_before_);
    options.known_committed = known_committed_;
    if (random_.Chance(1, 4)) {
      options.checkpoint_on = runtime::Options::CheckpointOn::kLeader;
    }
    if (immortal_.volume().shared()) options.profile = log::Profile::kShared;
    // Records are 4 KiB apart, and a leader with nothing to do writes notes.
    options.segment_bytes = (32u << 10) + random_.Skewed(512u << 10);
  }
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
  const std::string process = immortal_.alone() ? absl::StrCat(immortal_.name(), "-", number)
                                                : absl::StrCat("sim/", name_, ".", number);
  life.serial = ++world_.lives_;
  life.began = world_.scheduler_.now();
  life.link = absl::StrCat("unix:/run/", process);
  life.process = std::make_unique<SimProcess>(
      world_.scheduler_, world_.network_, &immortal_.volume(), process, machine_, [this, &life] {
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
  if (std::exchange(starting_, true)) return;
  world_.scheduler_.After(delay, [this] { Start(); });
}

void Member::StartService(Life& life) {
  life.service_process = std::make_unique<SimProcess>(world_.scheduler_, world_.network_, nullptr,
                                                      life.process->name() + "-service", machine_);
  ServiceHost::Plan plan;
  plan.immortal = immortal_.name();
  plan.address = life.link;
  for (const auto& [other, addresses] : world_.addresses_) {
    if (other != immortal_.name()) plan.peers.push_back(other);
  }
  plan.committed = [this, &life]() -> uint64_t {
    const core::Core* core = life.coordinator ? life.coordinator->core() : nullptr;
    if (core == nullptr) return 0;
    const bool speculates =
        immortal_.alone() || core->phase() == Phase::kLeading || core->phase() == Phase::kStopped;
    // Whatever a standby's service was given has to be committed.
    return speculates ? Raw(core->committed()) : UINT64_MAX;
  };
  life.service =
      std::make_unique<ServiceHost>(*life.service_process, std::move(plan), world_.observer_);
}

Member::Life* Member::leading() {
  Life* const life = current();
  if (life == nullptr || !life->seen_leading || life->process->dead()) return nullptr;
  return life->coordinator->core()->phase() == Phase::kLeading ? life : nullptr;
}

void Member::Observe() {
  for (auto& life : lives_) {
    if (!life->coordinator || life->coordinator->core() == nullptr) continue;
    const core::Core& core = *life->coordinator->core();
    if (!life->seen_sealed) ObserveSeal(*life, core);
    if (core.phase() == Phase::kLeading || life->seen_leading) {
      ObserveLeader(*life, core);
    } else if (!immortal_.alone()) {
      ObserveStandby(*life, core);
    }
  }
}

void Member::ObserveSeal(Life& life, const core::Core& core) {
  const Phase phase = core.phase();
  if (phase != Phase::kConfirming && phase != Phase::kRecovering && phase != Phase::kLeading)
    return;
  life.seen_sealed = true;
  const uint64_t epoch = Raw(core.epoch());
  if (epoch < immortal_.newest_sealed_) world_.Count(Situation::kSealedAfterSuccessor);
  immortal_.newest_sealed_ = std::max(immortal_.newest_sealed_, epoch);
}

void Member::ObserveLeader(Life& life, const core::Core& core) {
  if (!life.seen_leading) {
    life.seen_leading = true;
    world_.observer_.TookOver(immortal_.name(), Raw(core.epoch()), Raw(core.appended()),
                              life.serial);
    world_.scheduler_.Trace(life.process->name(), "leads epoch", Raw(core.epoch()), "from index",
                            Raw(core.appended()));
    CountTakeOver(life);
  }
  life.appended = Raw(core.appended());
  if (Raw(core.committed()) != life.committed) {
    life.committed = Raw(core.committed());
    immortal_.committed_ = std::max(immortal_.committed_, life.committed);
    world_.observer_.Committed(immortal_.name(), Raw(core.epoch()), life.committed);
    world_.scheduler_.Trace(life.process->name(), "committed", life.committed, "of", life.appended);
  }
  CheckLinks(core);
}

void Member::ObserveStandby(Life& life, const core::Core& core) {
  if (Raw(core.delivered()) > life.committed) {
    life.committed = Raw(core.delivered());
    world_.observer_.Applied(immortal_.name(), life.committed);
  }
  if (!life.ahead_counted && life.coordinator->was_ahead_of_files()) {
    life.ahead_counted = true;
    world_.Count(Situation::kStandbyAheadOfFiles);
  }
  if (!core.contender().unfit().empty()) {
    world_.observer_.Violate("I4 determinism",
                             absl::StrCat(life.process->name(), ": ", core.contender().unfit()));
  }
}

void Member::CheckLinks(const core::Core& core) {
  for (const core::Destination& d : core.ledger().destinations()) {
    if (!d.quarantine.empty()) {
      world_.observer_.Violate("I4 determinism",
                               absl::StrCat(immortal_.name(), ": ", d.quarantine));
    }
  }
  for (const auto& link : core.source_links()) {
    if (!link.quarantine.empty()) {
      world_.observer_.Violate("I4 determinism",
                               absl::StrCat(immortal_.name(), ": ", link.quarantine));
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
  if (immortal_.last_death_appended_ > index) world_.Count(Situation::kSpeculationLost);
  const SimVolumeCounters& counters = immortal_.volume().counters();
  const uint64_t torn =
      counters.writes_torn + counters.power_losses_reordered + counters.writes_partly_sent;
  const bool torn_now = torn > immortal_.torn_before_;
  if (torn_now) world_.Count(Situation::kTornTailAtTakeOver);
  immortal_.torn_before_ = torn;
  immortal_.last_death_appended_ = 0;
  immortal_.newest_leading_ =
      std::max(immortal_.newest_leading_, Raw(life.coordinator->core()->epoch()));
  const std::string before = std::exchange(immortal_.last_to_lead_, name_);
  if (immortal_.alone()) return;
  if (!before.empty() && before != name_) {
    world_.Count(Situation::kStandbyTookOver);
    if (torn_now) world_.Count(Situation::kStandbyTookOverTornTail);
  }
  if (facts.epochs_void >= 3) world_.Count(Situation::kThreeClaimsWithoutSeal);
}

void Member::NoteDeath(Life& life) {
  const core::Core* core = life.coordinator ? life.coordinator->core() : nullptr;
  if (core == nullptr) return;
  world_.Count(Situation::kDuplicatePrefixCut, core->frames_cut());
  world_.Count(Situation::kDuplicateFrameDropped, core->frames_dropped());
  world_.Count(Situation::kRegeneratedOutputDropped, core->ledger().regenerated());
  const auto status = life.coordinator->Status();
  world_.Count(Situation::kCheckpointPublished, status.counters.checkpoints_taken);
  if (!life.seen_leading && !immortal_.alone())
    world_.Count(Situation::kCheckpointByStandby, status.counters.checkpoints_taken);
  world_.Count(Situation::kCheckpointTurnPassed, life.coordinator->late_checkpoints());
  if (status.counters.batches > 0 && status.counters.inputs > 4 * status.counters.batches)
    world_.Count(Situation::kManyInOneUnit);
  if (core->checkpoint_under_way()) world_.Count(Situation::kCheckpointRacedByCrash);
  if (life.seen_leading || immortal_.alone()) {
    immortal_.last_death_appended_ =
        std::max(immortal_.last_death_appended_, Raw(core->appended()));
  }
}

void Member::End(Life& life) {
  // What runs in a process goes before its ports.
  life.service.reset();
  life.service_process.reset();
  life.coordinator.reset();
  life.process.reset();
  std::erase_if(lives_, [&](const std::unique_ptr<Life>& l) { return l.get() == &life; });
}

// As the process of the binary does between two lives in place.
void Member::NoteForNextLife(const Life& life, core::StopReason reason) {
  known_committed_ = life.coordinator->KnownCommitted();
  constexpr SimNanos kClaimInterval = 300 * kMillisecond;
  const SimNanos now = world_.scheduler_.now();
  if (reason == core::StopReason::kHandedOver) {
    claim_not_before_ = now + kSecond;
  } else if (reason != core::StopReason::kRejoin) {
    losses_ = now - life.began > 10 * kClaimInterval ? 1 : std::min(losses_ + 1, 6);
    claim_not_before_ = now + kClaimInterval * (uint64_t{1} << (losses_ - 1)) / 2;
  }
}

void Member::CountStop(Life& life, core::StopReason reason, const absl::Status& why) {
  if (reason == core::StopReason::kLostLock && immortal_.alone()) {
    world_.Count(life.replaced ? Situation::kPausedLeaderWokeAndStoodDown
                               : Situation::kLostLockByError);
  }
  if (immortal_.alone()) return;
  const core::Core* core = life.coordinator->core();
  if (reason == core::StopReason::kHandedOver) world_.Count(Situation::kHandedOver);
  if (core != nullptr && core->resigned()) world_.Count(Situation::kCutOffLeaderResigned);
  if (reason == core::StopReason::kRejoin && absl::IsNotFound(why))
    world_.Count(Situation::kRejoinedAfterRetention);
  if (core == nullptr || Raw(core->epoch()) >= immortal_.newest_leading_ || !life.seen_leading)
    return;
  world_.Count(Situation::kDeposed);
  if (life.slept) world_.Count(Situation::kPausedLeaderWokeAfterSeal);
  if (core->checkpoint_under_way()) world_.Count(Situation::kCheckpointOfDeposedLeader);
}

void Member::OnStop(Life& life, core::StopReason reason, const absl::Status& why) {
  world_.scheduler_.Trace(life.process->name(), "stops", std::string(why.message()));
  if (reason == core::StopReason::kDamage || reason == core::StopReason::kReplaced) {
    world_.observer_.Violate("recovery",
                             absl::StrCat(life.process->name(), " cannot go on: ", why.message()));
  }
  CountStop(life, reason, why);
  NoteForNextLife(life, reason);
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

void Member::EndAll() {
  while (!lives_.empty()) {
    Life& life = *lives_.back();
    NoteDeath(life);
    life.process->Kill(SimDeath::kPower);
    if (life.service_process) life.service_process->Kill(SimDeath::kPower);
    End(life);
  }
}

void Member::PauseAndReplace(SimNanos pause) {
  Life* life = current();
  if (life == nullptr || !life->seen_leading || life->process->dead()) return;
  life->process->Pause(pause);
  life->replaced = true;
  ++world_.faults_;
  StartAfter(random_.Skewed(5 * kMillisecond));
}

void Member::Pause(uint64_t after_effects, SimNanos pause) {
  Life* const life = current();
  if (life == nullptr || life->process->dead()) return;
  ++world_.faults_;
  if (life->seen_leading) life->slept = true;
  if (pause >= 60 * kSecond) world_.Count(Situation::kPausedForMinutes);
  if (after_effects == 0) return life->process->Pause(pause);
  life->process->PauseAfterEffects(after_effects, pause);
}

void Member::EndSleepers(SimNanos limit) {
  Life* const life = current();
  if (life == nullptr || life->process->dead() || !life->process->paused_longer(limit)) return;
  KillCoordinator();
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

}  // namespace semper::sim
