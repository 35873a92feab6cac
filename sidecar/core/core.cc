// The lock and the log: from a claim to committed inputs.
#include "sidecar/core/core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace semper::core {
namespace {

// Why a take-over that fails like this stops: ABORTED is a newer claim.
StopReason ReasonOf(const absl::Status& why) {
  if (absl::IsDataLoss(why)) return StopReason::kDamage;
  if (absl::IsOutOfRange(why)) return StopReason::kReplaced;
  return absl::IsAborted(why) ? StopReason::kLostLock : StopReason::kUnknownState;
}

}  // namespace

Core::Core(CoreOptions options, BufferPool& pool, EffectSink& sink)
    : options_(std::move(options)),
      pool_(pool),
      sink_(sink),
      contender_(options_.contender),
      reach_(options_.contender.silence_nanos),
      tail_(1024),
      units_(64),
      marks_(256) {}

void Core::StopBecause(StopReason reason, const absl::Status& why) {
  if (phase_ == Phase::kStopped) return;
  phase_ = Phase::kStopped;
  sink_.Stop(reason, why);
}

void Core::Start() {
  SEMPER_CHECK(phase_ == Phase::kNew, "a core starts once");
  phase_ = Phase::kReadingClaims;
  sink_.ReadClaims();
}

void Core::OnClaimsRead(const absl::StatusOr<Epoch>& newest, bool own) {
  if (phase_ != Phase::kReadingClaims && phase_ != Phase::kChecking) return;
  if (!newest.ok()) return StopBecause(StopReason::kUnknownState, newest.status());
  // A claim that its dead owner had not synced may be gone again; nobody is to be waited for then.
  const bool moved = std::exchange(newest_claim_, *newest) < *newest;
  if (!options_.alone && phase_ == Phase::kReadingClaims) {
    own_last_ = own;
    phase_ = Phase::kJoining;
    if (waiting_hello_) BeginJoining();
    return;
  }
  if (phase_ == Phase::kChecking && moved) {
    contender_.OnOtherClaim(steady_);
    phase_ = Phase::kFollowing;
    return sink_.Follow(delivered_);
  }
  epoch_ = Epoch{Raw(*newest) + 1};
  phase_ = Phase::kClaiming;
  sink_.CreateClaim(epoch_);
}

void Core::OnClaimed(const absl::Status& claimed) {
  if (phase_ != Phase::kClaiming) return;
  if (absl::IsAlreadyExists(claimed) && !options_.alone) {
    newest_claim_ = std::exchange(epoch_, Epoch{});
    // As a leader it would have gone on without its service; a standby's state is its service's.
    if (service_phase_ != ServicePhase::kFeeding) {
      return StopBecause(StopReason::kRejoin,
                         absl::UnavailableError("the service went away during a claim"));
    }
    contender_.OnOtherClaim(steady_);
    phase_ = Phase::kFollowing;
    return sink_.Follow(delivered_);
  }
  if (absl::IsAlreadyExists(claimed)) {
    return StopBecause(
        StopReason::kLostLock,
        absl::AbortedError(absl::StrCat("epoch ", Raw(epoch_), " was claimed by another member")));
  }
  if (!claimed.ok()) return StopBecause(StopReason::kUnknownState, claimed);
  newest_claim_ = epoch_;
  phase_ = Phase::kSealing;
  sink_.TakeOver(epoch_);
}

void Core::OnSealed(const absl::Status& sealed) {
  if (phase_ != Phase::kSealing) return;
  if (!sealed.ok()) {
    return StopBecause(ReasonOf(sealed), sealed);
  }
  // The seal is batch 0: durable now, and nothing happens before it is committed.
  durable_batches_ = 1;
  next_batch_ = Batch{1};
  phase_ = Phase::kConfirming;
  MaybeLookUp();
}

