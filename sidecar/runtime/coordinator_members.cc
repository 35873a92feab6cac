// Fellow members: following, what is heard from them and said to them, hand-over.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/version.h"
#include "sidecar/runtime/coordinator.h"
#include "sidecar/selftest/answer.h"

namespace semper::runtime {

using core::ConnectionId;
using core::Epoch;
using core::Index;
using v1::MemberState;

namespace {
constexpr uint32_t kProtocol = 1;
constexpr uint32_t kFormatVersion = 1;  // newest log format that this program reads
constexpr std::chrono::milliseconds kHeartbeat{100};
constexpr std::chrono::milliseconds kSayMin{1};  // positions are said at most so often
constexpr size_t kAcksSaid = 256;                // of a state: 6 KiB
constexpr std::chrono::milliseconds kPollConnected{100};
// A fellow's turn to take a checkpoint ends after so many silence limits, and after so many times
// what this process needed for one.
constexpr int kSaveSilences = 30;
constexpr int kSaves = 4;
constexpr std::chrono::seconds kTestStepLimit{30};
constexpr std::chrono::milliseconds kTestPause{100};
}  // namespace

OpenMode Coordinator::ReadMode() const {
  return options_.profile == log::Profile::kLocal ? OpenMode::kRead : OpenMode::kReadFresh;
}

// --- following

void Coordinator::Join() {
  auto result = std::make_shared<absl::StatusOr<RecoveredLog>>(absl::UnknownError(""));
  Run(
      Lane::kReader, [this, result] { *result = JoinLog(disk_, dir_, genesis_.incarnation); },
      [this, result] { OnJoinedLog(std::move(*result)); });
}

void Coordinator::OnJoinedLog(absl::StatusOr<RecoveredLog> joined) {
  if (stopped_) return;
  Touch();
  if (!joined.ok()) return core_->OnJoined(joined.status());
  Follower::Place place;
  place.dir = dir_;
  place.mode = ReadMode();
  place.history = joined->history;
  place.poll_alone = options_.still_limit / 3;
  place.poll_connected = kPollConnected;
  follower_.SetPlace(std::move(place));
  checkpointer_.SetPlace({dir_, options_.checkpoint_keep, Epoch{}, joined->history, std::nullopt,
                          /*leads=*/false, /*alone=*/false});
  SEMPER_LOG(kInfo, "{} joins from checkpoint {}", options_.name, Raw(joined->checkpoint.index));
  core_->OnJoined(FactsOf(*joined));
}

void Coordinator::Follow(Index after) { follower_.Follow(after); }

void Coordinator::PauseFollowing() { follower_.Pause(); }

void Coordinator::CheckAt(uint64_t steady_nanos) {
  const auto now = static_cast<uint64_t>(loop_.Monotonic().count());
  const uint64_t wait = steady_nanos > now ? steady_nanos - now : 0;
  check_ = loop_.After(std::chrono::nanoseconds(wait), [this] {
    if (stopped_) return;
    Touch();
    core_->OnCheck();
  });
}

void Coordinator::OnRecordFollowed(Epoch epoch, uint64_t batch, const Chain& chain) {
  if (stopped_ || !core_->MaybeCutFollowed()) return;
  cut_ = checkpoint::CheckpointHeader{};
  cut_.id = {epoch, core_->delivered()};
  cut_.name = options_.name;
  cut_.incarnation = genesis_.incarnation;
  cut_.batches = batch + 1;
  cut_.chain = chain;
}

void Coordinator::OnFollowed(Epoch newest_claim, bool progressed) {
  if (stopped_) return;
  Touch();
  core_->OnFollowed(newest_claim, progressed);
}

void Coordinator::OnFollowPaused(bool progressed) {
  if (stopped_) return;
  Touch();
  core_->OnFollowPaused(progressed);
}

void Coordinator::OnFollowFailed(const absl::Status& why) {
  if (stopped_) return;
  Touch();
  core_->OnFollowFailed(why);
}

// --- what is said

v1::MemberIdentity Coordinator::Identity() const {
  v1::MemberIdentity identity;
  identity.set_cluster(options_.cluster);
  identity.set_name(options_.name);
  identity.set_incarnation(core::BytesOf(genesis_.incarnation));
  identity.set_member(options_.member);
  identity.set_process(nonce_);
  identity.set_semper_version(kVersion);
  identity.set_format_version(kFormatVersion);
  return identity;
}

MemberState Coordinator::MakeState() const {
  using Phase = core::Core::Phase;
  MemberState state;
  if (!core_) return state;
  const Phase phase = core_->phase();
  const bool leads = phase == Phase::kLeading || stop_reason_ == core::StopReason::kHandedOver;
  if (leads) {
    state.set_role(MemberState::LEADER);
    state.set_epoch(Raw(core_->epoch()));
    state.set_batches(core_->committed_batches());
    state.set_committed(Raw(core_->committed()));
    state.set_ready(true);
    state.set_checkpointer(checkpoint_turn_.member());
    state.set_leader(options_.member);
  } else {
    const bool follows = phase == Phase::kFollowing || phase == Phase::kChecking ||
                         phase == Phase::kClaiming || phase == Phase::kSealing ||
                         phase == Phase::kConfirming || phase == Phase::kRecovering;
    const std::string& unfit = core_->contender().unfit();
    state.set_role(!unfit.empty() ? MemberState::UNFIT
                   : follows      ? MemberState::STANDBY
                                  : MemberState::JOINING);
    state.set_reason(unfit);
    state.set_epoch(Raw(leader_epoch_));
    state.set_committed(Raw(core_->delivered()));
    state.set_ready(follows && core_->contender().ready() &&
                    link_.queued_bytes() < link::Server::kQueueHighBytes);
    state.set_leader(leader_);
  }
  state.set_volume_verified(volume_verified_);
  state.set_checkpoint_epoch(Raw(restore_epoch_));
  state.set_checkpoint_index(Raw(restore_index_));
  return state;
}

// To all who listen, if it is news; positions are gathered for a moment.
void Coordinator::SayState(bool now) {
  if (listeners_.empty()) return;
  const auto time = loop_.Monotonic();
  if (!now && time < said_at_ + kSayMin) {
    if (!say_) {
      say_ = loop_.After(said_at_ + kSayMin - time, [this] {
        say_.reset();
        if (!stopped_) SayState(true);
      });
    }
    return;
  }
  MemberState state = MakeState();
  std::string bytes = state.SerializeAsString();
  const bool acks = AcksAreDue();
  if (bytes == said_ && !acks) return;
  said_ = bytes;
  said_at_ = time;
  if (acks) {
    AddAcks(state);
    bytes = state.SerializeAsString();
  }
  for (const auto& [connection, member] : listeners_)
    acceptor_.SendMember(ConnectionId{connection}, core::FrameKind::kMemberState, bytes);
}

// With each heartbeat, and sooner before a standby could hold so much that it stops to follow.
bool Coordinator::AcksAreDue() const {
  if (!core_ || core_->phase() != core::Core::Phase::kLeading) return false;
  const uint64_t fresh = core_->ledger().acked_bytes() - said_acked_bytes_;
  return acks_due_ || fresh >= options_.held_output_bytes_max / 4;
}

// Some destinations, in turn: a state has a limit, and is said again soon.
void Coordinator::AddAcks(MemberState& state) {
  acks_due_ = false;
  said_acked_bytes_ = core_->ledger().acked_bytes();
  const auto& destinations = core_->ledger().destinations();
  for (size_t i = std::min(destinations.size(), kAcksSaid); i > 0; --i) {
    const core::Destination& d = destinations[next_ack_++ % destinations.size()];
    // Not what this leader could not vouch for: the two may remember different histories.
    if (!d.quarantine.empty() || d.acked.sequence > d.produced.sequence) continue;
    auto* acked = state.mutable_acks()->add_acked();
    acked->set_slot(Raw(d.slot));
    acked->set_sequence(d.acked.sequence);
    acked->set_hash(d.acked.hash);
  }
}

void Coordinator::Heartbeat() {
  heartbeat_ = loop_.After(kHeartbeat, [this] {
    if (stopped_) return;
    said_.clear();
    acks_due_ = true;
    SayState(true);
    AssignCheckpoints();
    Touch();
    core_->OnHeartbeat(!fellows_.empty() || !listeners_.empty());
    Heartbeat();
  });
}

// --- who listens to us

std::optional<v1::MemberRefused> Coordinator::WhyNoFellow(const v1::MemberIdentity& from) const {
  v1::MemberRefused refused;
  const auto because = [&](v1::MemberRefused::Reason reason, std::string text) {
    refused.set_reason(reason);
    refused.set_text(std::move(text));
    return refused;
  };
  if (from.process() == nonce_) return because(v1::MemberRefused::SELF, "this is yourself");
  if (from.cluster() != options_.cluster) {
    return because(v1::MemberRefused::WRONG_CLUSTER,
                   absl::StrCat("cluster '", from.cluster(), "' is not '", options_.cluster, "'"));
  }
  if (from.name() != options_.name) {
    return because(v1::MemberRefused::WRONG_NAME,
                   absl::StrCat("a member of ", from.name(), " is no member of ", options_.name,
                                "; correct --members"));
  }
  if (core::IncarnationFrom(from.incarnation()) != genesis_.incarnation) {
    return because(v1::MemberRefused::WRONG_INCARNATION,
                   absl::StrCat("member ", from.member(), " has incarnation ",
                                core::HexOf(core::IncarnationFrom(from.incarnation())), ", member ",
                                options_.member, " has ", core::HexOf(genesis_.incarnation), " of ",
                                options_.name, ": they do not share one log directory"));
  }
  if (from.member() == options_.member) {
    return because(v1::MemberRefused::SAME_MEMBER,
                   absl::StrCat("two processes call themselves member '", from.member(), "' of ",
                                options_.name, "; give each its own --member"));
  }
  return std::nullopt;
}

void Coordinator::OnMemberHello(ConnectionId connection, const v1::MemberHello& hello) {
  if (stopped_ || !core_) return;
  Touch();
  std::optional<v1::MemberRefused> refused = WhyNoFellow(hello.from());
  if (!refused && (alone() || hello.minimum_protocol_version() > kProtocol)) {
    refused.emplace();
    refused->set_reason(v1::MemberRefused::VERSION);
    refused->set_text(alone() ? absl::StrCat(options_.member, " was started without --members")
                              : "this member speaks protocol 1");
  }
  if (refused) {
    if (refused->reason() == v1::MemberRefused::SAME_MEMBER) Report(refused->text());
    return acceptor_.RefuseMember(connection, *refused);
  }
  listeners_[Raw(connection)] = hello.from().member();
  v1::MemberWelcome welcome;
  welcome.set_protocol_version(kProtocol);
  *welcome.mutable_from() = Identity();
  acceptor_.WelcomeMember(connection, welcome);
  acceptor_.SendMember(connection, core::FrameKind::kMemberState, MakeState().SerializeAsString());
}

// A step of the self-test that a fellow asks for.
void Coordinator::OnMemberFrame(ConnectionId connection, const core::FrameHeader&,
                                const Buffer& payload) {
  v1::MemberTest ask;
  if (stopped_ || !ask.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) return;
  if (ask.step() == v1::MemberTest::VERDICT) return OnVerdict(ask, /*own=*/false);
  // Each fellow has one question at a time.
  if (asks_.size() > listeners_.size()) return;
  asks_.emplace_back(connection, std::move(ask));
  AnswerNext();
}

void Coordinator::AnswerNext() {
  if (answering_ || asks_.empty()) return;
  answering_ = true;
  const auto [connection, ask] = asks_.front();
  asks_.pop_front();
  auto answer = std::make_shared<v1::MemberTest>();
  answer_job_.Set([this, ask = ask, answer] { *answer = selftest::Answer(disk_, dir_, ask); },
                  [this, connection = connection, answer] {
                    answering_ = false;
                    if (stopped_) return;
                    acceptor_.SendMember(connection, core::FrameKind::kMemberTest,
                                         answer->SerializeAsString());
                    // A broken promise is for the asker to judge: were it gone, its next life may
                    // have removed the file.
                    AnswerNext();
                  });
  executor_.Run(Lane::kHousekeeping, answer_job_);
}

void Coordinator::OnMemberLost(ConnectionId connection) { listeners_.erase(Raw(connection)); }

// --- whom we listen to

v1::MemberHello Coordinator::MakeMemberHello() {
  v1::MemberHello hello;
  hello.set_protocol_version(kProtocol);
  hello.set_minimum_protocol_version(kProtocol);
  *hello.mutable_from() = Identity();
  return hello;
}

std::string Coordinator::OnFellowFound(const v1::MemberIdentity& fellow) {
  if (stopped_) return "stopped";
  if (const auto refused = WhyNoFellow(fellow)) return refused->text();
  Touch();
  if (fellow.format_version() > kFormatVersion) {
    core_->SetUnfit(absl::StrCat("member ", fellow.member(), " (Semper ", fellow.semper_version(),
                                 ") writes log format ", fellow.format_version(),
                                 ", this one reads up to ", kFormatVersion, "; upgrade it"));
  }
  SEMPER_LOG(kInfo, "{}: connected to member {}", options_.name, fellow.member());
  checkpoint_turn_.OnFound(fellow.member());
  // When the link is ready to send.
  loop_.Post([this, alive = std::weak_ptr<bool>(alive_), member = fellow.member()] {
    if (!alive.expired() && !stopped_) BeginTest(member);
  });
  return "";
}

void Coordinator::OnFellowState(const std::string& member, const MemberState& state) {
  if (stopped_) return;
  Touch();
  fellows_[member] = state;
  if (state.role() == MemberState::LEADER && Epoch{state.epoch()} >= leader_epoch_) {
    if (leader_ != member) {
      SEMPER_LOG(kInfo, "{}: member {} leads epoch {}", options_.name, member, state.epoch());
    }
    leader_ = member;
    leader_epoch_ = Epoch{state.epoch()};
    told_committed_ = std::max(told_committed_, Index{state.committed()});
    follower_.Tell(leader_epoch_, state.batches());
    follower_.SetConnected(true);
    core_->OnLeaderHeard();
    core_->OnAcksTold(state.acks());
    lag_.Told(loop_.Monotonic(), state.committed(), Raw(core_->delivered()));
    core_->SetCheckpointing(state.checkpointer() == options_.member);
  } else if (leader_ == member) {
    LoseLeader();
  }
  // A look-up that hangs would find out late, and peers wait meanwhile.
  if (state.role() == MemberState::LEADER) core_->OnOtherLeader(Epoch{state.epoch()}, member);
  if (core_->phase() == core::Core::Phase::kLeading) AdoptCheckpoint(member, state);
}

// --- the self-test

void Coordinator::BeginTest(const std::string& member) {
  if (options_.profile != log::Profile::kShared || volume_verified_ || asker_ || testing_) return;
  asker_ = std::make_shared<selftest::Asker>(disk_, dir_, loop_.Random(), options_.member, member);
  tested_ = member;
  test_after_ = loop_.Monotonic() + options_.silence_limit;
  StepTest([asker = asker_] { return asker->Begin(); });
}

void Coordinator::StepTest(std::function<absl::StatusOr<v1::MemberTest>()> step) {
  testing_ = true;
  // The volume is there for whoever takes over.
  const bool leads = core_->phase() == core::Core::Phase::kLeading;
  if (leader_.empty() && !leads && loop_.Monotonic() < test_after_) {
    test_timer_ = loop_.After(kTestPause, [this, step = std::move(step)] {
      testing_ = false;
      if (!stopped_ && asker_) StepTest(step);
    });
    return;
  }
  test_timer_ = loop_.After(kTestStepLimit, [this] { asker_.reset(); });
  auto next = std::make_shared<absl::StatusOr<v1::MemberTest>>(absl::UnknownError(""));
  test_job_.Set([next, step = std::move(step)] { *next = step(); },
                [this, next, asker = asker_] {
                  testing_ = false;
                  if (stopped_ || asker != asker_) return;
                  if (!next->ok()) {
                    SEMPER_LOG(kWarning,
                               "{}: the self-test of the volume with member {} has no result: {}",
                               options_.name, tested_, std::string(next->status().message()));
                    return asker_.reset();
                  }
                  links_.SendTest(tested_, **next);
                  if ((*next)->step() != v1::MemberTest::VERDICT) return;
                  asker_.reset();
                  OnVerdict(**next, /*own=*/true);
                });
  executor_.Run(Lane::kHousekeeping, test_job_);
}

void Coordinator::OnFellowTest(const std::string& member, const v1::MemberTest& test) {
  if (stopped_ || !asker_ || testing_ || member != tested_) return;
  StepTest([asker = asker_, test] { return asker->OnAnswer(test); });
}

void Coordinator::OnVerdict(const v1::MemberTest& verdict, bool own) {
  Touch();
  if (!verdict.error().empty()) {
    return core_->SetUnfit(absl::StrCat("the volume of ", dir_, " is unfit: ", verdict.error()));
  }
  if (!own) return;  // it covers what the asker saw
  if (!volume_verified_) {
    SEMPER_LOG(kInfo, "{}: the volume keeps its promises between two members", options_.name);
  }
  volume_verified_ = true;
}

void Coordinator::OnFellowLost(const std::string& member) {
  if (stopped_) return;
  Touch();
  SEMPER_LOG(kInfo, "{}: lost member {}", options_.name, member);
  fellows_.erase(member);
  if (asker_ && tested_ == member) asker_.reset();
  if (leader_ == member) LoseLeader();
  AssignCheckpoints();
}

void Coordinator::OnFellowRefused(const v1::MemberRefused& refused) {
  if (stopped_) return;
  Touch();
  if (refused.reason() == v1::MemberRefused::SAME_MEMBER) return core_->SetUnfit(refused.text());
  SEMPER_LOG(kWarning, "{}: a member refuses this one: {}", options_.name, refused.text());
}

void Coordinator::LoseLeader() {
  leader_.clear();
  test_after_ = loop_.Monotonic() + options_.silence_limit;
  follower_.SetConnected(false);
  if (core_) core_->OnLeaderLost();
}

// --- for status

namespace {
const char* NameOfRole(MemberState::Role role) {
  switch (role) {
    case MemberState::LEADER:
      return "leader";
    case MemberState::STANDBY:
      return "standby";
    case MemberState::UNFIT:
      return "unfit";
    default:
      return "joining";
  }
}
}  // namespace

void Coordinator::FillMembers(admin::StatusSnapshot& s) const {
  if (alone()) return;
  const MemberState own = MakeState();
  s.role = stopped_ ? "joining" : NameOfRole(own.role());
  s.ready = own.ready();
  s.leader = own.leader();
  s.unfit = own.reason();
  for (const auto& [member, state] : fellows_) {
    s.members.push_back({member, NameOfRole(state.role()), state.ready(), state.epoch(),
                         state.committed(), state.reason()});
    if (member == leader_ && state.committed() > own.committed())
      s.lag_inputs = state.committed() - own.committed();
  }
  if (s.role == "standby") s.lag_seconds = lag_.Seconds(loop_.Monotonic(), own.committed());
}

// --- checkpoints by fellows

// The leader leaves checkpoints to a fellow that is ready, as long as that takes them.
void Coordinator::AssignCheckpoints() {
  if (!core_ || alone() || core_->epoch() == Epoch{}) return;
  std::vector<std::string> ready;
  if (options_.checkpoint_on == Options::CheckpointOn::kAuto) {
    for (const auto& [member, state] : fellows_) {
      if (state.role() == MemberState::STANDBY && state.ready()) ready.push_back(member);
    }
  }
  // How long a save takes only who did one knows; that a fellow hangs is no hurry.
  const auto limit = std::max(kSaveSilences * options_.silence_limit, kSaves * cut_took_);
  const auto late = checkpoint_turn_.Look(
      {static_cast<uint64_t>(loop_.Monotonic().count()), static_cast<uint64_t>(limit.count()),
       core_->CheckpointDueByPolicy(), core_->committed()},
      ready);
  if (late) ReportLateCheckpoint(*late, limit);
  core_->SetCheckpointing(checkpoint_turn_.member().empty());
}

void Coordinator::ReportLateCheckpoint(const std::string& member, std::chrono::nanoseconds limit) {
  const auto fellow = fellows_.find(member);
  const uint64_t newest =
      fellow == fellows_.end() ? Raw(restore_index_) : fellow->second.checkpoint_index();
  const bool misfit = newest > Raw(restore_index_) && newest == Raw(not_adopted_.index);
  const std::string& next = checkpoint_turn_.member();
  ++late_checkpoints_;
  ++counters_.checkpoints_failed;
  checkpoint_status_.last_error =
      absl::StrCat("member ", member.empty() ? options_.member : member, " took none in ",
                   std::chrono::duration_cast<std::chrono::seconds>(limit).count(),
                   " s; its newest, at index ", newest, misfit ? ", does not fit" : ", is known");
  SEMPER_LOG(kWarning, "{}: a checkpoint is due, but {}; it is the turn of member {}",
             options_.name, checkpoint_status_.last_error, next.empty() ? options_.member : next);
}

void Coordinator::AdoptCheckpoint(const std::string& member, const MemberState& state) {
  const checkpoint::CheckpointId id{Epoch{state.checkpoint_epoch()},
                                    Index{state.checkpoint_index()}};
  if (adopting_ || id == not_adopted_ || !core_->MayAdopt(id.index)) return;
  adopting_ = true;
  using Header = absl::StatusOr<checkpoint::CheckpointHeader>;
  auto result = std::make_shared<Header>(absl::UnknownError(""));
  adopt_job_.Set(
      [this, result, id, history = checkpointer_.history()] {
        *result = CheckForeignCheckpoint(disk_, dir_, history, genesis_.incarnation, id);
      },
      [this, result, id, member] {
        adopting_ = false;
        if (stopped_) return;
        Touch();
        if (!result->ok()) {
          not_adopted_ = id;  // it says so with each of its states
          SEMPER_LOG(kWarning, "{}: a fellow's checkpoint at index {} is not used: {}",
                     options_.name, Raw(id.index), std::string(result->status().message()));
          return;
        }
        if (!core_->OnCheckpointAdopted(id.index, (*result)->state)) return;
        restore_epoch_ = id.epoch;
        restore_index_ = id.index;
        checkpoint_status_.last = {Raw(id.epoch), Raw(id.index)};
        checkpoint_status_.last_unix_nanos = loop_.WallClock();
        checkpoint_status_.last_error.clear();
        checkpoint_turn_.OnCheckpoint(member);
        checkpointer_.Clean();
      });
  executor_.Run(Lane::kCheckpoint, adopt_job_);
}

// --- hand-over

std::string Coordinator::BestFellow() const {
  std::string best;
  uint64_t furthest = 0;
  for (const auto& [member, state] : fellows_) {
    if (state.role() != MemberState::STANDBY || !state.ready()) continue;
    if (!best.empty() && state.committed() <= furthest) continue;
    best = member;
    furthest = state.committed();
  }
  return best;
}

absl::Status Coordinator::HandOver(const std::string& member) {
  if (stopped_ || !core_ || core_->phase() != core::Core::Phase::kLeading || core_->draining()) {
    return absl::FailedPreconditionError(absl::StrCat(
        options_.member, " does not lead",
        leader_.empty() ? std::string() : absl::StrCat("; member ", leader_, " does")));
  }
  const std::string to = member.empty() ? BestFellow() : member;
  const auto found = fellows_.find(to);
  if (to.empty() || found == fellows_.end() || found->second.role() != MemberState::STANDBY ||
      !found->second.ready()) {
    return absl::FailedPreconditionError(
        to.empty() ? "no fellow member is ready to lead"
                   : absl::StrCat("member ", to, " is not ready to lead",
                                  found == fellows_.end() ? ": it is not connected" : ""));
  }
  SEMPER_LOG(kInfo, "{}: hands over to member {}", options_.name, to);
  Touch();
  core_->HandOver(to);
  return absl::OkStatus();
}

}  // namespace semper::runtime
