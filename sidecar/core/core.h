// Core: every decision of a coordinator. Events in, effects out; no I/O, no clock, no threads.
//
// One Core is one life of one coordinator process. Each event is a method; it runs to its end and
// calls the sink for what is to be done, in the order in which it is to be done. The owner
// (runtime, or a test) executes the effects and reports their outcome as later events, never from
// inside an effect.
//
// A core with fellow members follows before it leads: Join → OnFed… → (Contender) → claim. What it
// applied as a standby it keeps as a leader. One that lost the lock, or its service while it
// followed, stops; its owner begins a new one.
//
// The way of an input:   On…Frame → Log (+ Deliver)   EndOfRound → WriteUnit   OnUnitDurable →
// LookUp
//                        OnLookedUp → committed: outputs, acks, receipts, checkpoints leave
// Nothing outside this class ever sees "durable" (core.md, 3).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/buffer.h"
#include "semper/v1/link.pb.h"
#include "semper/v1/log.pb.h"
#include "semper/v1/peer.pb.h"
#include "sidecar/core/contender.h"
#include "sidecar/core/ledger.h"
#include "sidecar/core/reach.h"
#include "sidecar/core/replicated_state.h"
#include "sidecar/core/ring.h"
#include "sidecar/core/types.h"

namespace semper::core {

// A connection of a sending peer, numbered by the runtime, never used again.
enum class ConnectionId : uint64_t {};
constexpr uint64_t Raw(ConnectionId c) { return static_cast<uint64_t>(c); }

struct CoreOptions {
  std::string cluster;
  std::string name;
  Incarnation incarnation{};
  uint64_t nonce = 0;  // of the claim that this process will make
  std::string member;
  bool alone = true;  // no fellow members: claims at once, with or without a service (ADR 0002)
  ContenderOptions contender;
  std::string semper_version;
  uint32_t unit_bytes_max = 8u << 20;   // an open unit of this size takes no more
  uint32_t uncommitted_units_max = 64;  // speculation: written but not committed
  uint64_t ack_note_bytes = 16u << 20;  // acknowledged output bytes between two notes in the log
  uint64_t checkpoint_every_bytes = 1u << 30;  // of log; 0: never
  uint64_t checkpoint_every_inputs = 0;        // 0: never
  uint64_t checkpoint_every_nanos = 0;         // of logged time; 0: never
  uint64_t message_bytes_max = kMessageBytesMax;
  uint64_t backlog_inputs_max = 100'000'000;  // admitted but not yet finished by the service
};

// Why a coordinator stops. The process ends and another one recovers from the log (I5).
enum class StopReason {
  kLostLock,
  kUnknownState,
  kDamage,
  // OUT_OF_RANGE: what this member confirmed or applied is not in the files that are there now.
  kReplaced,
  kDrained,
  kHandedOver,  // to a fellow member; the next life follows
  kRejoin,      // as a standby: its service went away, or the log went on without it
};

// Where a take-over left the log, and what the state is there.
struct Recovered {
  ReplicatedState state;            // after the last input of the history
  Epoch epoch{};                    // joined: the newest of the history; 0: nothing is sealed
  Batch next_batch{1};              // of the own epoch, after the seal
  Index restore_index{};            // of the checkpoint that the service starts from; 0: none
  v1::CoordinatorState checkpoint;  // its coordinator state; empty if none
  struct Held {
    FrameHeader frame;
    Buffer payload;
  };
  std::vector<Held> held;  // its unacknowledged outputs
};

class EffectSink {
 public:
  virtual ~EffectSink() = default;

