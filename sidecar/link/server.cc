#include "sidecar/link/server.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/hash.h"

namespace semper::link {

using core::FrameHeader;
using core::FrameKind;
using core::Index;
using core::Slot;

namespace {

constexpr size_t kReadBudgetBytes =
    4u << 20;  // per round, so that peers and acknowledgements get their turn
constexpr std::chrono::seconds kPingAfter{1};

}  // namespace

class Server::Connection : public Stream::Handler, public wire::FrameReader::Check {
 public:
  Connection(Server& server, std::unique_ptr<Stream> stream)
      : server_(server), stream_(std::move(stream)), reader_(server.arena_) {
    stream_->SetHandler(this);
    Ping();
  }

  void OnReadable() override {
    if (!current() || server_.reading_paused_) return;
    const absl::Status s = reader_.Read(
        *stream_, *this, kReadBudgetBytes, [&](const FrameHeader& header, Buffer payload) {
          const absl::Status taken = Take(header, std::move(payload));
          if (!current()) return false;
          if (!taken.ok()) failure_ = taken;
          return taken.ok() && !server_.reading_paused_;
        });
    if (!current()) return;
    if (!failure_.ok()) return server_.Drop(std::string(failure_.message()), true);
    if (absl::IsInvalidArgument(s)) {
      RefuseAndClose(std::string(s.message()));
    } else if (!s.ok()) {
      server_.Drop("the service closed the link", true);
    }
  }

  void OnWritable() override {
    if (current()) Flush();
  }

  void OnClosed(const absl::Status& why) override {
    if (current()) server_.Drop(std::string(why.message()), true);
  }

  std::string Refusal(const FrameHeader& header, const std::byte*) override {
    const uint32_t limit = hello_seen_ ? core::kFramePayloadBytesMax : 64u << 10;
    if (header.bytes > limit) {
      return absl::StrCat("link frame of ", header.bytes, " bytes, the limit is ", limit);
    }
    if (header.flags != 0) return absl::StrCat("link frame with unknown flags ", header.flags);
    return "";
  }

  void Flush() {
    if (!writer_.empty() && !writer_.Flush(*stream_)) return;  // OnClosed follows
    if (server_.above_high_ && writer_.queued_bytes() <= kQueueLowBytes) {
      server_.above_high_ = false;
      server_.handler_.OnLinkDrained();
    }
  }

  void RefuseAndClose(const std::string& why) {
    FrameHeader header;
    header.kind = FrameKind::kRefused;
    header.last = server_.generation_;
    const Buffer text = server_.arena_.pool().Copy(AsBytes(why));
    header.bytes = static_cast<uint32_t>(text.size());
    writer_.Push(header, text);
    writer_.Flush(*stream_);
    server_.Drop(why, true);
  }

  bool hello_seen() const { return hello_seen_; }
  bool has_received() const { return reader_.has_partial(); }
  // A dropped connection lives on until the end of the round, but nothing it says counts.
  bool current() const { return server_.connection_.get() == this; }

  wire::FrameWriter writer_;
  Stream& stream() { return *stream_; }
  size_t queue_seen_ = 0;

 private:
  absl::Status Take(FrameHeader header, Buffer payload) {
    ServiceHandler& handler = server_.handler_;
    if (!hello_seen_) {
      v1::ServiceHello hello;
      if (header.kind != FrameKind::kServiceHello ||
          !hello.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
        return absl::InvalidArgumentError("the first frame of a link is not a service hello");
      }
      hello_seen_ = true;
      server_.generation_ = 0;
      handler.OnServiceHello(hello);
      return absl::OkStatus();
    }
    if (header.kind == FrameKind::kPing) return absl::OkStatus();
    if (header.last != server_.generation_ || server_.generation_ == 0)
      return absl::OkStatus();  // of another generation
    switch (header.kind) {
      case FrameKind::kOutput:
        header.crc = Crc32c(0, payload.bytes());
        return handler.OnOutput(header, std::move(payload));
      case FrameKind::kDone:
        return handler.OnDone(Index{header.index}, header.time);
      case FrameKind::kImpulseSubmit:
        if (header.count == 0 || payload.empty())
          return absl::InvalidArgumentError("empty impulse frame");
        header.crc = Crc32c(0, payload.bytes());
        return handler.OnImpulse(header, std::move(payload));
      case FrameKind::kDestination:
        return handler.OnDestination(Slot{header.slot}, AsText(payload.bytes()));
      case FrameKind::kCheckpointBegin: {
        v1::ServiceCheckpoint service;
        if (!service.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
          return absl::InvalidArgumentError("malformed checkpoint begin");
        }
        return handler.OnCheckpointBegin(Index{header.index}, service);
      }
      case FrameKind::kCheckpointChunk:
        return handler.OnCheckpointChunk(std::move(payload));
      case FrameKind::kCheckpointEnd:
        return handler.OnCheckpointEnd(Index{header.index}, header.first_sequence);
      case FrameKind::kServiceFailed:
        handler.OnServiceFailed(Index{header.index}, std::string(AsText(payload.bytes())));
        return absl::OkStatus();
      default:
        return absl::InvalidArgumentError(
            absl::StrCat("unknown frame kind ", static_cast<int>(header.kind), " on the link"));
    }
  }

