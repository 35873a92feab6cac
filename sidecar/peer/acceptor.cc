#include "sidecar/peer/acceptor.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/log.h"
#include "sidecar/peer/timing.h"

namespace semper::peer {

using core::ConnectionId;
using core::FrameHeader;
using core::FrameKind;

class Acceptor::Connection : public Stream::Handler, public wire::FrameReader::Check {
 public:
  Connection(Acceptor& acceptor, ConnectionId id, std::unique_ptr<Stream> stream)
      : acceptor_(acceptor), id_(id), stream_(std::move(stream)), reader_(acceptor.arena_) {
    stream_->SetHandler(this);
    timer_ = acceptor_.loop_.After(kHandshakeLimit, [this] { OnTimer(); });
  }

  void OnReadable() override {
    if (closed_ || acceptor_.paused_) return;
    heard_ = true;
    const absl::Status s = reader_.Read(*stream_, *this, kReadBudgetBytes,
                                        [&](const FrameHeader& header, Buffer payload) {
                                          Take(header, std::move(payload));
                                          return !closed_ && !acceptor_.paused_;
                                        });
    if (closed_) return;
    if (absl::IsInvalidArgument(s)) return Damaged(std::string(s.message()));
    if (!s.ok()) Lost();
  }

  void OnWritable() override {
    if (!closed_) writer_.Flush(*stream_);
  }

  void OnClosed(const absl::Status&) override {
    if (!closed_) Lost();
  }

  std::string Refusal(const FrameHeader& header, const std::byte* encoded) override {
    if (header.last != wire::PeerHeaderCrc(encoded)) return "a frame header with a wrong CRC32C";
    const uint32_t limit = hello_seen_ ? core::kFramePayloadBytesMax : kHandshakeBytesMax;
    if (header.bytes > limit)
      return absl::StrCat("a frame of ", header.bytes, " bytes; the limit is ", limit);
    if (header.flags != 0) return absl::StrCat("unknown frame flags ", header.flags);
    return "";
  }

  void Push(FrameKind kind, FrameHeader header, Buffer payload) {
    header.kind = kind;
    header.bytes = static_cast<uint32_t>(payload.size());
    if (!payload.empty()) header.crc = Crc32c(0, payload.bytes());
    wire::FinishPeerHeader(header);
    writer_.Push(header, std::move(payload));
    said_ = true;
    if (!closed_) writer_.Flush(*stream_);
  }

  void Welcomed() {
    welcomed_ = true;
    --acceptor_.unwelcomed_;
    timer_ = acceptor_.loop_.After(kPingAfter, [this] { OnTimer(); });
  }

  // No callback and no word after this.
  void Close() {
    if (closed_) return;
    closed_ = true;
    timer_.reset();
    if (!welcomed_) --acceptor_.unwelcomed_;
  }

  Stream& stream() { return *stream_; }
  bool has_received() const { return reader_.has_partial(); }

 private:
  void Take(const FrameHeader& header, Buffer payload) {
    if (header.crc != Crc32c(0, payload.bytes())) return Damaged("a payload with a wrong CRC32C");
    if (!hello_seen_) {
      v1::PeerHello hello;
      if (header.kind != FrameKind::kPeerHello ||
          !hello.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
        return Damaged("the first frame is not a peer hello");
      }
      hello_seen_ = true;
      acceptor_.handler_.OnPeerHello(id_, hello);
      return;
    }
    switch (header.kind) {
      case FrameKind::kMessages:
        if (!welcomed_) return Damaged("messages before the welcome");
        acceptor_.handler_.OnPeerFrame(id_, header, std::move(payload));
        return;
      case FrameKind::kPing:
        return;
      default:
        Damaged(absl::StrCat("unknown frame kind ", static_cast<int>(header.kind)));
    }
  }

  void Damaged(const std::string& why) {
    SEMPER_LOG(kWarning, "peer connection from {}: {}; closed", stream_->PeerName(), why);
    v1::PeerRefused refused;
    refused.set_reason(v1::PeerRefused::DAMAGED);
    refused.set_text(why);
    const bool tell = hello_seen_;
    acceptor_.Refuse(id_, refused);
    if (tell) acceptor_.handler_.OnPeerLost(id_);
  }

