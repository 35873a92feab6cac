// Coordinator: the one place where everything is wired together.
//
// Owns the core and executes its effects over the ports it is given, so that the same object runs
// in the binary (epoll, threads, the machine's disk) and in the simulator. Everything on the loop's
// thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/buffer.h"
#include "base/disk.h"
#include "base/executor.h"
#include "base/loop.h"
#include "sidecar/admin/backend.h"
#include "sidecar/admin/lag_meter.h"
#include "sidecar/core/checkpoint_turn.h"
#include "sidecar/core/core.h"
#include "sidecar/link/server.h"
#include "sidecar/member/links.h"
#include "sidecar/peer/acceptor.h"
#include "sidecar/peer/dialer.h"
#include "sidecar/peer/resolver.h"
#include "sidecar/runtime/checkpointer.h"
#include "sidecar/runtime/feeder.h"
#include "sidecar/runtime/follower.h"
#include "sidecar/runtime/lock_jobs.h"
#include "sidecar/runtime/options.h"
#include "sidecar/selftest/asker.h"

namespace semper::runtime {

class Coordinator : private core::EffectSink,
                    private link::ServiceHandler,
                    private peer::SourceHandler,
                    private peer::DestinationHandler,
                    private peer::MemberHandler,
                    private member::FellowHandler,
                    private Feeder::Handler,
                    private Follower::Handler,
                    private Checkpointer::Handler {
 public:
  // The ports outlive the coordinator, and the executor has no job of it left when it is destroyed.
  Coordinator(Options options, Loop& loop, Disk& disk, Executor& executor);
  ~Coordinator() override;

  // Reads the genesis, listens, claims. What goes wrong later is told by options.on_stop.
  void Start();

  // Stops intake; on_stop(kDrained) when everything admitted is committed. A leader with a fellow
  // that is ready hands over to it: on_stop(kHandedOver).
  void Drain();

  // A leader stops in favour of `member`, or of the fellow that is ready and furthest if it is
  // empty. FAILED_PRECONDITION: it does not lead, or nobody is ready. on_stop(kHandedOver) follows.
  absl::Status HandOver(const std::string& member);
  // Where other immortals are; for those that are not yet connected, and from the next dial on.
  void SetPeers(peer::Addresses peers) { resolver_.SetAddresses(std::move(peers)); }

  admin::StatusSnapshot Status() const;

  // Cuts a checkpoint; `done` is called exactly once on the loop.
  void TakeCheckpoint(std::function<void(absl::StatusOr<admin::CheckpointRef>)> done);

  const core::Core* core() const { return core_.get(); }  // for the simulator's observer
  const log::Genesis& genesis() const { return genesis_; }
  // What this process found when it took over.
  struct TakeOverFacts {
    uint64_t records_copied = 0;
    uint64_t epochs_void = 0;
    uint64_t outputs_restored = 0;
    core::Index checkpoint{};
  };
  const TakeOverFacts& take_over_facts() const { return facts_; }
  std::string PeerAddress() const { return acceptor_.Address(); }
  // Of all inputs that this member applied, led, or was told of by a leader.
  core::Index KnownCommitted() const;
  bool was_ahead_of_files() const { return follower_.was_ahead_of_files(); }
  uint64_t late_checkpoints() const { return late_checkpoints_; }  // turns that passed without one

 private:
  class WriteJob;
  class LookUpJob;

  // EffectSink
  void ReadClaims() override;
  void Join() override;
  void Follow(core::Index after) override;
  void PauseFollowing() override;
  void CheckAt(uint64_t steady_nanos) override;
  void CreateClaim(core::Epoch epoch) override;
  void TakeOver(core::Epoch epoch) override;
  void LookUp(bool now) override;
  void Recover(bool hot) override;
  void ReportReach(core::Epoch epoch) override;
  void ReadReports() override;
  void Log(const core::FrameHeader& entry, const Buffer& payload) override;
  void WriteUnit(core::Epoch epoch, core::Batch batch, uint64_t durable, uint64_t committed,
                 bool cut) override;
  void GreetService(const v1::CoordinatorHello& hello) override;
  void RefuseService(const std::string& why) override;
  void RestoreService(core::Index checkpoint) override;
  void Feed(core::Index after) override;
  void StopFeeding() override;
  void Deliver(const core::FrameHeader& entry, const Buffer& payload) override;
  void TellLive(core::Index index) override;
  void TellCommitted(core::Index index) override;
  void RequestCheckpoint(core::Index index) override;
  void WriteCheckpointOutputs(const v1::CoordinatorState& state,
                              const core::Ledger& ledger) override;
  void PublishCheckpoint(core::Index index) override;
  void AbandonCheckpoint(const std::string& why) override;
  void Welcome(core::ConnectionId connection, const v1::PeerWelcome& welcome) override;
  void RefusePeer(core::ConnectionId connection, const v1::PeerRefused& refused) override;
  void SendAck(core::ConnectionId connection, const core::Position& committed) override;
  void Connect(core::Slot slot, const std::string& name) override;
  void Disconnect(core::Slot slot, const std::string& why, bool for_good) override;
  bool CanSend(core::Slot slot) override;
  void SendMessages(core::Slot slot, const core::HeldOutput& output) override;
  void WakeAt(uint64_t wall_nanos) override;
  void Report(const std::string& text) override;
  void Stop(core::StopReason reason, const absl::Status& why) override;

  // link::ServiceHandler
  void OnServiceHello(const v1::ServiceHello& hello) override;
  void OnServiceLost(const std::string& why) override;
  absl::Status OnDestination(core::Slot slot, std::string_view name) override;
  absl::Status OnOutput(const core::FrameHeader& frame, Buffer payload) override;
  absl::Status OnDone(core::Index index, uint64_t next_timer) override;
  absl::Status OnImpulse(const core::FrameHeader& frame, Buffer payload) override;
  absl::Status OnCheckpointBegin(core::Index index, const v1::ServiceCheckpoint& service) override;
  absl::Status OnCheckpointChunk(Buffer chunk) override;
  absl::Status OnCheckpointEnd(core::Index index, uint64_t bytes) override;
  void OnServiceFailed(core::Index index, const std::string& why) override;
  void OnLinkDrained() override;

  // peers
  void OnPeerHello(core::ConnectionId connection, const v1::PeerHello& hello) override;
  void OnPeerFrame(core::ConnectionId connection, const core::FrameHeader& frame,
                   Buffer payload) override;
  void OnPeerLost(core::ConnectionId connection) override;
  v1::PeerHello MakeHello(core::Slot slot) override;
  void OnWelcome(core::Slot slot, const v1::PeerWelcome& welcome) override;
  void OnAck(core::Slot slot, const core::Position& committed) override;
  void OnCanSend(core::Slot slot) override;
  void OnDisconnected(core::Slot slot) override;
  void OnRefusedByPeer(core::Slot slot, const v1::PeerRefused& refused) override;

  // fellow members
  void OnMemberHello(core::ConnectionId connection, const v1::MemberHello& hello) override;
  void OnMemberFrame(core::ConnectionId connection, const core::FrameHeader& frame,
                     const Buffer& payload) override;
  void OnMemberLost(core::ConnectionId connection) override;
  v1::MemberHello MakeMemberHello() override;
  std::string OnFellowFound(const v1::MemberIdentity& fellow) override;
  void OnFellowState(const std::string& member, const v1::MemberState& state) override;
  void OnFellowTest(const std::string& member, const v1::MemberTest& test) override;
  void OnFellowLost(const std::string& member) override;
  void OnFellowRefused(const v1::MemberRefused& refused) override;
  void OnRecordFollowed(core::Epoch epoch, uint64_t batch, const Chain& chain) override;
  void OnFollowed(core::Epoch newest_claim, bool progressed) override;
  void OnFollowPaused(bool progressed) override;
  void OnFollowFailed(const absl::Status& why) override;

  // feeding, checkpoints
  bool MayFeed() override;
  void OnFed(const core::FrameHeader& entry, const Buffer& payload) override;
  void OnFedAll() override;
  void OnFeedFailed(const absl::Status& why) override;
  void OnCheckpointReady() override;
  void OnCheckpointPublished(core::Index index, uint64_t bytes) override;
  void OnCheckpointFailed(const absl::Status& why) override;
  void OnCheckpointBacklog() override;
  bool MayRestore() override;
  void OnRestoreBegin(const v1::ServiceCheckpoint& service) override;
  void OnRestoreChunk(Buffer chunk) override;
  void OnRestored(const absl::Status& status, uint64_t bytes) override;

  void OnGenesis(absl::StatusOr<log::Genesis> genesis);
  void OnTakenOver(absl::StatusOr<TakenOver> taken);
  void OnRecoveredLog(absl::StatusOr<RecoveredLog> recovered, bool hot);
  void OnJoinedLog(absl::StatusOr<RecoveredLog> joined);
  core::Recovered FactsOf(RecoveredLog& recovered);
  void LoseLeader();
  // The self-test of a shared volume with a fellow, as who asks.
  void BeginTest(const std::string& member);
  void StepTest(std::function<absl::StatusOr<v1::MemberTest>()> step);
  void AnswerNext();
  // `own`: of this member's own looks.
  void OnVerdict(const v1::MemberTest& verdict, bool own);
  // What members hear of each other.
  bool alone() const { return options_.members.empty(); }
  OpenMode ReadMode() const;
  std::optional<v1::MemberRefused> WhyNoFellow(const v1::MemberIdentity& from) const;
  v1::MemberIdentity Identity() const;
  v1::MemberState MakeState() const;
  void SayState(bool now);
  bool AcksAreDue() const;
  void AddAcks(v1::MemberState& state);
  void FillMembers(admin::StatusSnapshot& s) const;
  void Heartbeat();
  std::string BestFellow() const;  // ready, and furthest; empty: none
  void AssignCheckpoints();
  void ReportLateCheckpoint(const std::string& member, std::chrono::nanoseconds limit);
  void AdoptCheckpoint(const std::string& member, const v1::MemberState& state);
  void OnUnitWritten(const absl::Status& written,
                     const std::optional<absl::StatusOr<core::Epoch>>& looked_up, bool wants_spare);
  void OnLookedUp(const absl::StatusOr<core::Epoch>& newest);
  void Touch();  // an event has come: the round's end is the core's
  void EndOfRound();
  void ApplyFlow();  // pauses and resumes what comes in
  void TrimMemory();
  void WatchLink();  // a service that stopped reading is fed from the files
  void AnswerCheckpoints(const absl::StatusOr<admin::CheckpointRef>& answer);
  void Run(Lane lane, std::function<void()> work, std::function<void()> done);

  const Options options_;
  const std::string dir_;
  Loop& loop_;
  Disk& disk_;
  Executor& executor_;
  BufferPool pool_;
  wire::ReadArena arena_;
  link::Server link_;
  peer::NameResolver resolver_;
  peer::Acceptor acceptor_;
  peer::Dialer dialer_;
  Feeder feeder_;
  Follower follower_;
  peer::NameResolver member_resolver_;
  member::Links links_;
  Checkpointer checkpointer_;
  log::Genesis genesis_;
  uint64_t nonce_ = 0;
  std::unique_ptr<core::Core> core_;
  FunctionJob lock_job_;
  FunctionJob spare_job_;
  FunctionJob reach_job_;
  bool reaching_ = false;         // reach_job_ runs
  core::Epoch reach_reported_{};  // for the log, once
  FunctionJob adopt_job_;
  bool adopting_ = false;
  FunctionJob test_job_;
  FunctionJob answer_job_;
  bool answering_ = false;
  bool testing_ = false;  // test_job_ runs
  std::deque<std::pair<core::ConnectionId, v1::MemberTest>> asks_;
  std::unique_ptr<Timer> test_timer_;
  std::shared_ptr<selftest::Asker> asker_;  // with tested_; null: no test is under way
  std::chrono::nanoseconds test_after_{};   // steady; earlier only while somebody leads
  std::string tested_;
  bool volume_verified_ = false;
  checkpoint::CheckpointId not_adopted_;  // the fellow's that was looked at last, and did not fit
  bool spare_running_ = false;
  bool stopped_ = false;
  RoundTask end_of_round_;
  core::StopReason stop_reason_{};
  absl::Status stop_status_;

  // Log.
  std::unique_ptr<log::LogWriter> writer_;
  Chain chain_{};
  core::Index sealed_index_{};
  log::History sealed_history_;
  log::LogPlace known_place_;  // of a follower that took over, at its last record
  LogSize log_size_;           // as of the last recovery or change of segments
  TakeOverFacts facts_;
  log::Unit open_unit_;
  log::Unit written_unit_;
  std::unique_ptr<WriteJob> write_job_;
  std::unique_ptr<LookUpJob> look_up_job_;
  bool fresh_look_up_ = false;        // the unit that is being told durable brings its own look-up
  bool takes_fresh_look_up_ = false;  // … and the core wants it
  std::chrono::nanoseconds write_began_{};
  std::chrono::nanoseconds look_up_began_{};
  std::chrono::nanoseconds unit_began_{};  // arrival of the first input of the open unit
  std::chrono::nanoseconds
      written_began_{};  // the same of the unit that is or was written last; 0: none
  std::chrono::nanoseconds commit_began_{};

  // The checkpoint under way.
  checkpoint::CheckpointHeader cut_;
  v1::ServiceCheckpoint cut_service_;
  uint64_t cut_bytes_ = 0;
  std::chrono::nanoseconds cut_began_{};
  std::chrono::nanoseconds cut_took_{};  // of the last one that this process has published
  bool cut_arriving_ = false;            // between its begin and its end in the service's stream
  checkpoint::CheckpointId restoring_;  // what the service is given; a newer one may come meanwhile
  core::Epoch restore_epoch_{};
  core::Index restore_index_{};
  std::vector<std::function<void(absl::StatusOr<admin::CheckpointRef>)>> checkpoint_waiters_;

  // Fellows, by name: what they said last. Connections that they dialled.
  std::map<std::string, v1::MemberState> fellows_;
  std::map<uint64_t, std::string> listeners_;
  std::string leader_;  // whom this member follows; empty: not connected to one
  core::Epoch leader_epoch_{};
  core::Index told_committed_{};  // by leaders
  admin::LagMeter lag_;
  core::CheckpointTurn checkpoint_turn_;  // as this leader sees it
  uint64_t late_checkpoints_ = 0;
  std::string said_;  // the state that was said last
  std::chrono::nanoseconds said_at_{};
  bool acks_due_ = false;
  uint64_t said_acked_bytes_ = 0;  // acknowledged when acks were said last
  size_t next_ack_ = 0;            // the destination whose turn it is
  std::unique_ptr<Timer> say_;
  std::unique_ptr<Timer> heartbeat_;
  std::unique_ptr<Timer> check_;

  std::unique_ptr<Timer> wake_;
  std::unique_ptr<Timer> watch_;
  std::unique_ptr<Timer> trim_;
  bool stalled_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  // For status.
  v1::ServiceHello service_;
  std::chrono::nanoseconds started_{};
  uint64_t started_wall_ = 0;
  std::chrono::nanoseconds claiming_{};  // alone: since the start
  double recovery_seconds_ = 0;
  admin::Counters counters_;
  admin::CheckpointStatus checkpoint_status_;
  admin::LatencyHistogram sync_histogram_;
  admin::LatencyHistogram look_up_histogram_;
  admin::LatencyHistogram commit_histogram_;
  std::string last_report_;
};

}  // namespace semper::runtime
