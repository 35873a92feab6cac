#include "sidecar/peer/acceptor.h"

#include <optional>
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
    if (closed_ || paused()) return;
    heard_ = true;
    const absl::Status s = reader_.Read(*stream_, *this, kReadBudgetBytes,
                                        [&](const FrameHeader& header, Buffer payload) {
                                          Take(header, std::move(payload));
                                          return !closed_ && !paused();
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
    const bool large = hello_seen_ && !is_member_;
    const uint32_t limit = large ? core::kFramePayloadBytesMax : kHandshakeBytesMax;
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
  size_t queued_bytes() const { return writer_.queued_bytes(); }
  void GiveUp() {
    if (!closed_) Lost();
  }
  void Pause(bool pause) {
    if (is_member_ || !hello_seen_) return;
    stream_->PauseReading(pause);
    if (pause || closed_) return;
    if (waiting_hello_) {
      const v1::PeerHello hello = *std::exchange(waiting_hello_, std::nullopt);
      acceptor_.handler_.OnPeerHello(id_, hello);
    }
    // Frames that were received before the pause announce themselves to nobody.
    if (reader_.has_partial()) OnReadable();
  }

 private:
  void Take(const FrameHeader& header, Buffer payload) {
    if (header.crc != Crc32c(0, payload.bytes())) return Damaged("a payload with a wrong CRC32C");
    if (!hello_seen_ && header.kind == FrameKind::kMemberHello && acceptor_.members_ != nullptr) {
      v1::MemberHello hello;
      if (!hello.ParseFromArray(payload.data(), static_cast<int>(payload.size())))
        return Damaged("a malformed member hello");
      hello_seen_ = is_member_ = true;
      return acceptor_.members_->OnMemberHello(id_, hello);
    }
    if (is_member_) {
      if (header.kind == FrameKind::kPing) return;
      if (!welcomed_ || header.kind != FrameKind::kMemberTest)
        return Damaged(absl::StrCat("unexpected frame kind ", static_cast<int>(header.kind)));
      return acceptor_.members_->OnMemberFrame(id_, header, payload);
    }
    if (!hello_seen_) {
      v1::PeerHello hello;
      if (header.kind != FrameKind::kPeerHello ||
          !hello.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
        return Damaged("the first frame is not a peer hello");
      }
      hello_seen_ = true;
      if (!acceptor_.paused_) return acceptor_.handler_.OnPeerHello(id_, hello);
      waiting_hello_ = std::move(hello);
      stream_->PauseReading(true);
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
    if (tell) TellLost();
  }

  void Lost() {
    const bool tell = hello_seen_;
    acceptor_.Drop(id_);
    if (tell) TellLost();
  }

  void TellLost() {
    if (is_member_) return acceptor_.members_->OnMemberLost(id_);
    acceptor_.handler_.OnPeerLost(id_);
  }

  // A connection is read until it has said what it is.
  bool paused() const { return acceptor_.paused_ && hello_seen_ && !is_member_; }

  void OnTimer() {
    if (closed_) return;
    if (!welcomed_) return Lost();
    quiet_ = heard_ || paused() ? 0 : quiet_ + 1;
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
  std::optional<v1::PeerHello> waiting_hello_;
  bool is_member_ = false;
  bool welcomed_ = false;
  bool closed_ = false;
  bool heard_ = false;
  bool said_ = false;
  int quiet_ = 0;
};

Acceptor::Acceptor(Loop& loop, wire::ReadArena& arena, SourceHandler& handler,
                   MemberHandler* members)
    : loop_(loop), arena_(arena), handler_(handler), members_(members) {}

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

void Acceptor::Close(ConnectionId id, FrameKind kind, const std::string& last_word) {
  const auto found = connections_.find(Raw(id));
  if (found == connections_.end()) return;
  found->second->Push(kind, {}, arena_.pool().Copy(AsBytes(last_word)));
  Drop(id);
}

void Acceptor::Refuse(ConnectionId id, const v1::PeerRefused& refused) {
  Close(id, FrameKind::kPeerRefused, refused.SerializeAsString());
}

void Acceptor::RefuseMember(ConnectionId id, const v1::MemberRefused& refused) {
  Close(id, FrameKind::kMemberRefused, refused.SerializeAsString());
}

void Acceptor::WelcomeMember(ConnectionId id, const v1::MemberWelcome& welcome) {
  const auto found = connections_.find(Raw(id));
  if (found == connections_.end()) return;
  found->second->Welcomed();
  SendMember(id, FrameKind::kMemberWelcome, welcome.SerializeAsString());
}

void Acceptor::SendMember(ConnectionId id, FrameKind kind, const std::string& payload) {
  const auto found = connections_.find(Raw(id));
  if (found == connections_.end()) return;
  found->second->Push(kind, {}, arena_.pool().Copy(AsBytes(payload)));
  if (found->second->queued_bytes() <= kSendQueueBytes) return;
  // It says that it lives, but does not listen. The handler may be going through its listeners.
  loop_.Post([weak = std::weak_ptr<Connection>(found->second)] {
    if (const auto alive = weak.lock()) alive->GiveUp();
  });
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
    if (paused) {
      connection->Pause(true);
      continue;
    }
    loop_.Post([this, weak = std::weak_ptr<Connection>(connection)] {
      if (const auto alive = weak.lock(); alive && !paused_) alive->Pause(false);
    });
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
