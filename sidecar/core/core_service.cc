// The service: greeting, restoring, feeding, live; its outputs, timers and checkpoints.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "sidecar/core/core.h"

namespace semper::core {

namespace {
constexpr size_t kCopyHeldBytes = 4096;
}

void Core::OnServiceHello(const v1::ServiceHello& hello) {
  waiting_hello_ = hello;
  service_phase_ = ServicePhase::kWaiting;
  if (phase_ == Phase::kJoining) return BeginJoining();
  // A standby that follows has lost none, so an earlier one was refused.
  if (phase_ == Phase::kLeading || phase_ == Phase::kFollowing) GreetWaitingService();
}

void Core::GreetWaitingService() {
  if (!waiting_hello_) return;
  const v1::ServiceHello hello = *std::move(waiting_hello_);
  waiting_hello_.reset();
  if (hello.minimum_protocol_version() > 1) {
    sink_.RefuseService(absl::StrCat("the service's SDK needs link protocol ",
                                     hello.minimum_protocol_version(),
                                     ", this coordinator speaks 1: upgrade the coordinator"));
    service_phase_ = ServicePhase::kNone;
    return;
  }
  if (!state_.service_name().empty() && hello.service_name() != state_.service_name()) {
    const std::string why =
        absl::StrCat(options_.name, " is an immortal of the service '", state_.service_name(),
                     "'; the program on its link calls itself '", hello.service_name(),
                     "'. Start the right program, or correct --name or --service-socket");
    service_phase_ = ServicePhase::kNone;
    sink_.Report(why);
    return sink_.RefuseService(why);
  }
  ++generation_;
  live_told_ = settled_ = tick_under_way_ = false;
  next_timer_ = 0;
  ledger_.BeginGeneration(restore_.counters);
  delivered_ = done_ = restore_.index;
  hello_ = hello;
  if (Raw(state_.index()) == 0 && phase_ == Phase::kLeading) AdmitStart(hello);
  v1::CoordinatorHello greeting;
  greeting.set_protocol_version(1);
  greeting.set_name(options_.name);
  greeting.set_incarnation(BytesOf(options_.incarnation));
  greeting.set_epoch(Raw(epoch_));
  greeting.set_generation(generation_);
  greeting.set_message_bytes_max(static_cast<uint32_t>(state_.message_bytes_max()));
  greeting.set_restore(Raw(restore_.index) != 0);
  sink_.GreetService(greeting);
  if (Raw(restore_.index) != 0) {
    service_phase_ = ServicePhase::kRestoring;
    sink_.RestoreService(restore_.index);
  } else {
    BeginFeeding();
  }
}

void Core::AdmitStart(const v1::ServiceHello& hello) {
  v1::Control control;
  auto* start = control.mutable_start();
  start->set_service_name(hello.service_name());
  start->set_service_version(hello.service_version());
  start->set_semper_version(options_.semper_version);
  start->set_core_version(kCoreVersion);
  start->set_message_bytes_max(options_.message_bytes_max);
  AdmitControl(control);
}

void Core::OnServiceRestored(const absl::Status& restored) {
  if (service_phase_ != ServicePhase::kRestoring) return;
  if (!restored.ok()) {
    // The leader may have removed a standby's checkpoint meanwhile: there are newer ones.
    const StopReason other =
        phase_ == Phase::kFollowing ? StopReason::kRejoin : StopReason::kUnknownState;
    return StopBecause(absl::IsDataLoss(restored) ? StopReason::kDamage : other, restored);
  }
  BeginFeeding();
}

void Core::BeginFeeding() {
  service_phase_ = ServicePhase::kFeeding;
  if (phase_ == Phase::kFollowing) return sink_.Follow(delivered_);
  sink_.Feed(delivered_);
}

void Core::OnServiceLost(const std::string& why) {
  if (service_phase_ == ServicePhase::kNone) return;
  if (service_phase_ == ServicePhase::kFeeding || service_phase_ == ServicePhase::kRestoring)
    sink_.StopFeeding();
  service_phase_ = ServicePhase::kNone;
  waiting_hello_.reset();
  if (phase_ == Phase::kFollowing || phase_ == Phase::kChecking) {
    return StopBecause(StopReason::kRejoin,
                       absl::UnavailableError(absl::StrCat("the service went away: ", why)));
  }
  if (Raw(checkpoint_cut_) != 0 && !checkpoint_ready_)
    OnCheckpointFailed(absl::StrCat("the service went away: ", why));
}

void Core::ServiceFault(const absl::Status& why) {
  sink_.Report(std::string(why.message()));
  sink_.RefuseService(std::string(why.message()));
  OnServiceLost(std::string(why.message()));
}

void Core::OnFed(const FrameHeader& entry, const Buffer& payload) {
  if (service_phase_ != ServicePhase::kFeeding) return;
  SEMPER_CHECK(entry.index == Raw(delivered_) + 1, "the feeder skipped an input");
  // What was being read when it was about to claim comes while it looks at the claims.
  const bool follows = phase_ == Phase::kFollowing || phase_ == Phase::kChecking;
  if (follows) {
    if (time_of_checkpoint_ == 0) time_of_checkpoint_ = entry.time;  // the first input of all
    if (absl::Status s = state_.Apply(entry, payload.bytes()); !s.ok())
      return StopBecause(StopReason::kDamage, s);
    committed_index_ = state_.index();
    contender_.OnInput();
    handed_over_ = Epoch{};
    bytes_since_checkpoint_ += kFrameHeaderBytes + entry.bytes;
    inputs_since_checkpoint_ += entry.count;
  }
  delivered_ = Index{entry.index + entry.count - 1};
  if (entry.kind == FrameKind::kControl) {
    v1::Control control;
    if (control.ParseFromArray(payload.data(), static_cast<int>(payload.size())) &&
        control.has_ack_note()) {
      TakeAckNote(control.ack_note());
    }
    if (follows && control.has_hand_over() && control.hand_over().member() == options_.member) {
      handed_over_ = Epoch{control.hand_over().epoch()};
    }
  }
  sink_.Deliver(entry, payload);
}

void Core::TakeAckNote(const v1::Control::AckNote& note) {
  for (const auto& acked : note.acked()) {
    const Slot slot{acked.slot()};
    // What was produced may not be there yet again: the position becomes a witness.
    if (ledger_.Find(slot) == nullptr) continue;
    const absl::Status s = ledger_.Ack(slot, {acked.sequence(), acked.hash()}, false);
    if (s.ok()) continue;
    if (phase_ == Phase::kFollowing || phase_ == Phase::kChecking) {
      Diverged(s);
    } else {
      DestinationFault(slot, s);
    }
  }
}

void Core::OnFedAll() {
  if (service_phase_ != ServicePhase::kFeeding) return;
  const bool meets = tail_.empty() ? delivered_ == state_.index()
                                   : Raw(delivered_) + 1 >= tail_.front().frame.index;
  if (!meets) return sink_.Feed(delivered_);  // more has become durable meanwhile
  GoLive();
}

void Core::GoLive() {
  service_phase_ = ServicePhase::kLive;
  for (size_t i = 0; i < tail_.size(); ++i) {
    const TailEntry& entry = tail_[i];
    if (entry.frame.index <= Raw(delivered_)) continue;
    delivered_ = Index{entry.frame.index + entry.frame.count - 1};
    sink_.Deliver(entry.frame, entry.payload);
  }
  SEMPER_CHECK(delivered_ == state_.index(), "live before everything was delivered");
  if (!live_told_) {
    live_told_ = true;
    live_index_ = delivered_;
    sink_.TellLive(delivered_);
  }
  sink_.TellCommitted(std::min(committed_index_, delivered_));
  MaybeSettle();
}

void Core::OnFeedFailed(const absl::Status& why) {
  if (service_phase_ != ServicePhase::kFeeding) return;
  StopBecause(absl::IsDataLoss(why) ? StopReason::kDamage : StopReason::kUnknownState, why);
}

void Core::OnLinkStalled() {
  if (service_phase_ == ServicePhase::kLive) BeginFeeding();
}

absl::Status Core::OnDestination(Slot slot, std::string_view name) {
  const bool known = ledger_.Find(slot) != nullptr;
  if (absl::Status s = ledger_.Define(slot, name); !s.ok()) {
    ServiceFault(s);
    return s;
  }
  if (!known) {
    // The log may know more of it than the restored checkpoint did.
    const bool noted = state_.notes().size() >= Raw(slot);
    const auto note = noted ? state_.notes()[Raw(slot) - 1] : ReplicatedState::DestinationNote{};
    if (note.welcomed) {
      Destination& d = *ledger_.Find(slot);
      d.welcomed = true;
      d.incarnation = note.incarnation;
    }
    if (absl::Status s = ledger_.Ack(slot, note.acked, settled_); !s.ok())
      SuspectDestination(slot, s);
    if (phase_ == Phase::kLeading) sink_.Connect(slot, std::string(name));
  }
  return absl::OkStatus();
}

absl::Status Core::OnOutput(const FrameHeader& frame, Buffer payload) {
  if (frame.index == 0 || frame.index > Raw(delivered_)) {
    absl::Status s =
        absl::InvalidArgumentError(absl::StrCat("an output names cause ", frame.index, " but only ",
                                                Raw(delivered_), " inputs were delivered"));
    ServiceFault(s);
    return s;
  }
  // A small payload would keep the whole chunk that it was received into.
  if (payload.size() <= kCopyHeldBytes) payload = pool_.Copy(payload.bytes());
  absl::Status s =
      ledger_.Add(Slot{frame.slot}, frame.count, frame.crc, frame.index, std::move(payload));
  if (absl::IsDataLoss(s)) {
    // Not deterministic: nothing more leaves for this destination, and the operator is told. Others
    // are unharmed.
    SuspectDestination(Slot{frame.slot}, s);
    return absl::OkStatus();
  }
  if (!s.ok()) ServiceFault(s);
  return s;
}

absl::Status Core::OnDone(Index index, uint64_t next_timer) {
  if (index > delivered_) {
    absl::Status s = absl::InvalidArgumentError(absl::StrCat(
        "done with input ", Raw(index), " but only ", Raw(delivered_), " were delivered"));
    ServiceFault(s);
    return s;
  }
  done_ = std::max(done_, index);
  next_timer_ = next_timer;
  tick_under_way_ = false;
  MaybeSettle();
  MaybeTick();
  return absl::OkStatus();
}

void Core::MaybeSettle() {
  if (settled_ || !live_told_ || done_ < live_index_) return;
  settled_ = true;
  for (Destination& d : ledger_.destinations()) {
    if (absl::Status s = ledger_.CheckSettled(d.slot); !s.ok()) SuspectDestination(d.slot, s);
  }
}

void Core::MaybeTick() {
  if (next_timer_ == 0 || tick_under_way_ || !CanAdmit() || service_phase_ != ServicePhase::kLive)
    return;
  if (done_ != delivered_) return;  // an input under way may fire it
  if (std::max(now_, state_.time()) < next_timer_) {
    sink_.WakeAt(next_timer_);
    return;
  }
  tick_under_way_ = true;
  v1::Control control;
  control.mutable_tick();
  AdmitControl(control);
}

void Core::OnWake() {
  if (phase_ == Phase::kLeading) MaybeTick();
}

absl::Status Core::OnImpulse(const FrameHeader& frame, Buffer payload) {
  if (!live_told_) {
    absl::Status s = absl::FailedPreconditionError("an impulse before this generation is live");
    ServiceFault(s);
    return s;
  }
  if (draining_)
    return absl::OkStatus();  // its fate is unknown to the service, as after any failure
  reach_.OnHeard(steady_);
  FrameHeader entry = frame;
  entry.kind = FrameKind::kImpulse;
  entry.slot = 0;
  Admit(entry, std::move(payload));
  return absl::OkStatus();
}

absl::Status Core::OnCheckpointBegin(Index index) {
  if (index != checkpoint_cut_ || Raw(checkpoint_cut_) == 0) {
    absl::Status s = absl::InvalidArgumentError(
        absl::StrCat("a checkpoint at ", Raw(index), " was not asked for"));
    ServiceFault(s);
    return s;
  }
  // In the output stream: every output of inputs up to the cut is in the ledger, none of later
  // inputs.
  checkpoint_counters_.clear();
  for (const Destination& d : ledger_.destinations()) {
    SEMPER_CHECK(d.current == d.produced, "a checkpoint while regenerating");
    checkpoint_counters_.push_back(d.current);
    auto* to = checkpoint_state_.add_destinations();
    to->set_slot(Raw(d.slot));
    to->set_name(d.name);
    to->set_sequence(d.current.sequence);
    to->set_hash(d.current.hash);
    to->set_acked_sequence(d.dropped.sequence);
    to->set_acked_hash(d.dropped.hash);
    if (d.welcomed) to->set_incarnation(BytesOf(d.incarnation));
  }
  sink_.WriteCheckpointOutputs(checkpoint_state_, ledger_);
  return absl::OkStatus();
}

void Core::OnCheckpointReady(Index index) {
  if (index != checkpoint_cut_) return;
  checkpoint_ready_ = true;
  MaybePublish();
}

void Core::MaybePublish() {
  if (!checkpoint_ready_ || committed_index_ < checkpoint_cut_) return;
  checkpoint_ready_ = false;
  sink_.PublishCheckpoint(checkpoint_cut_);
}

bool Core::MaybeCutFollowed() {
  if (phase_ != Phase::kFollowing || !CheckpointDue()) return false;
  CutCheckpoint(delivered_);
  return true;
}

bool Core::MayAdopt(Index index) const {
  // A service that began there would not make again the outputs up to it; only what the own one has
  // made is in the ledger.
  return phase_ == Phase::kLeading && index > restore_.index && index <= done_ &&
         index <= committed_index_;
}

bool Core::OnCheckpointAdopted(Index index, const v1::CoordinatorState& state) {
  if (!MayAdopt(index)) return false;
  restore_.index = index;
  restore_.counters.clear();
  for (const auto& d : state.destinations()) {
    restore_.counters.resize(d.slot());
    restore_.counters[d.slot() - 1] = {d.sequence(), d.hash()};
  }
  bytes_since_checkpoint_ = inputs_since_checkpoint_ = 0;
  time_of_checkpoint_ = state_.time();
  return true;
}

void Core::OnCheckpointPublished(Index index) {
  if (index != checkpoint_cut_) return;
  restore_.index = index;
  restore_.counters = checkpoint_counters_;
  checkpoint_cut_ = Index{};
}

void Core::OnCheckpointFailed(const std::string& why) {
  if (Raw(checkpoint_cut_) == 0) return;
  checkpoint_cut_ = Index{};
  checkpoint_ready_ = false;
  sink_.AbandonCheckpoint(why);
}

}  // namespace semper::core