  void Lost() {
    const bool tell = hello_seen_;
    acceptor_.Drop(id_);
    if (tell) acceptor_.handler_.OnPeerLost(id_);
  }

  void OnTimer() {
    if (closed_) return;
    if (!welcomed_) return Lost();
    quiet_ = heard_ || acceptor_.paused_ ? 0 : quiet_ + 1;
    heard_ = false;
    if (quiet_ >= kQuietLimit / kPingAfter) return Lost();
    if (!said_) Push(FrameKind::kPing, {}, Buffer());
    said_ = false;
    timer_ = acceptor_.loop_.After(kPingAfter, [this] { OnTimer(); });
  }

  Acceptor& acceptor_;
  const ConnectionId id_;
  std::unique_ptr<Stream> stream_;
  wire::FrameReader reader_;
  wire::FrameWriter writer_;
  std::unique_ptr<Timer> timer_;
  bool hello_seen_ = false;
  bool welcomed_ = false;
  bool closed_ = false;
  bool heard_ = false;
  bool said_ = false;
  int quiet_ = 0;
};

Acceptor::Acceptor(Loop& loop, wire::ReadArena& arena, SourceHandler& handler)
    : loop_(loop), arena_(arena), handler_(handler) {}

Acceptor::~Acceptor() = default;

absl::Status Acceptor::Listen(const std::string& address) {
  auto listener =
      loop_.Listen(address, [this](std::unique_ptr<Stream> stream) { Accept(std::move(stream)); });
  if (!listener.ok()) return listener.status();
  listener_ = *std::move(listener);
  return absl::OkStatus();
}

void Acceptor::Accept(std::unique_ptr<Stream> stream) {
  if (unwelcomed_ >= kUnwelcomedMax) {
    SEMPER_LOG(kWarning, "{} connections wait for their handshake; {} is turned away", unwelcomed_,
               stream->PeerName());
    return;
  }
  ++unwelcomed_;
  const ConnectionId id{next_id_++};
  stream->PauseReading(paused_);
  connections_[Raw(id)] = std::make_shared<Connection>(*this, id, std::move(stream));
}

void Acceptor::Drop(ConnectionId id) {
  const auto found = connections_.find(Raw(id));
  if (found == connections_.end()) return;
  std::shared_ptr<Connection> dying = std::move(found->second);
  connections_.erase(found);
  dying->Close();
  loop_.AtEndOfRound([dying] {});  // it may be on the call stack
}

void Acceptor::Welcome(ConnectionId id, const v1::PeerWelcome& welcome) {
  const auto found = connections_.find(Raw(id));
  if (found == connections_.end()) return;
  found->second->Welcomed();
  found->second->Push(FrameKind::kPeerWelcome, {},
                      arena_.pool().Copy(AsBytes(welcome.SerializeAsString())));
}

void Acceptor::Refuse(ConnectionId id, const v1::PeerRefused& refused) {
  const auto found = connections_.find(Raw(id));
  if (found == connections_.end()) return;
  found->second->Push(FrameKind::kPeerRefused, {},
                      arena_.pool().Copy(AsBytes(refused.SerializeAsString())));
  Drop(id);
}

void Acceptor::SendAck(ConnectionId id, const core::Position& committed) {
  const auto found = connections_.find(Raw(id));
  if (found == connections_.end()) return;
  FrameHeader header;
  header.first_sequence = committed.sequence;
  header.crc = committed.hash;
  found->second->Push(FrameKind::kAck, header, Buffer());
}

void Acceptor::PauseReading(bool paused) {
  if (paused_ == paused) return;
  paused_ = paused;
  for (auto& [id, connection] : connections_) {
    connection->stream().PauseReading(paused);
    // Frames that were received before the pause announce themselves to nobody.
    if (!paused && connection->has_received()) {
      loop_.Post([weak = std::weak_ptr<Connection>(connection)] {
        if (const auto alive = weak.lock()) alive->OnReadable();
      });
    }
  }
}

std::string Acceptor::AddressOf(ConnectionId id) const {
  const auto found = connections_.find(Raw(id));
  return found == connections_.end() ? "" : found->second->stream().PeerName();
}

void Acceptor::CloseAll() {
  while (!connections_.empty()) Drop(ConnectionId{connections_.begin()->first});
  listener_.reset();
}

}  // namespace semper::peer