void Core::OnRecovered(absl::StatusOr<Recovered> recovered) {
  if (phase_ != Phase::kRecovering) return;
  if (!recovered.ok()) {
    const absl::Status& why = recovered.status();
    // The log is sound, but does not continue what was followed: join it anew.
    const bool elsewhere = followed_ && (absl::IsNotFound(why) || absl::IsFailedPrecondition(why));
    return StopBecause(elsewhere ? StopReason::kLostLock : ReasonOf(why), why);
  }
  if (followed_) {
    state_ = std::move(recovered->state);
  } else {
    LoadCheckpoint(*recovered);
  }
  BeginLeading();
}

void Core::LoadCheckpoint(Recovered& recovered) {
  state_ = std::move(recovered.state);
  restore_.index = recovered.restore_index;
  restore_.counters.clear();
  for (const auto& d : recovered.checkpoint.destinations()) {
    ledger_.Restore(Slot{d.slot()}, d.name(), {d.sequence(), d.hash()},
                    {d.acked_sequence(), d.acked_hash()});
    restore_.counters.resize(d.slot());
    restore_.counters[d.slot() - 1] = {d.sequence(), d.hash()};
    Destination& destination = *ledger_.Find(Slot{d.slot()});
    destination.welcomed = d.incarnation().size() == 16;
    destination.incarnation = IncarnationFrom(d.incarnation());
  }
  for (auto& held : recovered.held) {
    ledger_.RestoreHeld(Slot{held.frame.slot}, held.frame.count, held.frame.crc,
                        std::move(held.payload));
  }
  time_of_checkpoint_ = state_.time();
}

void Core::BeginLeading() {
  // Found out while it took over: nothing of it has left.
  if (!contender_.unfit().empty())
    return StopBecause(StopReason::kLostLock, absl::AbortedError(contender_.unfit()));
  durable_index_ = committed_index_ = state_.index();
  links_.resize(state_.sources().size());
  for (size_t i = 0; i < links_.size(); ++i) links_[i].committed = state_.sources()[i].position;
  phase_ = Phase::kLeading;
  written_at_ = steady_;
  reach_.OnHeard(steady_);  // from here on it is missed
  if (!options_.alone) sink_.CheckAt(steady_ + options_.contender.silence_nanos / 3);
  for (const Destination& d : ledger_.destinations()) sink_.Connect(d.slot, d.name);
  if (!followed_) return GreetWaitingService();
  if (waiting_hello_) return GreetWaitingService();  // it lost its service while it took over
  if (service_phase_ != ServicePhase::kFeeding) return;
  if (Raw(state_.index()) == 0) AdmitStart(hello_);
  sink_.Feed(delivered_);
}

bool Core::CanAdmit() const {
  return phase_ == Phase::kLeading && !draining_ && Raw(state_.index()) != 0 &&
         unit_bytes_ < options_.unit_bytes_max &&
         Raw(state_.index()) - Raw(done_) < options_.backlog_inputs_max;
}

void Core::Admit(FrameHeader entry, Buffer payload) {
  entry.index = Raw(state_.index()) + 1;
  entry.time = std::max(now_, state_.time());
  if (time_of_checkpoint_ == 0) time_of_checkpoint_ = entry.time;  // the first input of all
  entry.flags = 0;
  entry.last = 0;
  const absl::Status applied = state_.Apply(entry, payload.bytes());
  SEMPER_CHECK(applied.ok(), "an admitted input contradicts the state");
  unit_bytes_ += kFrameHeaderBytes + entry.bytes;
  ++unit_entries_;
  bytes_since_checkpoint_ += kFrameHeaderBytes + entry.bytes;
  inputs_since_checkpoint_ += entry.count;
  sink_.Log(entry, payload);
  if (service_phase_ == ServicePhase::kLive) {
    delivered_ = state_.index();
    sink_.Deliver(entry, payload);
  }
  tail_bytes_ += payload.size();
  tail_.Push({entry, std::move(payload)});
}

void Core::AdmitControl(const v1::Control& control) {
  const std::string bytes = control.SerializeAsString();
  FrameHeader entry;
  entry.kind = FrameKind::kControl;
  entry.count = 1;
  entry.bytes = static_cast<uint32_t>(bytes.size());
  entry.crc = Crc32c(0, AsBytes(bytes));
  Admit(entry, pool_.Copy(AsBytes(bytes)));
}