  // The log lock, in this order; each is answered by the event in brackets.
  virtual void ReadClaims() = 0;  // [OnClaimsRead]
  virtual void Join() = 0;        // committed history and its newest checkpoint [OnJoined]
  // Hands over what is committed after `after`, now and whenever there is more, and looks again
  // from time to time [OnFed…, OnFollowed, …]. A pause takes effect when what was read has been
  // handed over [OnFollowPaused]; Follow goes on.
  virtual void Follow(Index after) = 0;
  virtual void PauseFollowing() = 0;
  virtual void CheckAt(uint64_t steady_nanos) = 0;  // call OnCheck then; replaces an earlier one
  virtual void CreateClaim(Epoch epoch) = 0;        // [OnClaimed]
  virtual void TakeOver(Epoch epoch) = 0;           // re-open, copy the tail, seal, sync [OnSealed]
  // List the claims afresh [OnLookedUp]; OUT_OF_RANGE: none is newer, but the log is not
  // where it was written to. `now`: it begins after this call; else after the sync of
  // the newest unit that was told durable, which may have been before it.
  virtual void LookUp(bool now) = 0;
  // Newest checkpoint, scan of the log after it; `hot`: only the scan, after what was followed
  // [OnRecovered].
  virtual void Recover(bool hot) = 0;
  // Says on the volume that others reach this member, which does not reach the leader of `epoch`.
  virtual void ReportReach(Epoch epoch) = 0;
  virtual void ReadReports() = 0;  // what fellows say there [OnReportsRead]

  // The log. `payload` stays in place until the unit is durable.
  virtual void Log(const FrameHeader& entry, const Buffer& payload) = 0;
  // Writes and syncs what was logged since the last one; a note if nothing was [OnUnitDurable].
  // `cut`: the record's end is a checkpoint's cut; the facts go to BeginCheckpoint.
  virtual void WriteUnit(Epoch epoch, Batch batch, uint64_t durable, uint64_t committed,
                         bool cut) = 0;

  // The service.
  virtual void GreetService(const v1::CoordinatorHello& hello) = 0;
  virtual void RefuseService(const std::string& why) = 0;
  virtual void RestoreService(Index checkpoint) = 0;  // stream it from the file [OnServiceRestored]
  virtual void Feed(Index after) = 0;                 // from the files [OnFed…, OnFedAll]
  virtual void StopFeeding() = 0;
  virtual void Deliver(const FrameHeader& entry, const Buffer& payload) = 0;
  virtual void TellLive(Index index) = 0;
  virtual void TellCommitted(Index index) = 0;

  // Checkpoints. The cut goes to the service behind everything delivered so far [OnCheckpointBegin
  // …].
  virtual void RequestCheckpoint(Index index) = 0;
  virtual void WriteCheckpointOutputs(const v1::CoordinatorState& state, const Ledger& ledger) = 0;
  virtual void PublishCheckpoint(Index index) = 0;
  virtual void AbandonCheckpoint(const std::string& why) = 0;

  // Peers that send to us.
  virtual void Welcome(ConnectionId connection, const v1::PeerWelcome& welcome) = 0;
  virtual void RefusePeer(ConnectionId connection,
                          const v1::PeerRefused& refused) = 0;  // and closes
  virtual void SendAck(ConnectionId connection, const Position& committed) = 0;

  // Peers that we send to.
  virtual void Connect(Slot slot, const std::string& name) = 0;  // and keep connected [OnWelcome …]
  virtual void Disconnect(Slot slot, const std::string& why, bool for_good) = 0;
  virtual bool CanSend(Slot slot) = 0;  // false: OnCanSend follows
  virtual void SendMessages(Slot slot, const HeldOutput& output) = 0;

  virtual void WakeAt(uint64_t wall_nanos) = 0;      // call OnWake not before; 0: cancels
  virtual void Report(const std::string& text) = 0;  // a sentence for the operator: log, status
  virtual void Stop(StopReason reason, const absl::Status& why) = 0;
};

class Core {
 public:
  enum class Phase {
    kNew,
    kReadingClaims,
    kJoining,    // waits for the service, or for Join
    kFollowing,  // a standby; its service is restored, then fed
    kChecking,   // a standby that is about to claim reads the claims
    kClaiming,
    kSealing,
    kConfirming,
    kRecovering,
    kLeading,
    kStopped
  };
  enum class ServicePhase { kNone, kWaiting, kRestoring, kFeeding, kLive };

