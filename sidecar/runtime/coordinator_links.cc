// The service, its checkpoints, and the peers.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/version.h"
#include "sidecar/runtime/coordinator.h"

namespace semper::runtime {

using core::ConnectionId;
using core::FrameHeader;
using core::Index;
using core::Slot;

namespace {
constexpr std::chrono::seconds kWriteStuck{1};
}

// --- effects towards the service

void Coordinator::GreetService(const v1::CoordinatorHello& hello) {
  ++counters_.generations;
  link_.Greet(hello);
}

void Coordinator::RefuseService(const std::string& why) { link_.Refuse(why); }

void Coordinator::RestoreService(Index checkpoint) {
  restoring_ = {restore_epoch_, checkpoint};
  checkpointer_.Restore(restoring_);
}

void Coordinator::Feed(Index after) { feeder_.Feed(after); }

void Coordinator::StopFeeding() {
  feeder_.Stop();
  checkpointer_.StopRestoring();
}

void Coordinator::Deliver(const FrameHeader& entry, const Buffer& payload) {
  link_.Deliver(entry, payload);
}

void Coordinator::TellLive(Index index) {
  SEMPER_LOG(kInfo, "{}: the service is live at index {}", options_.name, Raw(index));
  link_.TellLive(index);
}

void Coordinator::TellCommitted(Index index) { link_.TellCommitted(index); }

// --- events from the service

void Coordinator::OnServiceHello(const v1::ServiceHello& hello) {
  if (stopped_) return;
  Touch();
  service_ = hello;
  core_->OnServiceHello(hello);
}

void Coordinator::OnServiceLost(const std::string& why) {
  if (stopped_) return;
  Touch();
  SEMPER_LOG(kInfo, "{}: the service went away: {}", options_.name, why);
  core_->OnServiceLost(why);
  // A fellow that has the state is sooner than a replay.
  if (!stopped_) HandOver("").IgnoreError();
}

absl::Status Coordinator::OnDestination(Slot slot, std::string_view name) {
  Touch();
  return core_->OnDestination(slot, name);
}

absl::Status Coordinator::OnOutput(const FrameHeader& frame, Buffer payload) {
  Touch();
  counters_.outputs += frame.count;
  counters_.output_bytes += frame.bytes;
  return core_->OnOutput(frame, std::move(payload));
}

absl::Status Coordinator::OnDone(Index index, uint64_t next_timer) {
  Touch();
  return core_->OnDone(index, next_timer);
}

absl::Status Coordinator::OnImpulse(const FrameHeader& frame, Buffer payload) {
  Touch();
  return core_->OnImpulse(frame, std::move(payload));
}

void Coordinator::OnServiceFailed(Index index, const std::string& why) {
  Report(absl::StrCat("the service gave up at input ", Raw(index), ": ", why));
}

void Coordinator::OnLinkDrained() {
  Touch();
  feeder_.Resume();
  checkpointer_.Resume();
}

// --- feeding

bool Coordinator::MayFeed() { return link_.queued_bytes() < link::Server::kQueueHighBytes; }

void Coordinator::OnFed(const FrameHeader& entry, const Buffer& payload) {
  if (stopped_) return;
  Touch();
  core_->OnFed(entry, payload);
}

void Coordinator::OnFedAll() {
  if (stopped_) return;
  Touch();
  core_->OnFedAll();
}

void Coordinator::OnFeedFailed(const absl::Status& why) {
  if (stopped_) return;
  Touch();
  core_->OnFeedFailed(why);
}

bool Coordinator::MayRestore() { return MayFeed(); }

void Coordinator::OnRestoreBegin(const v1::ServiceCheckpoint& service) {
  if (!stopped_) link_.RestoreBegin(restoring_.index, service);
}

void Coordinator::OnRestoreChunk(Buffer chunk) {
  if (!stopped_) link_.RestoreChunk(std::move(chunk));
}

void Coordinator::OnRestored(const absl::Status& status, uint64_t bytes) {
  if (stopped_) return;
  Touch();
  if (status.ok()) link_.RestoreEnd(restoring_.index, bytes);
  core_->OnServiceRestored(status);
}

// --- checkpoints

void Coordinator::RequestCheckpoint(Index index) {
  cut_bytes_ = 0;
  cut_began_ = loop_.Monotonic();
  link_.CutCheckpoint(index);
}

absl::Status Coordinator::OnCheckpointBegin(Index index, const v1::ServiceCheckpoint& service) {
  Touch();
  cut_service_ = service;
  return core_->OnCheckpointBegin(index);
}

void Coordinator::WriteCheckpointOutputs(const v1::CoordinatorState& state,
                                         const core::Ledger& ledger) {
  cut_.state = state;
  cut_arriving_ = true;
  checkpointer_.Begin(cut_, cut_service_, ledger, loop_.Random());
}

absl::Status Coordinator::OnCheckpointChunk(Buffer chunk) {
  Touch();
  if (!cut_arriving_) return absl::OkStatus();  // of a checkpoint that was given up
  cut_bytes_ += chunk.size();
  checkpointer_.Chunk(std::move(chunk));
  return absl::OkStatus();
}

absl::Status Coordinator::OnCheckpointEnd(Index index, uint64_t bytes) {
  Touch();
  if (!std::exchange(cut_arriving_, false)) return absl::OkStatus();
  if (index != cut_.id.index || bytes != cut_bytes_) {
    return absl::InvalidArgumentError(absl::StrCat("checkpoint end at ", Raw(index), " with ",
                                                   bytes, " bytes, expected ", Raw(cut_.id.index),
                                                   " with ", cut_bytes_));
  }
  checkpointer_.End();
  return absl::OkStatus();
}

void Coordinator::OnCheckpointReady() {
  if (stopped_) return;
  Touch();
  core_->OnCheckpointReady(cut_.id.index);
}

void Coordinator::PublishCheckpoint(Index index) { checkpointer_.Publish(index); }

void Coordinator::OnCheckpointPublished(Index index, uint64_t bytes) {
  if (stopped_) return;
  Touch();
  ++counters_.checkpoints_taken;
  cut_took_ = loop_.Monotonic() - cut_began_;
  checkpoint_turn_.OnCheckpoint("");
  checkpoint_status_.last = {Raw(cut_.id.epoch), Raw(index)};
  checkpoint_status_.last_bytes = bytes;
  checkpoint_status_.last_unix_nanos = loop_.WallClock();
  checkpoint_status_.last_error.clear();
  restore_epoch_ = cut_.id.epoch;
  restore_index_ = index;
  SEMPER_LOG(kInfo, "{}: checkpoint at index {}, {} bytes", options_.name, Raw(index), bytes);
  core_->OnCheckpointPublished(index);
  AnswerCheckpoints(admin::CheckpointRef{Raw(cut_.id.epoch), Raw(index)});
}

void Coordinator::OnCheckpointFailed(const absl::Status& why) {
  if (stopped_) return;
  Touch();
  core_->OnCheckpointFailed(std::string(why.message()));
}

void Coordinator::AbandonCheckpoint(const std::string& why) {
  ++counters_.checkpoints_failed;
  checkpoint_turn_.OnOwnFailed();
  cut_arriving_ = false;
  checkpoint_status_.last_error = why;
  SEMPER_LOG(kWarning, "{}: no checkpoint at index {}: {}", options_.name, Raw(cut_.id.index), why);
  checkpointer_.Abandon();
  AnswerCheckpoints(absl::AbortedError(why));
}

void Coordinator::OnCheckpointBacklog() { Touch(); }

// --- peers that send to us

void Coordinator::Welcome(ConnectionId connection, const v1::PeerWelcome& welcome) {
  acceptor_.Welcome(connection, welcome);
}

void Coordinator::RefusePeer(ConnectionId connection, const v1::PeerRefused& refused) {
  acceptor_.Refuse(connection, refused);
}

void Coordinator::SendAck(ConnectionId connection, const core::Position& committed) {
  acceptor_.SendAck(connection, committed);
}

void Coordinator::OnPeerHello(ConnectionId connection, const v1::PeerHello& hello) {
  if (stopped_) return;
  Touch();
  core_->OnPeerHello(connection, hello);
}

void Coordinator::OnPeerFrame(ConnectionId connection, const FrameHeader& frame, Buffer payload) {
  if (stopped_) return;
  Touch();
  core_->OnPeerFrame(connection, frame, std::move(payload));
}

void Coordinator::OnPeerLost(ConnectionId connection) {
  if (stopped_) return;
  Touch();
  core_->OnPeerLost(connection);
}

// --- peers that we send to

void Coordinator::Connect(Slot slot, const std::string& name) { dialer_.Connect(slot, name); }

void Coordinator::Disconnect(Slot slot, const std::string& why, bool for_good) {
  SEMPER_LOG(kWarning, "{}: link to slot {} ends: {}", options_.name, Raw(slot), why);
  dialer_.Disconnect(slot, for_good);
}

bool Coordinator::CanSend(Slot slot) { return dialer_.CanSend(slot); }

void Coordinator::SendMessages(Slot slot, const core::HeldOutput& output) {
  dialer_.SendMessages(slot, output);
}

v1::PeerHello Coordinator::MakeHello(Slot slot) {
  v1::PeerHello hello;
  hello.set_protocol_version(1);
  hello.set_minimum_protocol_version(1);
  hello.set_stream_hash_algorithm(kHashCrc32c);
  auto* sender = hello.mutable_sender();
  sender->set_cluster(options_.cluster);
  sender->set_name(options_.name);
  sender->set_incarnation(core::BytesOf(genesis_.incarnation));
  sender->set_epoch(Raw(core_->epoch()));
  sender->set_claim_nonce(nonce_);
  const core::Destination& d = core_->ledger().destinations()[Raw(slot) - 1];
  hello.mutable_receiver()->set_cluster(options_.cluster);
  hello.mutable_receiver()->set_name(d.name);
  if (d.welcomed) hello.mutable_receiver()->set_incarnation(core::BytesOf(d.incarnation));
  return hello;
}

void Coordinator::OnWelcome(Slot slot, const v1::PeerWelcome& welcome) {
  if (stopped_) return;
  Touch();
  core_->OnWelcome(slot, welcome);
}

void Coordinator::OnAck(Slot slot, const core::Position& committed) {
  if (stopped_) return;
  Touch();
  core_->OnAck(slot, committed);
}

void Coordinator::OnCanSend(Slot slot) {
  if (stopped_) return;
  Touch();
  core_->OnCanSend(slot);
}

void Coordinator::OnDisconnected(Slot slot) {
  if (stopped_) return;
  Touch();
  core_->OnDisconnected(slot);
}

void Coordinator::OnRefusedByPeer(Slot slot, const v1::PeerRefused& refused) {
  if (stopped_) return;
  Touch();
  core_->OnRefusedByPeer(slot, refused);
}

// --- status

namespace {

admin::Phase PhaseOf(const core::Core& core, bool draining) {
  using Phase = core::Core::Phase;
  using ServicePhase = core::Core::ServicePhase;
  switch (core.phase()) {
    case Phase::kNew:
    case Phase::kReadingClaims:
    case Phase::kJoining:
      return admin::Phase::kStarting;
    case Phase::kFollowing:
      return admin::Phase::kFollowing;
    case Phase::kChecking:
    case Phase::kClaiming:
    case Phase::kSealing:
    case Phase::kConfirming:
    case Phase::kRecovering:
      return admin::Phase::kTakingOver;
    case Phase::kStopped:
      return admin::Phase::kStopped;
    case Phase::kLeading:
      break;
  }
  if (draining) return admin::Phase::kDraining;
  switch (core.service_phase()) {
    case ServicePhase::kLive:
      return admin::Phase::kLeading;
    case ServicePhase::kRestoring:
    case ServicePhase::kFeeding:
      return admin::Phase::kReplaying;
    default:
      return admin::Phase::kWaitingForService;
  }
}

}  // namespace

admin::StatusSnapshot Coordinator::Status() const {
  admin::StatusSnapshot s;
  s.name = options_.name;
  s.cluster = options_.cluster;
  s.member = options_.member;
  s.version = kVersion;
  s.started_unix_nanos = started_wall_;
  s.counters = counters_;
  s.counters.reconnects = dialer_.reconnects();
  s.buffer_bytes_in_use = pool_.in_use_bytes();
  s.buffer_bytes_max = options_.receive_bytes_max + options_.held_output_bytes_max;
  s.recovery_seconds = recovery_seconds_;
  s.checkpoint = checkpoint_status_;
  s.sync = sync_histogram_;
  s.look_up = look_up_histogram_;
  s.commit = commit_histogram_;
  s.reason = last_report_;
  if (stopped_) {
    s.phase = core_ ? admin::Phase::kStopped : admin::Phase::kRefused;
    s.reason = std::string(stop_status_.message());
  }
  s.role = alone() ? "alone" : "joining";
  if (!core_) return s;
  const auto writing = loop_.Monotonic() - write_began_;
  if (!stopped_ && counters_.batches > counters_.syncs && writing > kWriteStuck) {
    s.reason = absl::StrCat("a write to the log volume has not ended for ",
                            std::chrono::duration_cast<std::chrono::seconds>(writing).count(),
                            " s; the volume hangs");
  }
  FillMembers(s);
  s.incarnation = core::HexOf(genesis_.incarnation);
  if (!stopped_) s.phase = PhaseOf(*core_, core_->draining());
  const bool led = core_->epoch() != core::Epoch{};
  s.epoch = Raw(led ? core_->epoch() : leader_epoch_);
  s.index_appended = s.index_committed =
      Raw(core_->committed());  // what is not committed is nobody's business
  s.index_delivered = std::min(Raw(core_->delivered()), s.index_committed);
  s.index_done = std::min(Raw(core_->done()), s.index_committed);
  s.generation = core_->generation();
  s.counters.duplicates_cut = core_->frames_cut() + core_->frames_dropped();
  s.log_segments = log_size_.segments;
  s.log_bytes = log_size_.bytes;
  s.log_free_bytes = log_size_.free_bytes;
  s.service.connected = link_.connected();
  s.service.name = service_.service_name();
  s.service.version = service_.service_version();
  s.service.sdk = service_.sdk();
  const auto& sources = core_->state().sources();
  for (size_t i = 0; i < sources.size() && i < core_->source_links().size(); ++i) {
    const auto& link = core_->source_links()[i];
    s.sources.push_back({sources[i].name, static_cast<uint32_t>(i + 1), link.committed.sequence,
                         link.committed.sequence, Raw(link.connection) != 0,
                         acceptor_.AddressOf(link.connection), link.quarantine});
  }
  for (const core::Destination& d : core_->ledger().destinations()) {
    uint64_t held = 0;
    uint64_t released = d.dropped.sequence;
    for (size_t i = 0; i < d.held.size(); ++i) {
      held += d.held[i].payload.size();
      if (d.held[i].cause <= Raw(core_->committed())) released = d.held[i].after.sequence;
    }
    const bool connected = dialer_.Connected(d.slot);
    s.destinations.push_back({d.name, Raw(d.slot), released, released, d.acked.sequence, held,
                              connected, dialer_.StateOf(d.slot),
                              connected ? "" : dialer_.StateOf(d.slot), d.quarantine});
  }
  return s;
}

}  // namespace semper::runtime
