#include "sidecar/peer/outbound_connection.h"

#include "absl/strings/str_cat.h"
#include "sidecar/peer/timing.h"

namespace semper::peer {

using core::FrameHeader;
using core::FrameKind;

std::pair<FrameKind, std::string> OutboundConnection::MakeGreeting() {
  return {FrameKind::kPeerHello, owner_.MakeHello().SerializeAsString()};
}

bool OutboundConnection::CanSend() {
  if (!welcomed()) return false;
  if (queued_bytes() < kSendQueueBytes) return true;
  wants_room_ = true;
  return false;
}

void OutboundConnection::SendMessages(const core::HeldOutput& output) {
  FrameHeader header;
  header.kind = FrameKind::kMessages;
  header.bytes = static_cast<uint32_t>(output.payload.size());
  header.count = output.count;
  header.first_sequence = output.first_sequence;
  header.crc = output.crc;
  PushAtEndOfRound(header, output.payload);
}

std::string OutboundConnection::Take(const FrameHeader& header, const Buffer& payload) {
  if (header.kind == FrameKind::kAck) {
    if (welcomed()) owner_.OnAck(*this, {header.first_sequence, header.crc});
    return "";
  }
  if (header.kind == FrameKind::kPeerWelcome && !welcomed()) return TakeWelcome(payload);
  if (header.kind != FrameKind::kPeerRefused)
    return absl::StrCat("unknown frame kind ", static_cast<int>(header.kind));
  TakeRefusal(payload);
  return "";
}

std::string OutboundConnection::TakeWelcome(const Buffer& payload) {
  v1::PeerWelcome welcome;
  if (!welcome.ParseFromArray(payload.data(), static_cast<int>(payload.size())))
    return "a malformed welcome";
  SetWelcomed();
  owner_.OnWelcome(*this, welcome);
  return "";
}

void OutboundConnection::TakeRefusal(const Buffer& payload) {
  v1::PeerRefused refused;
  if (!refused.ParseFromArray(payload.data(), static_cast<int>(payload.size())))
    refused.set_text("(malformed refusal)");
  Close();
  owner_.OnEnded(*this, absl::StrCat("refuses: ", refused.text()), &refused);
}

void OutboundConnection::OnWritten() {
  if (!wants_room_ || queued_bytes() > kSendQueueBytes / 2) return;
  wants_room_ = false;
  owner_.OnCanSend(*this);
}

}  // namespace semper::peer
