#include "sidecar/peer/outbound_connection.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "sidecar/peer/timing.h"

namespace semper::peer {

using core::FrameHeader;
using core::FrameKind;

OutboundConnection::OutboundConnection(Loop& loop, wire::ReadArena& arena, std::string address,
                                       Owner& owner)
    : loop_(loop), arena_(arena), address_(std::move(address)), owner_(owner), reader_(arena) {}

void OutboundConnection::Dial() {
  dial_ =
      loop_.Dial(address_, kHandshakeLimit, [this](absl::StatusOr<std::unique_ptr<Stream>> stream) {
        if (closed_) return;
        if (!stream.ok()) return Fail(std::string(stream.status().message()));
        Greet(*std::move(stream));
      });
}

void OutboundConnection::Greet(std::unique_ptr<Stream> stream) {
  stream_ = std::move(stream);
  stream_->SetHandler(this);
  timer_ = loop_.After(kHandshakeLimit, [this] { OnTimer(); });
  Push(FrameKind::kPeerHello, arena_.pool().Copy(AsBytes(owner_.MakeHello().SerializeAsString())));
}

void OutboundConnection::OnReadable() {
  if (closed_) return;
  heard_ = true;
  failure_.clear();
  const absl::Status s = reader_.Read(*stream_, *this, kReadBudgetBytes,
                                      [this](const FrameHeader& header, const Buffer& payload) {
                                        Take(header, payload);
                                        return !closed_ && failure_.empty();
                                      });
  if (closed_) return;
  if (!failure_.empty()) return Fail(failure_);
  if (!s.ok()) Fail(std::string(s.message()));
}

void OutboundConnection::OnWritable() {
  if (closed_) return;
  writer_.Flush(*stream_);
  MaybeTellCanSend();
}

void OutboundConnection::OnClosed(const absl::Status& why) {
  if (!closed_) Fail(std::string(why.message()));
}

std::string OutboundConnection::Refusal(const FrameHeader& header, const std::byte* encoded) {
  if (header.last != wire::PeerHeaderCrc(encoded)) return "a frame header with a wrong CRC32C";
  if (header.bytes > kHandshakeBytesMax)
    return absl::StrCat("an answer of ", header.bytes, " bytes");
  return "";
}

bool OutboundConnection::CanSend() {
  if (closed_ || !welcomed_) return false;
  if (writer_.queued_bytes() < kSendQueueBytes) return true;
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
  wire::FinishPeerHeader(header);
  writer_.Push(header, output.payload);
  FlushAtEndOfRound();
}

void OutboundConnection::Close() {
  if (closed_) return;
  closed_ = true;
  dial_.reset();
  timer_.reset();
  writer_.Clear();
  // Both may be on the call stack.
  std::shared_ptr<Stream> dying = std::move(stream_);
  loop_.AtEndOfRound([dying, self = shared_from_this()] {});
}

void OutboundConnection::Push(FrameKind kind, Buffer payload) {
  FrameHeader header;
  header.kind = kind;
  header.bytes = static_cast<uint32_t>(payload.size());
  if (!payload.empty()) header.crc = Crc32c(0, payload.bytes());
  wire::FinishPeerHeader(header);
  writer_.Push(header, std::move(payload));
  said_ = true;
  writer_.Flush(*stream_);
}

void OutboundConnection::Take(const FrameHeader& header, const Buffer& payload) {
  if (header.kind == FrameKind::kAck) {
    if (welcomed_) owner_.OnAck(*this, {header.first_sequence, header.crc});
    return;
  }
  if (header.kind == FrameKind::kPing) return;
  if (header.crc != Crc32c(0, payload.bytes())) {
    failure_ = "a payload with a wrong CRC32C";
  } else if (header.kind == FrameKind::kPeerWelcome && !welcomed_) {
    TakeWelcome(payload);
  } else if (header.kind == FrameKind::kPeerRefused) {
    TakeRefusal(payload);
  } else {
    failure_ = absl::StrCat("unknown frame kind ", static_cast<int>(header.kind));
  }
}

void OutboundConnection::TakeWelcome(const Buffer& payload) {
  v1::PeerWelcome welcome;
  if (!welcome.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    failure_ = "a malformed welcome";
    return;
  }
  welcomed_ = true;
  timer_ = loop_.After(kPingAfter, [this] { OnTimer(); });
  owner_.OnWelcome(*this, welcome);
}

void OutboundConnection::TakeRefusal(const Buffer& payload) {
  v1::PeerRefused refused;
  if (!refused.ParseFromArray(payload.data(), static_cast<int>(payload.size())))
    refused.set_text("(malformed refusal)");
  Close();
  owner_.OnEnded(*this, absl::StrCat("refuses: ", refused.text()), &refused);
}

void OutboundConnection::Fail(const std::string& why) {
  Close();
  owner_.OnEnded(*this, why, nullptr);
}

void OutboundConnection::MaybeTellCanSend() {
  if (!wants_room_ || writer_.queued_bytes() > kSendQueueBytes / 2) return;
  wants_room_ = false;
  owner_.OnCanSend(*this);
}

void OutboundConnection::FlushAtEndOfRound() {
  if (flush_planned_) return;
  flush_planned_ = true;
  loop_.AtEndOfRound([self = shared_from_this()] {
    self->flush_planned_ = false;
    if (self->closed_) return;
    self->said_ = true;
    self->writer_.Flush(*self->stream_);
    self->MaybeTellCanSend();
  });
}

void OutboundConnection::OnTimer() {
  if (!welcomed_) return Fail("no answer to the hello");
  quiet_ = heard_ ? 0 : quiet_ + 1;
  heard_ = false;
  if (quiet_ >= kQuietLimit / kPingAfter) return Fail("silent for too long");
  if (!said_ && writer_.empty()) Push(FrameKind::kPing, Buffer());
  said_ = false;
  timer_ = loop_.After(kPingAfter, [this] { OnTimer(); });
}

}  // namespace semper::peer
