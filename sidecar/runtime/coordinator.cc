// Life, the lock and the log. The service and the peers are in coordinator_links.cc.
#include "sidecar/runtime/coordinator.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/log.h"
#include "base/version.h"
#include "sidecar/log/epochs.h"
#include "sidecar/log/reach.h"

namespace semper::runtime {

using core::Batch;
using core::Epoch;
using core::FrameHeader;
using core::Index;

namespace {
constexpr std::chrono::milliseconds kStallLimit{100};
constexpr std::chrono::seconds kTrimPeriod{1};
constexpr size_t kKeptIdleBytes = 4u << 20;  // not worth a timer
constexpr uint64_t kReuseFilesMin = 2;       // segments that wait to be written anew
constexpr uint64_t kReuseFilesMax = 64;
constexpr const char* kMembers = "members";  // under which the resolver knows the fellows
}  // namespace

class Coordinator::WriteJob : public Job {
 public:
  explicit WriteJob(Coordinator& owner) : owner_(owner) {}
  void Work() override {
    looked_up_.reset();
    status_ = owner_.writer_->Append(owner_.written_unit_);
    if (status_.ok()) status_ = owner_.writer_->Sync();
    // After the sync has returned, so it covers the unit (ADR 0008).
    if (status_.ok() && owner_.options_.profile == log::Profile::kLocal)
      looked_up_ = owner_.writer_->LookUp();
    wants_spare_ = owner_.writer_->WantsSpare();
  }
  void Done() override {
    // The core may run this job anew at once.
    const absl::Status written = std::move(status_);
    const auto looked_up = std::move(looked_up_);
    owner_.OnUnitWritten(written, looked_up, wants_spare_);
  }

 private:
  Coordinator& owner_;
  absl::Status status_;
  std::optional<absl::StatusOr<Epoch>> looked_up_;
  bool wants_spare_ = false;
};

class Coordinator::LookUpJob : public Job {
 public:
  explicit LookUpJob(Coordinator& owner) : owner_(owner) {}
  void Work() override { newest_ = owner_.writer_->LookUp(); }
  void Done() override {
    owner_.look_up_histogram_.Record(owner_.loop_.Monotonic() - owner_.look_up_began_);
    owner_.OnLookedUp(newest_);
  }