  void Ping() {
    ping_ = server_.loop_.After(kPingAfter, [this] {
      if (!current()) return;
      if (hello_seen_ && server_.generation_ != 0 && writer_.empty()) {
        FrameHeader header;
        header.kind = FrameKind::kPing;
        header.last = server_.generation_;
        writer_.Push(header, Buffer());
        writer_.Flush(*stream_);
      }
      Ping();
    });
  }

  Server& server_;
  std::unique_ptr<Stream> stream_;
  wire::FrameReader reader_;
  bool hello_seen_ = false;
  absl::Status failure_;
  std::unique_ptr<Timer> ping_;
};

Server::Server(Loop& loop, wire::ReadArena& arena, ServiceHandler& handler)
    : loop_(loop), arena_(arena), handler_(handler), flush_([this] {
        if (connection_) connection_->Flush();
      }) {}

Server::~Server() = default;

absl::Status Server::Listen(const std::string& address) {
  auto listener =
      loop_.Listen(address, [this](std::unique_ptr<Stream> stream) { Accept(std::move(stream)); });
  if (!listener.ok()) return listener.status();
  listener_ = *std::move(listener);
  return absl::OkStatus();
}

void Server::Accept(std::unique_ptr<Stream> stream) {
  // The newest wins: an older connection may belong to a service that hangs.
  if (connection_) Drop("another service connected", true);
  generation_ = 0;
  connection_ = std::make_unique<Connection>(*this, std::move(stream));
  connection_->stream().PauseReading(reading_paused_);
}

void Server::Drop(const std::string& why, bool tell) {
  if (!connection_) return;
  const bool hello_seen = connection_->hello_seen();
  // May run inside a callback of the connection: it dies after the round.
  std::shared_ptr<Connection> dying = std::move(connection_);
  dying->writer_.Clear();
  loop_.AtEndOfRound([dying] {});
  generation_ = 0;
  above_high_ = false;
  if (tell && hello_seen) handler_.OnServiceLost(why);
}

bool Server::connected() const { return connection_ && connection_->hello_seen(); }

std::string Server::ServiceAddress() const {
  return connection_ ? connection_->stream().PeerName() : "";
}

void Server::Push(FrameKind kind, FrameHeader header, Buffer payload) {
  if (!connection_) return;
  header.kind = kind;
  header.bytes = static_cast<uint32_t>(payload.size());
  header.last = generation_;
  connection_->writer_.Push(header, std::move(payload));
  if (connection_->writer_.queued_bytes() > kQueueHighBytes) above_high_ = true;
  loop_.AtEndOfRound(flush_);
}

void Server::Greet(const v1::CoordinatorHello& hello) {
  generation_ = hello.generation();
  Push(FrameKind::kCoordinatorHello, {}, arena_.pool().Copy(AsBytes(hello.SerializeAsString())));
}

void Server::Refuse(const std::string& why) {
  if (!connection_) return;
  Push(FrameKind::kRefused, {}, arena_.pool().Copy(AsBytes(why)));
  connection_->writer_.Flush(connection_->stream());
  Drop(why, false);
}

void Server::Close(const std::string& why) {
  Refuse(why);
  listener_.reset();
}

void Server::Deliver(const FrameHeader& entry, const Buffer& payload) {
  Push(entry.kind, entry, payload);
}

void Server::RestoreBegin(Index index, const v1::ServiceCheckpoint& service) {
  FrameHeader header;
  header.index = Raw(index);
  Push(FrameKind::kRestoreBegin, header, arena_.pool().Copy(AsBytes(service.SerializeAsString())));
}

void Server::RestoreChunk(Buffer chunk) {
  FrameHeader header;
  header.crc = Crc32c(0, chunk.bytes());
  Push(FrameKind::kRestoreChunk, header, std::move(chunk));
}

void Server::RestoreEnd(Index index, uint64_t bytes) {
  FrameHeader header;
  header.index = Raw(index);
  header.first_sequence = bytes;
  Push(FrameKind::kRestoreEnd, header, Buffer());
}

void Server::TellLive(Index index) {
  FrameHeader header;
  header.index = Raw(index);
  Push(FrameKind::kLive, header, Buffer());
}

void Server::TellCommitted(Index index) {
  FrameHeader header;
  header.index = Raw(index);
  Push(FrameKind::kCommitted, header, Buffer());
}

void Server::CutCheckpoint(Index index) {
  FrameHeader header;
  header.index = Raw(index);
  Push(FrameKind::kCheckpointCut, header, Buffer());
}

size_t Server::queued_bytes() const {
  return connection_ ? connection_->writer_.queued_bytes() : 0;
}

bool Server::MadeProgress() {
  if (!connection_) return true;
  const size_t now = connection_->writer_.queued_bytes();
  const bool progress = now < connection_->queue_seen_ || now == 0;
  connection_->queue_seen_ = now;
  return progress;
}

void Server::PauseReading(bool paused) {
  if (reading_paused_ == paused) return;
  reading_paused_ = paused;
  if (!connection_) return;
  connection_->stream().PauseReading(paused);
  if (paused || !connection_->has_received()) return;
  // Frames that were received before the pause announce themselves to nobody.
  loop_.Post([this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired() && connection_) connection_->OnReadable();
  });
}

}  // namespace semper::link
