// A standby: joining, following, and when to claim.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sidecar/core/core.h"

namespace semper::core {

namespace {
// Why a standby stops that cannot read the log. UNIMPLEMENTED: a newer version wrote it; who joins
// it anew reads no more of it.
StopReason ReasonToStopFollowing(const absl::Status& why) {
  if (absl::IsUnimplemented(why)) return StopReason::kUnknownState;
  return absl::IsDataLoss(why) ? StopReason::kDamage : StopReason::kRejoin;
}

// A standby whose service has so much still to do would make everybody wait: it is not ready.
constexpr uint64_t kReadyBacklogInputs = 100'000;
}  // namespace

// A service that is replaced while its coordinator joins finds it joining already.
void Core::BeginJoining() {
  if (std::exchange(joining_, true)) return;
  sink_.Join();
}

void Core::OnJoined(absl::StatusOr<Recovered> joined) {
  joining_ = false;
  if (phase_ != Phase::kJoining) return;
  if (!joined.ok()) {
    return StopBecause(ReasonToStopFollowing(joined.status()), joined.status());
  }
  // Who died before its seal may do so again and again: then the others get their turn first.
  if (Raw(newest_claim_) == 0 || (own_last_ && joined->epoch == newest_claim_))
    contender_.OnOwnLast();
  LoadCheckpoint(*joined);
  committed_index_ = state_.index();
  followed_ = true;
  phase_ = Phase::kFollowing;
  reach_.OnLeader(steady_);
  if (waiting_hello_) return GreetWaitingService();
  StopBecause(StopReason::kRejoin, absl::UnavailableError("the service went away"));
}

void Core::OnFollowed(Epoch newest, bool progressed) {
  if (phase_ != Phase::kFollowing) return;
  if (newest > newest_claim_) {
    contender_.OnOtherClaim(steady_);
    reach_.OnLeader(steady_);  // it speaks when it has sealed
  }
  if (Raw(newest) != 0) newest_claim_ = newest;
  // Of the newest epoch, not one of long ago that a joining member reads on its way.
  if (handed_over_ == newest_claim_ && Raw(handed_over_) != 0) contender_.OnHandOver();
  contender_.OnLooked(steady_, progressed);
  contender_.SetReady(service_phase_ == ServicePhase::kFeeding &&
                      Raw(delivered_) - Raw(done_) <= kReadyBacklogInputs);
  if (Raw(committed_index_) != 0) sink_.TellCommitted(committed_index_);
  MaybePublish();
  Contend();
}

void Core::OnLeaderHeard() {
  contender_.OnStreamUp();
  reach_.OnLeader(steady_);
}

void Core::OnLeaderLost() {
  contender_.OnStreamBroken();
  Contend();
}

void Core::OnAcksTold(const v1::Control::AckNote& acks) {
  if (phase_ == Phase::kFollowing || phase_ == Phase::kChecking) TakeAckNote(acks);
}

void Core::Contend() {
  if (phase_ != Phase::kFollowing) return;
  const std::optional<uint64_t> when = contender_.When();
  if (!when) return;
  if (*when > steady_) return sink_.CheckAt(*when);
  if (contender_.MustLook(steady_)) return sink_.Follow(delivered_);  // OnFollowed decides
  phase_ = Phase::kChecking;
  sink_.PauseFollowing();
}

void Core::OnFollowPaused(bool progressed) {
  if (phase_ != Phase::kChecking) return;
  // A look that was under way may have shown that somebody leads after all.
  if (progressed) contender_.OnLooked(steady_, true);
  if (contender_.When().value_or(UINT64_MAX) <= steady_) return sink_.ReadClaims();
  phase_ = Phase::kFollowing;
  sink_.Follow(delivered_);
}

void Core::OnCheck() {
  if (phase_ == Phase::kFollowing) return Contend();
  if (phase_ != Phase::kLeading) return;
  const uint64_t every = options_.contender.silence_nanos / 3;
  // Whoever follows by the files learns from a note what is committed, and that somebody leads.
  // For a leader that slept it is the write whose look-up finds its successor.
  if (steady_ >= written_at_ + every) {
    note_due_ = true;
    MaybeWrite();
  }
  const uint64_t next = written_at_ + every;
  sink_.CheckAt(next > steady_ ? next : steady_ + every);
}

void Core::OnFollowFailed(const absl::Status& why) {
  if (phase_ != Phase::kFollowing && phase_ != Phase::kChecking) return;
  StopBecause(ReasonToStopFollowing(why), why);
}

void Core::SetUnfit(const std::string& why) {
  if (!contender_.unfit().empty()) return;
  contender_.SetUnfit(why);
  sink_.Report(absl::StrCat("this member will not lead: ", why));
}

void Core::Diverged(const absl::Status& why) {
  SetUnfit(absl::StrCat("its service made other outputs than the one that led, at or before index ",
                        Raw(delivered_), ": ", why.message()));
}

void Core::OnOtherLeader(Epoch epoch, const std::string& member) {
  if (phase_ != Phase::kLeading || epoch <= epoch_) return;
  StopBecause(StopReason::kLostLock,
              absl::AbortedError(absl::StrCat("member ", member, " leads epoch ", Raw(epoch),
                                              "; this process led epoch ", Raw(epoch_))));
}

void Core::HandOver(const std::string& member) {
  if (phase_ != Phase::kLeading || draining_) return;
  draining_ = handing_over_ = true;
  if (Raw(state_.index()) == 0) return MaybeFinishDrain();  // input 1 is Start, and nothing else
  v1::Control control;
  control.mutable_hand_over()->set_member(member);
  control.mutable_hand_over()->set_epoch(Raw(epoch_));
  AdmitControl(control);
}

bool Core::HasPeers() const {
  const auto connected = [](const auto& link) { return Raw(link.connection) != 0; };
  const auto welcomed = [](const Destination& d) { return d.connected; };
  const auto& destinations = ledger_.destinations();
  return std::any_of(links_.begin(), links_.end(), connected) ||
         std::any_of(destinations.begin(), destinations.end(), welcomed);
}

void Core::OnHeartbeat(bool fellows) {
  if (fellows || HasPeers()) reach_.OnHeard(steady_);
  if (phase_ == Phase::kFollowing && contender_.ready() && reach_.MayReport(steady_))
    sink_.ReportReach(newest_claim_);
  if (phase_ == Phase::kLeading && !draining_ && reach_.MayLook(steady_)) sink_.ReadReports();
}

void Core::OnReportsRead(const std::vector<ReachReport>& reports) {
  if (phase_ != Phase::kLeading || draining_ || Raw(state_.index()) == 0) return;
  const std::string member = reach_.Judge(steady_, epoch_, reports);
  if (member.empty() || member == options_.member) return;
  sink_.Report(absl::StrCat("no fellow, peer or client reaches this member, but member ", member,
                            " is reached: resigns in its favour"));
  resigning_ = true;
  hand_over_batch_ = next_batch_;
  HandOver(member);
}

}  // namespace semper::core