 private:
  Coordinator& owner_;
  absl::StatusOr<Epoch> newest_ = Epoch{0};
};

Coordinator::Coordinator(Options options, Loop& loop, Disk& disk, Executor& executor)
    : options_(std::move(options)),
      dir_(absl::StrCat(options_.log_dir, "/", options_.name)),
      loop_(loop),
      disk_(disk),
      executor_(executor),
      pool_(options_.chunk_bytes, options_.receive_bytes_max, options_.receive_bytes_max),
      arena_(pool_),
      link_(loop, arena_, *this),
      resolver_({options_.peers, options_.peer_dns}, loop, executor),
      acceptor_(loop, arena_, *this, this),
      dialer_(loop, arena_, resolver_, *this),
      feeder_(disk, executor, pool_, *this),
      follower_(loop, disk, executor, pool_, *this),
      member_resolver_({{{kMembers, options_.members}}, ""}, loop, executor),
      links_(loop, arena_, member_resolver_, kMembers, *this),
      checkpointer_(disk, executor, pool_, *this),
      end_of_round_([this] { EndOfRound(); }),
      write_job_(std::make_unique<WriteJob>(*this)),
      look_up_job_(std::make_unique<LookUpJob>(*this)) {}

Coordinator::~Coordinator() {
  AnswerCheckpoints(absl::UnavailableError("the coordinator has ended"));
}

void Coordinator::Run(Lane lane, std::function<void()> work, std::function<void()> done) {
  FunctionJob& job = lane == Lane::kHousekeeping ? spare_job_ : lock_job_;
  job.Set(std::move(work), std::move(done));
  executor_.Run(lane, job);
}

void Coordinator::Start() {
  started_ = loop_.Monotonic();
  started_wall_ = loop_.WallClock();
  core::Incarnation fresh{};
  const uint64_t a = loop_.Random();
  const uint64_t b = loop_.Random();
  StoreLittle(fresh.data(), a);
  StoreLittle(fresh.data() + 8, b);
  nonce_ = loop_.Random();
  auto result = std::make_shared<absl::StatusOr<log::Genesis>>(absl::UnknownError(""));
  Run(
      Lane::kReader,
      [this, fresh, result, now = started_wall_] {
        *result = OpenImmortal(disk_, options_, dir_, fresh, now);
      },
      [this, result] { OnGenesis(std::move(*result)); });
}

void Coordinator::OnGenesis(absl::StatusOr<log::Genesis> genesis) {
  if (!genesis.ok()) {
    return Stop(absl::IsDataLoss(genesis.status()) ? core::StopReason::kDamage
                                                   : core::StopReason::kUnknownState,
                genesis.status());
  }
  genesis_ = *std::move(genesis);
  core::CoreOptions core_options;
  core_options.cluster = options_.cluster;
  core_options.name = options_.name;
  core_options.incarnation = genesis_.incarnation;
  core_options.nonce = nonce_;
  core_options.semper_version = kVersion;
  core_options.unit_bytes_max = static_cast<uint32_t>(options_.unit_bytes_max);
  core_options.ack_note_bytes = options_.ack_note_bytes;
  core_options.checkpoint_every_bytes = options_.checkpoint_every_bytes;
  core_options.checkpoint_every_inputs = options_.checkpoint_every_inputs;
  core_options.checkpoint_every_nanos = static_cast<uint64_t>(options_.checkpoint_every.count());
  core_options.message_bytes_max = options_.message_bytes_max;
  core_options.backlog_inputs_max = options_.backlog_inputs_max;
  core_options.member = options_.member;
  core_options.alone = alone();
  core_options.contender.silence_nanos = static_cast<uint64_t>(options_.silence_limit.count());
  core_options.contender.still_nanos = static_cast<uint64_t>(options_.still_limit.count());
  core_options.contender.jitter_nanos =
      loop_.Random() % (core_options.contender.still_nanos / 3 + 1);
  core_options.contender.not_before_nanos =
      static_cast<uint64_t>(options_.claim_not_before.count());
  core::EffectSink& sink = *this;
  core_ = std::make_unique<core::Core>(core_options, pool_, sink);
  absl::Status listening = link_.Listen(options_.service_address);
  if (listening.ok() && !options_.peer_address.empty())
    listening = acceptor_.Listen(options_.peer_address);
  if (!listening.ok()) return Stop(core::StopReason::kUnknownState, listening);
  if (!alone()) {
    links_.Begin();
    Heartbeat();
  }
  Touch();
  core_->Start();
}

void Coordinator::Touch() {
  if (core_) {
    core_->SetNow(loop_.WallClock(), static_cast<uint64_t>(loop_.Monotonic().count()));
  }
  loop_.AtEndOfRound(end_of_round_);
}

void Coordinator::EndOfRound() {
  if (!core_ || stopped_) return;
  core_->EndOfRound();
  ApplyFlow();
  if (!listeners_.empty()) SayState(false);
}

void Coordinator::ApplyFlow() {
  if (stopped_) return;
  const uint64_t held = core_->ledger().held_bytes();
  const bool live = core_->service_phase() == core::Core::ServicePhase::kLive;
  const bool congested = live && link_.queued_bytes() > link::Server::kQueueHighBytes;
  const bool full = core_->tail_bytes() + link_.queued_bytes() > options_.receive_bytes_max;
  // A take-over takes milliseconds: who greets meanwhile waits for its end, which is sooner than
  // another attempt.
  const bool refuses = core_->phase() == core::Core::Phase::kJoining ||
                       core_->phase() == core::Core::Phase::kFollowing;
  acceptor_.PauseReading(!refuses && (!core_->CanAdmit() || congested || full));
  const uint64_t held_max = options_.held_output_bytes_max * (live ? 1 : 2);
  link_.PauseReading(held > held_max ||
                     checkpointer_.backlog_bytes() > options_.receive_bytes_max / 2);
  if (congested && !watch_) WatchLink();
  if (!trim_ && pool_.kept_bytes() > kKeptIdleBytes) TrimMemory();
}

// Memory that a burst needed goes back to the system once it is over.
void Coordinator::TrimMemory() {
  trim_ = loop_.After(kTrimPeriod, [this] {
    trim_.reset();
    pool_.Trim();
    if (pool_.kept_bytes() > kKeptIdleBytes) TrimMemory();
  });
}

void Coordinator::WatchLink() {
  link_.MadeProgress();
  watch_ = loop_.After(kStallLimit, [this] {
    watch_.reset();
    if (stopped_ || !core_) return;
    const bool live = core_->service_phase() == core::Core::ServicePhase::kLive;
    if (live && link_.queued_bytes() > link::Server::kQueueHighBytes && !link_.MadeProgress()) {
      Touch();
      core_->OnLinkStalled();
    }
    ApplyFlow();
  });
}

// --- the lock

void Coordinator::ReadClaims() {
  auto result = std::make_shared<absl::StatusOr<Epoch>>(Epoch{0});
  auto own = std::make_shared<bool>(false);
  Run(
      Lane::kReader,
      [this, result, own] {
        *result = log::ReadNewestClaim(disk_, dir_);
        if (!result->ok() || Raw(**result) == 0 || alone()) return;
        const auto claim = log::ReadClaim(disk_, dir_, **result);
        *own = claim.ok() && claim->member == options_.member;
      },
      [this, result, own] {
        Touch();
        core_->OnClaimsRead(*result, *own);
      });
}

void Coordinator::CreateClaim(Epoch epoch) {
  claiming_ = alone() ? started_ : loop_.Monotonic();
  auto result = std::make_shared<absl::Status>();
  const log::ClaimInfo info{options_.member, nonce_, loop_.WallClock()};
  Run(
      Lane::kReader,
      [this, result, epoch, info] { *result = log::CreateClaim(disk_, dir_, epoch, info); },
      [this, result] {
        Touch();
        core_->OnClaimed(*result);
      });
}

void Coordinator::TakeOver(Epoch epoch) {
  log::LogOptions log_options;
  log_options.dir = dir_;
  log_options.name = options_.name;
  log_options.incarnation = genesis_.incarnation;
  log_options.profile = options_.profile;
  log_options.segment_bytes = options_.segment_bytes;
  known_place_ = follower_.KnownPlace();
  auto result = std::make_shared<absl::StatusOr<TakenOver>>(absl::UnknownError(""));
  Run(
      Lane::kLogWriter,
      [this, result, log_options, epoch, random = loop_.Random(), known = known_place_,
       committed = KnownCommitted()] {
        *result = TakeOverLog(disk_, log_options, epoch, nonce_, random, known, committed);
        if (!result->ok()) *result = UnlessDeposed(disk_, dir_, epoch, result->status());
      },
      [this, result] { OnTakenOver(std::move(*result)); });
}

Index Coordinator::KnownCommitted() const {
  return std::max(
      {options_.known_committed, told_committed_, core_ ? core_->committed() : Index{}});
}

void Coordinator::OnTakenOver(absl::StatusOr<TakenOver> taken) {
  Touch();
  if (taken.ok()) {
    writer_ = std::move(taken->writer);
    chain_ = taken->chain;
    sealed_index_ = taken->last_index;
    sealed_history_ = std::move(taken->history);
    facts_.records_copied = taken->copied_records;
    facts_.epochs_void = taken->void_epochs;
    open_unit_.Begin(sealed_index_ + 1);
    SEMPER_LOG(kInfo, "{} claimed epoch {}: history ends at index {}, {} records copied",
               options_.name, Raw(core_->epoch()), Raw(sealed_index_), taken->copied_records);
  }
  core_->OnSealed(taken.status());
}

void Coordinator::LookUp(bool now) {
  ++counters_.look_ups;
  commit_began_ = written_began_;
  if (!now && fresh_look_up_) {
    takes_fresh_look_up_ = true;  // OnUnitWritten goes on
    return;
  }
  look_up_began_ = loop_.Monotonic();
  executor_.Run(Lane::kLookup, *look_up_job_);
}

void Coordinator::OnLookedUp(const absl::StatusOr<Epoch>& newest) {
  if (commit_began_.count() != 0) commit_histogram_.Record(loop_.Monotonic() - commit_began_);
  Touch();
  core_->OnLookedUp(newest);
}

void Coordinator::Recover(bool hot) {
  auto result = std::make_shared<absl::StatusOr<RecoveredLog>>(absl::UnknownError(""));
  Run(
      Lane::kReader,
      [this, result, hot, epoch = core_->epoch(), history = sealed_history_,
       state = hot ? core_->state() : core::ReplicatedState()] {
        *result = hot ? RecoverFollowed(dir_, history, follower_, state, sealed_index_)
                      : RecoverLog(disk_, dir_, history, genesis_.incarnation, sealed_index_);
        if (!result->ok()) *result = UnlessDeposed(disk_, dir_, epoch, result->status());
      },
      [this, result, hot] { OnRecoveredLog(std::move(*result), hot); });
}

// One at a time: while the volume hangs there is nothing to say, and nothing to be heard.
void Coordinator::ReportReach(Epoch epoch) {
  if (std::exchange(reaching_, true)) return;
  const core::ReachReport report{epoch, static_cast<uint32_t>(loop_.Random()), options_.member};
  auto result = std::make_shared<absl::Status>();
  reach_job_.Set([this, result, report] { *result = log::WriteReachReport(disk_, dir_, report); },
                 [this, result, epoch] {
                   reaching_ = false;
                   if (std::exchange(reach_reported_, epoch) == epoch) return;
                   SEMPER_LOG(
                       kWarning,
                       "{}: others reach this member, which hears no leader of epoch {}: said so "
                       "in its directory: {}",
                       options_.name, Raw(epoch), result->ToString());
                 });
  executor_.Run(Lane::kHousekeeping, reach_job_);
}

void Coordinator::ReadReports() {
  if (std::exchange(reaching_, true)) return;
  using Reports = absl::StatusOr<std::vector<core::ReachReport>>;
  auto result = std::make_shared<Reports>(absl::UnknownError(""));
  reach_job_.Set([this, result] { *result = log::ReadReachReports(disk_, dir_); },
                 [this, result] {
                   reaching_ = false;
                   if (stopped_ || !result->ok()) return;  // looked at again, if it lasts
                   Touch();
                   core_->OnReportsRead(**result);
                 });
  executor_.Run(Lane::kHousekeeping, reach_job_);
}

// What a checkpoint brings, for the core and for this room.
core::Recovered Coordinator::FactsOf(RecoveredLog& recovered) {
  for (const std::string& skipped : recovered.skipped) {
    SEMPER_LOG(kError, "checkpoint skipped: {}", skipped);
    last_report_ = absl::StrCat("checkpoint skipped: ", skipped);
  }
  core::Recovered facts;
  facts.state = std::move(recovered.state);
  if (!recovered.history.ranges.empty()) facts.epoch = recovered.history.ranges.back().epoch;
  facts.restore_index = recovered.checkpoint.index;
  facts.checkpoint = std::move(recovered.checkpoint_state);
  for (const RecoveredLog::Held& held : recovered.held)
    facts.held.push_back({held.frame, pool_.Copy(held.payload)});
  restore_epoch_ = recovered.checkpoint.epoch;
  restore_index_ = recovered.checkpoint.index;
  facts_.checkpoint = restore_index_;
  facts_.outputs_restored = facts.held.size();
  checkpoint_status_.last = {Raw(restore_epoch_), Raw(restore_index_)};
  log_size_ = recovered.size;
  return facts;
}

void Coordinator::OnRecoveredLog(absl::StatusOr<RecoveredLog> recovered, bool hot) {
  Touch();
  if (!recovered.ok()) return core_->OnRecovered(recovered.status());
  feeder_.SetHistory(dir_, recovered->history, ReadMode(), hot ? known_place_ : log::LogPlace{});
  std::optional<log::ReusePolicy> reuse;
  if (options_.profile == log::Profile::kLocal) {
    // What one checkpoint frees is what is written until the next.
    const uint64_t files = options_.checkpoint_every_bytes / options_.segment_bytes + 1;
    reuse = log::ReusePolicy{core_->epoch(), nonce_, options_.segment_bytes,
                             std::clamp<uint64_t>(files, kReuseFilesMin, kReuseFilesMax)};
  }
  checkpointer_.SetPlace(
      {dir_, options_.checkpoint_keep, core_->epoch(), recovered->history, reuse, true, alone()});
  core::Recovered facts;
  if (hot) {
    facts.state = std::move(recovered->state);
  } else {
    facts = FactsOf(*recovered);
  }
  recovery_seconds_ = std::chrono::duration<double>(loop_.Monotonic() - claiming_).count();
  ++counters_.takeovers;
  SEMPER_LOG(kInfo,
             "{} leads epoch {}: index {}, checkpoint {}, {} inputs after it read in {:.3f} s",
             options_.name, Raw(core_->epoch()), Raw(facts.state.index()), Raw(restore_index_),
             recovered->scanned_inputs, recovery_seconds_);
  LoseLeader();
  AssignCheckpoints();
  core_->OnRecovered(std::move(facts));
}

// --- the log

void Coordinator::Log(const FrameHeader& entry, const Buffer& payload) {
  if (open_unit_.empty()) unit_began_ = loop_.Monotonic();
  counters_.inputs += entry.count;
  counters_.input_bytes += entry.bytes;
  open_unit_.Add(entry, payload.bytes());
}

void Coordinator::WriteUnit(Epoch epoch, Batch batch, uint64_t durable, uint64_t committed,
                            bool cut) {
  const Index next = open_unit_.last_index() + 1;
  const log::RecordHeader& header = open_unit_.Close(epoch, batch, durable, committed, chain_);
  chain_ = header.chain;
  if (cut) {
    cut_ = checkpoint::CheckpointHeader{};
    cut_.id = {epoch, open_unit_.last_index()};
    cut_.name = options_.name;
    cut_.incarnation = genesis_.incarnation;
    cut_.batches = Raw(batch) + 1;
    cut_.chain = chain_;
  }
  std::swap(open_unit_, written_unit_);
  open_unit_.Begin(next);
  ++counters_.batches;
  written_began_ = written_unit_.header().entries == 0 ? std::chrono::nanoseconds(0) : unit_began_;
  write_began_ = loop_.Monotonic();
  executor_.Run(Lane::kLogWriter, *write_job_);
}

void Coordinator::OnUnitWritten(const absl::Status& written,
                                const std::optional<absl::StatusOr<Epoch>>& looked_up,
                                bool wants_spare) {
  ++counters_.syncs;
  sync_histogram_.Record(loop_.Monotonic() - write_began_);
  Touch();
  fresh_look_up_ = looked_up.has_value();
  core_->OnUnitDurable(written);
  fresh_look_up_ = false;
  if (std::exchange(takes_fresh_look_up_, false) && !stopped_) OnLookedUp(*looked_up);
  if (stopped_ || spare_running_ || !wants_spare) return;
  spare_running_ = true;
  auto result = std::make_shared<std::pair<absl::Status, LogSize>>();
  Run(
      Lane::kHousekeeping,
      [this, result] {
        *result = {writer_->PrepareSpare(), MeasureLog(disk_, dir_)};
      },
      [this, result] {
        spare_running_ = false;
        log_size_ = result->second;
        if (!result->first.ok()) {
          SEMPER_LOG(kWarning, "no spare segment: {}", result->first.ToString());
        }
      });
}

// --- life

void Coordinator::WakeAt(uint64_t wall_nanos) {
  const uint64_t now = loop_.WallClock();
  const uint64_t wait = wall_nanos > now ? wall_nanos - now : 0;
  wake_ = loop_.After(std::chrono::nanoseconds(std::min<uint64_t>(wait, 1'000'000'000)), [this] {
    Touch();
    core_->OnWake();
  });
}

void Coordinator::Report(const std::string& text) {
  last_report_ = text;
  SEMPER_LOG(kError, "{}: {}", options_.name, text);
}

void Coordinator::Stop(core::StopReason reason, const absl::Status& why) {
  if (stopped_) return;
  stopped_ = true;
  stop_reason_ = reason;
  stop_status_ = why;
  follower_.Stop();
  if (reason == core::StopReason::kHandedOver) SayState(true);
  AnswerCheckpoints(
      absl::UnavailableError(absl::StrCat("the coordinator stopped: ", why.message())));
  // Not from inside an event: the owner may destroy us.
  loop_.Post([this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    link_.Close("the coordinator stops");
    acceptor_.CloseAll();
    dialer_.CloseAll();
    links_.CloseAll();
    heartbeat_.reset();
    if (options_.on_stop) options_.on_stop(stop_reason_, stop_status_);
  });
}

void Coordinator::Drain() {
  if (stopped_) return;
  if (!core_)
    return Stop(core::StopReason::kDrained,
                absl::CancelledError("asked to stop before it had begun"));
  if (HandOver("").ok()) return;
  Touch();
  core_->Drain();
}

void Coordinator::TakeCheckpoint(std::function<void(absl::StatusOr<admin::CheckpointRef>)> done) {
  if (stopped_) return done(absl::UnavailableError("the coordinator has stopped"));
  if (!core_ || core_->phase() != core::Core::Phase::kLeading) {
    return done(absl::FailedPreconditionError("not leading: checkpoints are taken by the leader"));
  }
  if (core_->service_phase() != core::Core::ServicePhase::kLive) {
    return done(absl::FailedPreconditionError(
        "no service is live: it has to be caught up to save its state"));
  }
  checkpoint_waiters_.push_back(std::move(done));
  Touch();
  core_->WantCheckpoint();
}

void Coordinator::AnswerCheckpoints(const absl::StatusOr<admin::CheckpointRef>& answer) {
  auto waiters = std::exchange(checkpoint_waiters_, {});
  for (auto& done : waiters) done(answer);
}

}  // namespace semper::runtime