  Core(CoreOptions options, BufferPool& pool, EffectSink& sink);

  // The clocks at the beginning of a round of events. The wall clock becomes logged time and may
  // jump; the steady one is for waits.
  void SetNow(uint64_t wall_nanos, uint64_t steady_nanos) {
    now_ = wall_nanos;
    steady_ = steady_nanos;
  }
  // After the events of a round: writes what has gathered.
  void EndOfRound();

  // --- lock
  void Start();
  // `own`: the newest claim was made by a member of this name.
  void OnClaimsRead(const absl::StatusOr<Epoch>& newest, bool own = false);
  void OnClaimed(const absl::Status& claimed);
  void OnSealed(const absl::Status& sealed);
  void OnRecovered(absl::StatusOr<Recovered> recovered);
  void OnUnitDurable(const absl::Status& written);
  void OnLookedUp(const absl::StatusOr<Epoch>& newest);
  void OnCheck();

  // --- standby
  void OnJoined(absl::StatusOr<Recovered> joined);  // its state is the checkpoint's
  // The files were looked at, and what is committed there was handed over. `newest`: the newest
  // claim that is known. `progressed`: the log shows something that it did not show before.
  void OnFollowed(Epoch newest, bool progressed);
  // `progressed`: what was under way has shown something new.
  void OnFollowPaused(bool progressed);
  void OnFollowFailed(const absl::Status& why);
  // The connection to the member that leads. Decides only when to try.
  void OnLeaderHeard();
  void OnLeaderLost();
  // It says what receivers have acknowledged: true whoever leads now, so that outputs up to there
  // need not be held until a note in the log says the same.
  void OnAcksTold(const v1::Control::AckNote& acks);
  void SetUnfit(const std::string& why);  // this member must never lead
  const Contender& contender() const { return contender_; }
  Epoch newest_claim() const { return newest_claim_; }
  // A fellow says that it leads `epoch`. Who leads an older one stops; that is never wrong.
  void OnOtherLeader(Epoch epoch, const std::string& member);
  // The leader: stops with `member`'s name as the last input. Nothing is taken in after it.
  void HandOver(const std::string& member);
  // Several times in a silence limit: is any fellow connected?
  void OnHeartbeat(bool fellows);
  void OnReportsRead(const std::vector<ReachReport>& reports);
  bool resigned() const { return resigning_; }

  // --- service
  void OnServiceHello(const v1::ServiceHello& hello);
  void OnServiceLost(const std::string& why);
  void OnServiceRestored(const absl::Status& restored);
  void OnFed(const FrameHeader& entry, const Buffer& payload);
  void OnFedAll();  // nothing more in the files at this moment
  void OnFeedFailed(const absl::Status& why);
  void OnLinkStalled();  // the service does not take what is live: feed it from the files instead
  // The rest is of the current generation; the link drops older frames.
  absl::Status OnDestination(Slot slot, std::string_view name);
  absl::Status OnOutput(const FrameHeader& frame, Buffer payload);
  absl::Status OnDone(Index index, uint64_t next_timer);
  absl::Status OnImpulse(const FrameHeader& frame, Buffer payload);
  absl::Status OnCheckpointBegin(Index index);
  void OnCheckpointReady(Index index);  // written and synced, under its temporary name
  void OnCheckpointPublished(Index index);
  void OnCheckpointFailed(const std::string& why);
  void WantCheckpoint() { checkpoint_wanted_ = true; }
  // Who takes checkpoints by policy: this member, or a fellow.
  void SetCheckpointing(bool here) { checkpoints_here_ = here; }
  bool CheckpointDueByPolicy() const;
  // Standby: a record with inputs was handed over as a whole. True: cut a checkpoint at its end;
  // the request went to the service.
  bool MaybeCutFollowed();
  // A fellow has published one, and it fits the log: a new generation begins there. False: not yet,
  // or not any more.
  bool MayAdopt(Index index) const;
  bool OnCheckpointAdopted(Index index, const v1::CoordinatorState& state);

