#include "tests/unit/core/recording_sink.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace semper::core {
namespace {

std::string Text(const FrameHeader& entry) {
  const char* kind = entry.kind == FrameKind::kPeer      ? "peer "
                     : entry.kind == FrameKind::kImpulse ? "impulse "
                                                         : "control ";
  return absl::StrCat(kind, entry.index, "+", entry.count);
}

}  // namespace

std::vector<std::string> RecordingSink::Take(const std::string& word) {
  std::vector<std::string> lines = Take();
  std::erase_if(lines, [&](const std::string& line) { return !absl::StartsWith(line, word); });
  return lines;
}

void RecordingSink::CreateClaim(Epoch epoch) { Add(absl::StrCat("claim ", Raw(epoch))); }
void RecordingSink::TakeOver(Epoch epoch) { Add(absl::StrCat("take over ", Raw(epoch))); }

void RecordingSink::ReportReach(Epoch epoch) { Add(absl::StrCat("report reach ", Raw(epoch))); }

void RecordingSink::Log(const FrameHeader& entry, const Buffer& payload) {
  logged_.push_back({entry, payload});
  Add(absl::StrCat("log ", Text(entry)));
}

void RecordingSink::WriteUnit(Epoch, Batch batch, uint64_t durable, uint64_t committed, bool cut) {
  Add(absl::StrCat("write ", Raw(batch), " durable=", durable, " committed=", committed,
                   cut ? " cut" : ""));
}

void RecordingSink::GreetService(const v1::CoordinatorHello& hello) {
  Add(absl::StrCat("greet generation ", hello.generation()));
}
void RecordingSink::RefuseService(const std::string&) { Add("refuse service"); }
void RecordingSink::RestoreService(Index index) { Add(absl::StrCat("restore ", Raw(index))); }
void RecordingSink::Follow(Index after) { Add(absl::StrCat("follow after ", Raw(after))); }

void RecordingSink::CheckAt(uint64_t steady_nanos) { Add(absl::StrCat("check at ", steady_nanos)); }

void RecordingSink::Feed(Index after) { Add(absl::StrCat("feed after ", Raw(after))); }
void RecordingSink::Deliver(const FrameHeader& entry, const Buffer&) {
  Add(absl::StrCat("deliver ", Text(entry)));
}
void RecordingSink::TellLive(Index index) { Add(absl::StrCat("live ", Raw(index))); }
void RecordingSink::TellCommitted(Index index) { Add(absl::StrCat("committed ", Raw(index))); }

void RecordingSink::RequestCheckpoint(Index index) { Add(absl::StrCat("cut ", Raw(index))); }
void RecordingSink::WriteCheckpointOutputs(const v1::CoordinatorState& state, const Ledger&) {
  checkpoint_ = state;
  Add("write outputs");
}
void RecordingSink::PublishCheckpoint(Index index) { Add(absl::StrCat("publish ", Raw(index))); }
void RecordingSink::AbandonCheckpoint(const std::string&) { Add("abandon checkpoint"); }

void RecordingSink::Welcome(ConnectionId connection, const v1::PeerWelcome& welcome) {
  Add(absl::StrCat("welcome ", Raw(connection), " resume=", welcome.resume().sequence(),
                   " committed=", welcome.committed().sequence()));
}
void RecordingSink::RefusePeer(ConnectionId connection, const v1::PeerRefused& refused) {
  Add(absl::StrCat("refuse ", Raw(connection), " ",
                   v1::PeerRefused::Reason_Name(refused.reason())));
}
void RecordingSink::SendAck(ConnectionId connection, const Position& committed) {
  Add(absl::StrCat("ack ", Raw(connection), " ", committed.sequence));
}

void RecordingSink::Connect(Slot slot, const std::string& name) {
  Add(absl::StrCat("connect ", Raw(slot), " ", name));
}
void RecordingSink::Disconnect(Slot slot, const std::string&, bool for_good) {
  Add(absl::StrCat("disconnect ", Raw(slot), for_good ? " for good" : ""));
}
void RecordingSink::SendMessages(Slot slot, const HeldOutput& output) {
  Add(absl::StrCat("send ", Raw(slot), ": ", output.first_sequence, "+", output.count));
}

void RecordingSink::WakeAt(uint64_t wall_nanos) { Add(absl::StrCat("wake ", wall_nanos)); }
void RecordingSink::Report(const std::string&) { Add("report"); }
void RecordingSink::Stop(StopReason reason, const absl::Status&) {
  Add(reason == StopReason::kLostLock       ? "stop: lost lock"
      : reason == StopReason::kUnknownState ? "stop: unknown state"
      : reason == StopReason::kDamage       ? "stop: damage"
      : reason == StopReason::kReplaced     ? "stop: replaced"
      : reason == StopReason::kRejoin       ? "stop: rejoin"
      : reason == StopReason::kHandedOver   ? "stop: handed over"
                                            : "stop: drained");
}

}  // namespace semper::core