void Core::EndOfRound() {
  if (phase_ != Phase::kLeading) return;
  // A service that is slower than the log makes outputs whose cause has been committed before: no
  // commit will follow.
  if (!ledger_.pending().empty()) ReleaseOutputs();
  MaybeNoteAcks();
  MaybeTick();
  if (checkpoint_wanted_ && !draining_ && unit_entries_ == 0 && !write_in_flight_ &&
      service_phase_ == ServicePhase::kLive && Raw(checkpoint_cut_) == 0) {
    v1::Control control;
    control.mutable_tick();  // a cut is at the end of a record with inputs
    AdmitControl(control);
  }
  MaybeWrite();
}

bool Core::CheckpointDue() const {
  // Cut only while everything admitted is also delivered, and outputs are made for the first time.
  const bool follows = phase_ == Phase::kFollowing && service_phase_ == ServicePhase::kFeeding;
  if ((service_phase_ != ServicePhase::kLive && !follows) || Raw(checkpoint_cut_) != 0)
    return false;
  return checkpoint_wanted_ || (checkpoints_here_ && CheckpointDueByPolicy());
}

bool Core::CheckpointDueByPolicy() const {
  const auto due = [](uint64_t limit, uint64_t value) { return limit != 0 && value >= limit; };
  return due(options_.checkpoint_every_bytes, bytes_since_checkpoint_) ||
         due(options_.checkpoint_every_inputs, inputs_since_checkpoint_) ||
         due(options_.checkpoint_every_nanos, state_.time() - time_of_checkpoint_);
}

void Core::MaybeWrite() {
  const bool is_note = unit_entries_ == 0;
  if (phase_ != Phase::kLeading || write_in_flight_ || (is_note && !note_due_)) return;
  if (units_.size() >= options_.uncommitted_units_max) return;
  note_due_ = false;
  written_at_ = steady_;
  UnitFacts facts{next_batch_, state_.index(), 0};
  for (const Slot slot : open_marks_) {
    links_[Raw(slot) - 1].marked = false;
    marks_.Push({slot, state_.sources()[Raw(slot) - 1].position});
    ++facts.marks;
  }
  open_marks_.clear();
  units_.Push(facts);
  unit_bytes_ = 0;
  unit_entries_ = 0;
  write_in_flight_ = true;
  const bool cut = !is_note && CheckpointDue();
  stated_batches_ = committed_batches_;
  sink_.WriteUnit(epoch_, next_batch_, durable_batches_, committed_batches_, cut);
  next_batch_ = next_batch_ + 1;
  if (cut) CutCheckpoint(state_.index());
}

void Core::CutCheckpoint(Index index) {
  checkpoint_wanted_ = false;
  checkpoint_cut_ = index;
  checkpoint_ready_ = false;
  checkpoint_state_.Clear();
  state_.Save(checkpoint_state_);
  bytes_since_checkpoint_ = inputs_since_checkpoint_ = 0;
  time_of_checkpoint_ = state_.time();
  sink_.RequestCheckpoint(checkpoint_cut_);
}

void Core::OnUnitDurable(const absl::Status& written) {
  if (phase_ != Phase::kLeading) return;
  SEMPER_CHECK(write_in_flight_, "a unit became durable that was not written");
  if (!written.ok()) return StopBecause(StopReason::kUnknownState, written);
  write_in_flight_ = false;
  ++durable_batches_;
  durable_index_ = units_.back().last;
  while (!tail_.empty() && tail_.front().frame.index <= Raw(durable_index_)) {
    tail_bytes_ -= tail_.front().payload.size();
    tail_.Pop();
  }
  MaybeLookUp();
  MaybeWrite();
  MaybeFinishDrain();
}

void Core::MaybeLookUp() {
  if (look_up_in_flight_ || (durable_batches_ <= committed_batches_ && suspicions_.empty())) return;
  look_up_in_flight_ = true;
  suspicions_in_look_up_ = suspicions_.size();
  look_up_covers_ = durable_batches_;  // what was durable before the look-up starts, and no more
  sink_.LookUp(/*now=*/!suspicions_.empty());
}