  // --- peers
  void OnPeerHello(ConnectionId connection, const v1::PeerHello& hello);
  void OnPeerFrame(ConnectionId connection, const FrameHeader& frame, Buffer payload);
  void OnPeerLost(ConnectionId connection);
  void OnWelcome(Slot slot, const v1::PeerWelcome& welcome);
  void OnAck(Slot slot, const Position& committed);
  void OnCanSend(Slot slot);
  void OnDisconnected(Slot slot);
  void OnRefusedByPeer(Slot slot, const v1::PeerRefused& refused);

  void OnWake();
  void Drain();  // stop intake; Stop(kDrained) once everything admitted is committed

  // --- for the owner's flow control, and for status
  bool CanAdmit() const;  // false: leave peers' and impulses' bytes unread
  Phase phase() const { return phase_; }
  ServicePhase service_phase() const { return service_phase_; }
  Epoch epoch() const { return epoch_; }
  Index appended() const { return state_.index(); }
  Index committed() const { return committed_index_; }
  Index delivered() const { return delivered_; }
  Index done() const { return done_; }
  uint64_t committed_batches() const { return committed_batches_; }  // of the own epoch
  uint32_t generation() const { return generation_; }
  const Ledger& ledger() const { return ledger_; }
  const ReplicatedState& state() const { return state_; }
  struct SourceLink {
    ConnectionId connection{};
    Position committed;
    uint64_t epoch = 0;    // highest seen of this incarnation
    bool marked = false;   // in marks of the open unit
    bool ack_due = false;  // in acks_due_
    std::string quarantine;
  };
  const std::vector<SourceLink>& source_links() const { return links_; }
  uint64_t tail_bytes() const { return tail_bytes_; }          // admitted, not yet durable
  uint64_t frames_cut() const { return frames_cut_; }          // their beginning was known
  uint64_t frames_dropped() const { return frames_dropped_; }  // known as a whole
  bool draining() const { return draining_; }
  bool checkpoint_under_way() const { return Raw(checkpoint_cut_) != 0; }

 private:
  struct TailEntry {
    FrameHeader frame;
    Buffer payload;
  };
  struct UnitFacts {
    Batch batch{};
    Index last{};
    uint32_t marks = 0;
  };
  struct Mark {
    Slot slot{};
    Position position;
  };

  void Admit(FrameHeader entry, Buffer payload);
  void AdmitControl(const v1::Control& control);
  void AdmitStart(const v1::ServiceHello& hello);
  void LoadCheckpoint(Recovered& recovered);
  void BeginJoining();
  void Contend();
  bool HasPeers() const;
  void BeginLeading();
  void Diverged(const absl::Status& why);
  void MaybeWrite();
  bool CheckpointDue() const;
  void CutCheckpoint(Index index);
  void MaybeLookUp();
  void Commit(uint64_t batches);
  void Release();
  void ReleaseOutputs();
  void Pump(Slot slot);
  void GreetWaitingService();
  void BeginFeeding();
  void GoLive();
  void MaybeSettle();
  void MaybePublish();
  void MaybeTick();
  void MaybeNoteAcks();
  void TakeAckNote(const v1::Control::AckNote& note);
  void MaybeFinishDrain();
  void ServiceFault(const absl::Status& why);
  void DestinationFault(Slot slot, const absl::Status& why);
  // The receiver remembers what this process does not. A leader that was deposed while it slept
  // sees just that, so a look-up comes first: only who still leads quarantines the link.
  void SuspectDestination(Slot slot, const absl::Status& why);
  void StopBecause(StopReason reason, const absl::Status& why);
  absl::StatusOr<Buffer> CutKnown(const Position& known, FrameHeader& frame, Buffer payload);
  void CloseSource(ConnectionId connection);  // frames of it are no longer taken
  void RefuseGreeting(ConnectionId connection, v1::PeerRefused::Reason reason, std::string text);
  void FillWelcome(Slot slot, v1::PeerWelcome& welcome) const;

