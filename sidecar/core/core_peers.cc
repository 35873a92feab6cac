// Links with other immortals: what they send to us, and what we send to them.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sidecar/core/core.h"
#include "sidecar/core/messages.h"

namespace semper::core {

void Core::RefuseGreeting(ConnectionId connection, v1::PeerRefused::Reason reason,
                          std::string text) {
  v1::PeerRefused refused;
  refused.set_reason(reason);
  refused.set_text(std::move(text));
  sink_.RefusePeer(connection, refused);
}

void Core::FillWelcome(Slot slot, v1::PeerWelcome& welcome) const {
  welcome.set_protocol_version(1);
  auto* self = welcome.mutable_receiver();
  self->set_cluster(options_.cluster);
  self->set_name(options_.name);
  self->set_incarnation(BytesOf(options_.incarnation));
  self->set_epoch(Raw(epoch_));
  self->set_claim_nonce(options_.nonce);
  const Position& resume = state_.sources()[Raw(slot) - 1].position;
  welcome.mutable_resume()->set_sequence(resume.sequence);
  welcome.mutable_resume()->set_hash(resume.hash);
  const Position& committed = links_[Raw(slot) - 1].committed;
  welcome.mutable_committed()->set_sequence(committed.sequence);
  welcome.mutable_committed()->set_hash(committed.hash);
}

void Core::OnPeerHello(ConnectionId connection, const v1::PeerHello& hello) {
  const auto& sender = hello.sender();
  reach_.OnHeard(steady_);
  if (phase_ != Phase::kLeading || draining_ || Raw(state_.index()) == 0) {
    return RefuseGreeting(connection, v1::PeerRefused::NOT_LEADER,
                          absl::StrCat(options_.name, " does not lead here now"));
  }
  if (hello.minimum_protocol_version() > 1 || hello.stream_hash_algorithm() != kHashCrc32c) {
    return RefuseGreeting(connection, v1::PeerRefused::VERSION,
                          "this coordinator speaks peer protocol 1 with stream hash CRC32C (1)");
  }
  if (sender.cluster() != options_.cluster) {
    return RefuseGreeting(connection, v1::PeerRefused::WRONG_CLUSTER,
                          absl::StrCat("this is cluster '", options_.cluster, "', the hello says '",
                                       sender.cluster(), "'"));
  }
  if (hello.receiver().name() != options_.name) {
    return RefuseGreeting(
        connection, v1::PeerRefused::WRONG_NAME,
        absl::StrCat("this is ", options_.name, ", the hello is for ", hello.receiver().name()));
  }
  if (sender.incarnation().size() != 16 || sender.name().empty()) {
    return RefuseGreeting(connection, v1::PeerRefused::WRONG_NAME,
                          "the hello has no name or no incarnation of 16 bytes");
  }
  if (!hello.receiver().incarnation().empty() &&
      IncarnationFrom(hello.receiver().incarnation()) != options_.incarnation) {
    return RefuseGreeting(
        connection, v1::PeerRefused::QUARANTINED,
        absl::StrCat("you remember incarnation ",
                     HexOf(IncarnationFrom(hello.receiver().incarnation())), " of ", options_.name,
                     ", this is ", HexOf(options_.incarnation)));
  }
  const Incarnation incarnation = IncarnationFrom(sender.incarnation());
  const auto& sources = state_.sources();
  size_t i = 0;
  while (i < sources.size() && sources[i].name != sender.name()) ++i;
  if (i == sources.size()) {
    v1::Control control;
    auto* seen = control.mutable_peer_seen();
    seen->set_slot(static_cast<uint32_t>(i + 1));
    seen->set_name(sender.name());
    seen->set_incarnation(sender.incarnation());
    AdmitControl(control);
    links_.emplace_back();
  } else if (sources[i].incarnation != incarnation) {
    links_[i].quarantine =
        absl::StrCat("incarnation ", HexOf(incarnation), " of ", sender.name(), " called; ",
                     options_.name, " remembers ", HexOf(sources[i].incarnation));
    sink_.Report(links_[i].quarantine);
    return RefuseGreeting(connection, v1::PeerRefused::QUARANTINED, links_[i].quarantine);
  }
  SourceLink& link = links_[i];
  if (sender.epoch() < link.epoch) {
    return RefuseGreeting(connection, v1::PeerRefused::NOT_LEADER,
                          absl::StrCat("epoch ", sender.epoch(), " of ", sender.name(),
                                       " was replaced by ", link.epoch));
  }
  link.epoch = sender.epoch();
  if (Raw(link.connection) != 0) {
    const ConnectionId older = link.connection;
    CloseSource(older);
    RefuseGreeting(older, v1::PeerRefused::NOT_LEADER,
                   "a newer connection of the same immortal replaced this one");
  }
  link.connection = connection;
  source_of_[Raw(connection)] = static_cast<uint32_t>(i);
  v1::PeerWelcome welcome;
  FillWelcome(Slot{static_cast<uint32_t>(i + 1)}, welcome);
  sink_.Welcome(connection, welcome);
}

absl::StatusOr<Buffer> Core::CutKnown(const Position& known, FrameHeader& frame, Buffer payload) {
  const uint64_t skip = known.sequence + 1 - frame.first_sequence;
  const auto bytes = BytesOfMessages(payload.bytes(), skip);
  if (!bytes) return absl::InvalidArgumentError("malformed messages");
  payload =
      payload.Part(static_cast<uint32_t>(*bytes), static_cast<uint32_t>(payload.size() - *bytes));
  frame.first_sequence += skip;
  frame.count -= static_cast<uint32_t>(skip);
  frame.bytes = static_cast<uint32_t>(payload.size());
  frame.crc = Crc32c(0, payload.bytes());
  ++frames_cut_;
  return payload;
}

void Core::OnPeerFrame(ConnectionId connection, const FrameHeader& frame, Buffer payload) {
  if (phase_ != Phase::kLeading || draining_) return;
  const auto found = source_of_.find(Raw(connection));
  if (found == source_of_.end()) return;  // replaced or refused meanwhile
  const size_t i = found->second;
  const Position known = state_.sources()[i].position;
  if (frame.first_sequence == 0 || frame.count == 0 || frame.first_sequence > known.sequence + 1) {
    v1::PeerRefused refused;
    refused.set_reason(v1::PeerRefused::GAP);
    refused.set_text(absl::StrCat("a frame begins at sequence ", frame.first_sequence,
                                  ", expected at most ", known.sequence + 1));
    refused.mutable_last()->set_sequence(known.sequence);
    refused.mutable_last()->set_hash(known.hash);
    CloseSource(connection);
    return sink_.RefusePeer(connection, refused);
  }
  if (frame.first_sequence + frame.count - 1 <= known.sequence) {
    ++frames_dropped_;
    return;
  }
  FrameHeader entry = frame;
  if (entry.first_sequence <= known.sequence) {
    absl::StatusOr<Buffer> rest = CutKnown(known, entry, std::move(payload));
    if (!rest.ok()) {
      CloseSource(connection);
      return RefuseGreeting(connection, v1::PeerRefused::DAMAGED,
                            std::string(rest.status().message()));
    }
    payload = *std::move(rest);
  }
  entry.kind = FrameKind::kPeer;
  entry.slot = static_cast<uint32_t>(i + 1);
  if (!links_[i].marked) {
    links_[i].marked = true;
    open_marks_.push_back(Slot{entry.slot});
  }
  Admit(entry, std::move(payload));
}

void Core::CloseSource(ConnectionId connection) {
  const auto found = source_of_.find(Raw(connection));
  if (found == source_of_.end()) return;
  links_[found->second].connection = ConnectionId{};
  source_of_.erase(found);
}

void Core::OnPeerLost(ConnectionId connection) { CloseSource(connection); }

void Core::OnWelcome(Slot slot, const v1::PeerWelcome& welcome) {
  Destination* found = ledger_.Find(slot);
  if (found == nullptr || phase_ != Phase::kLeading) return;
  Destination& d = *found;
  const Incarnation incarnation = IncarnationFrom(welcome.receiver().incarnation());
  if (welcome.receiver().name() != d.name) {
    return sink_.Disconnect(
        slot, absl::StrCat("expected ", d.name, ", found ", welcome.receiver().name()), false);
  }
  if (d.welcomed && d.incarnation != incarnation) {
    return SuspectDestination(slot, absl::DataLossError(absl::StrCat(
                                        d.name, " is incarnation ", HexOf(incarnation), " now; ",
                                        options_.name, " sent to ", HexOf(d.incarnation))));
  }
  if (!d.welcomed) {
    d.welcomed = true;
    d.incarnation = incarnation;
    note_acks_ = true;
  }
  const absl::Status s =
      ledger_.Welcome(slot, {welcome.resume().sequence(), welcome.resume().hash()},
                      {welcome.committed().sequence(), welcome.committed().hash()}, settled_);
  if (!s.ok()) return SuspectDestination(slot, s);
  Pump(slot);
}

void Core::SuspectDestination(Slot slot, const absl::Status& why) {
  if (phase_ != Phase::kLeading) return Diverged(why);
  ledger_.Disconnected(slot);
  suspicions_.push_back({slot, why});
  MaybeLookUp();
}

void Core::DestinationFault(Slot slot, const absl::Status& why) {
  ledger_.Quarantine(slot, std::string(why.message()));
  sink_.Report(std::string(why.message()));
  sink_.Disconnect(slot, std::string(why.message()), true);
}

void Core::OnAck(Slot slot, const Position& committed) {
  Destination* d = ledger_.Find(slot);
  if (d == nullptr || phase_ != Phase::kLeading || !d->connected) return;
  if (absl::Status s = ledger_.Ack(slot, committed, settled_); !s.ok())
    return SuspectDestination(slot, s);
  if (ledger_.acked_bytes() - noted_bytes_ >= options_.ack_note_bytes) note_acks_ = true;
}

void Core::MaybeNoteAcks() {
  if (!note_acks_ || !CanAdmit()) return;
  note_acks_ = false;
  noted_bytes_ = ledger_.acked_bytes();
  v1::Control control;
  auto* note = control.mutable_ack_note();
  for (const Destination& d : ledger_.destinations()) {
    if (!d.welcomed) continue;
    auto* acked = note->add_acked();
    acked->set_slot(Raw(d.slot));
    acked->set_sequence(d.acked.sequence);
    acked->set_hash(d.acked.hash);
    acked->set_incarnation(BytesOf(d.incarnation));
  }
  AdmitControl(control);
}

void Core::Pump(Slot slot) {
  if (phase_ != Phase::kLeading) return;
  Destination& d = *ledger_.Find(slot);
  while (d.next < d.held.size()) {
    if (!sink_.CanSend(slot)) return;  // OnCanSend pumps again
    const HeldOutput* output = ledger_.NextToSend(slot, committed_index_);
    if (output == nullptr) break;
    sink_.SendMessages(slot, *output);
  }
  ledger_.Queue(d);  // what waits for a commit
}

void Core::OnCanSend(Slot slot) {
  if (ledger_.Find(slot) != nullptr) Pump(slot);
}

void Core::OnDisconnected(Slot slot) { ledger_.Disconnected(slot); }

void Core::OnRefusedByPeer(Slot slot, const v1::PeerRefused& refused) {
  ledger_.Disconnected(slot);
  Destination* d = ledger_.Find(slot);
  if (d != nullptr && refused.reason() == v1::PeerRefused::QUARANTINED) {
    SuspectDestination(slot, absl::DataLossError(absl::StrCat(
                                 d->name, " quarantined this link: ", refused.text())));
  }
}

}  // namespace semper::core