void Core::OnLookedUp(const absl::StatusOr<Epoch>& newest) {
  if (phase_ != Phase::kLeading && phase_ != Phase::kConfirming) return;
  look_up_in_flight_ = false;
  if (absl::IsOutOfRange(newest.status()))
    return StopBecause(StopReason::kReplaced, newest.status());
  if (!newest.ok()) {
    return StopBecause(
        StopReason::kLostLock,
        absl::Status(newest.status().code(),
                     absl::StrCat("the look-up of claims failed, which is a lost lock: ",
                                  newest.status().message())));
  }
  if (*newest != epoch_) {
    return StopBecause(
        StopReason::kLostLock,
        absl::AbortedError(absl::StrCat("epoch ", Raw(*newest),
                                        " was claimed; this process led epoch ", Raw(epoch_))));
  }
  if (phase_ == Phase::kConfirming) {
    committed_batches_ = look_up_covers_;
    phase_ = Phase::kRecovering;
    sink_.Recover(followed_);
    return;
  }
  for (size_t i = 0; i < suspicions_in_look_up_; ++i)
    DestinationFault(suspicions_[i].slot, suspicions_[i].why);
  suspicions_.erase(suspicions_.begin(),
                    suspicions_.begin() + static_cast<ptrdiff_t>(suspicions_in_look_up_));
  suspicions_in_look_up_ = 0;
  Commit(look_up_covers_);
  MaybeLookUp();
  MaybeWrite();
}

void Core::Commit(uint64_t batches) {
  committed_batches_ = batches;
  while (!units_.empty() && Raw(units_.front().batch) < batches) {
    const UnitFacts facts = units_.front();
    units_.Pop();
    committed_index_ = facts.last;
    for (uint32_t i = 0; i < facts.marks; ++i) {
      const Mark mark = marks_.front();
      marks_.Pop();
      SourceLink& link = links_[Raw(mark.slot) - 1];
      link.committed = mark.position;
      if (!std::exchange(link.ack_due, true)) acks_due_.push_back(mark.slot);
    }
  }
  Release();
}

// What others wait for goes first; an acknowledgement only lets its sender forget.
void Core::Release() {
  ReleaseOutputs();
  if (service_phase_ == ServicePhase::kLive || service_phase_ == ServicePhase::kFeeding) {
    sink_.TellCommitted(std::min(committed_index_, delivered_));
  }
  for (const Slot slot : acks_due_) {
    SourceLink& link = links_[Raw(slot) - 1];
    link.ack_due = false;
    if (Raw(link.connection) != 0) sink_.SendAck(link.connection, link.committed);
  }
  acks_due_.clear();
  MaybePublish();
  MaybeFinishDrain();
}

void Core::ReleaseOutputs() {
  // Pump re-queues what is still waiting for a later commit.
  releasing_.clear();
  releasing_.swap(ledger_.pending());
  for (const Slot slot : releasing_) {
    ledger_.Find(slot)->queued = false;
    Pump(slot);
  }
}

void Core::Drain() {
  if (draining_ || phase_ == Phase::kStopped) return;
  draining_ = true;
  if (phase_ != Phase::kLeading) {
    return StopBecause(StopReason::kDrained, absl::CancelledError("asked to stop before leading"));
  }
  MaybeFinishDrain();
}

void Core::MaybeFinishDrain() {
  if (!draining_ || phase_ != Phase::kLeading) return;
  if (committed_index_ != state_.index()) return;
  if (resigning_) {
    // Nobody tells its successor that the mark is committed, so a record has to.
    const bool stated = stated_batches_ > Raw(hand_over_batch_);
    note_due_ = note_due_ || !stated;
    MaybeWrite();
    if (!stated || write_in_flight_) return;
  }
  if (handing_over_) {
    return StopBecause(StopReason::kHandedOver, absl::CancelledError("handed over"));
  }
  StopBecause(StopReason::kDrained, absl::CancelledError("drained"));
}

}  // namespace semper::core