  const CoreOptions options_;
  BufferPool& pool_;
  EffectSink& sink_;

  Phase phase_ = Phase::kNew;
  uint64_t now_ = 0;
  uint64_t steady_ = 0;
  Epoch epoch_{};
  Contender contender_;
  Epoch newest_claim_{};
  bool own_last_ = false;  // the newest claim is of an earlier life of this member
  Epoch handed_over_{};    // to this member, by the input followed last; 0: it was none
  bool followed_ = false;  // what is led was followed before
  bool handing_over_ = false;
  bool resigning_ = false;   // hands over to a member that is not connected
  Batch hand_over_batch_{};  // of the mark, when it resigns
  Reach reach_;
  bool note_due_ = false;
  uint64_t written_at_ = 0;  // steady
  bool draining_ = false;
  bool joining_ = false;  // Join is under way

  // Log and commit.
  ReplicatedState state_;  // at the last admitted input
  Ring<TailEntry> tail_;   // admitted, not yet durable: keeps the bytes in place
  uint64_t tail_bytes_ = 0;
  uint64_t unit_bytes_ = 0;  // of the open unit
  uint32_t unit_entries_ = 0;
  bool write_in_flight_ = false;
  bool look_up_in_flight_ = false;
  uint64_t look_up_covers_ = 0;
  Batch next_batch_{};
  uint64_t durable_batches_ = 0;
  uint64_t committed_batches_ = 0;
  uint64_t stated_batches_ = 0;  // committed, as the last record says it
  Index durable_index_{};
  Index committed_index_{};
  Ring<UnitFacts> units_;         // written or being written, not committed
  Ring<Mark> marks_;              // of units_: how far each source's stream went
  std::vector<Slot> open_marks_;  // sources with messages in the open unit
  std::vector<Slot> acks_due_;    // sources whose committed position went on

  // Service.
  ServicePhase service_phase_ = ServicePhase::kNone;
  std::optional<v1::ServiceHello> waiting_hello_;
  v1::ServiceHello hello_;  // of this generation
  uint32_t generation_ = 0;
  bool live_told_ = false;  // of this generation
  bool settled_ = false;    // this generation has finished all that was there when it went live
  Index live_index_{};
  Index delivered_{};
  Index done_{};
  uint64_t next_timer_ = 0;
  bool tick_under_way_ = false;

  // Checkpoints.
  struct RestorePoint {
    Index index{};
    std::vector<Position> counters;
  } restore_;
  bool checkpoint_wanted_ = false;
  bool checkpoints_here_ = true;
  Index checkpoint_cut_{};  // 0: none under way
  bool checkpoint_ready_ = false;
  v1::CoordinatorState checkpoint_state_;
  std::vector<Position> checkpoint_counters_;
  uint64_t bytes_since_checkpoint_ = 0;
  uint64_t inputs_since_checkpoint_ = 0;
  uint64_t time_of_checkpoint_ = 0;

  // Peers.
  std::vector<SourceLink> links_;  // parallel to state_.sources()
  absl::flat_hash_map<uint64_t, uint32_t>
      source_of_;                // connection -> position in links_; looked up, never walked
  std::vector<Slot> releasing_;  // kept for its memory
  Ledger ledger_;
  uint64_t noted_bytes_ = 0;  // acknowledged when the last note was made
  bool note_acks_ = false;
  struct Suspicion {
    Slot slot{};
    absl::Status why;
  };
  std::vector<Suspicion> suspicions_;
  size_t suspicions_in_look_up_ = 0;  // that came before the look-up in flight
  uint64_t frames_cut_ = 0;
  uint64_t frames_dropped_ = 0;
};

}  // namespace semper::core
