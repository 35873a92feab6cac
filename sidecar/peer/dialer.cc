#include "sidecar/peer/dialer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/log.h"
#include "sidecar/peer/timing.h"

namespace semper::peer {

using core::FrameHeader;
using core::FrameKind;
using core::Slot;

class Dialer::Link : public Stream::Handler,
                     public wire::FrameReader::Check,
                     public std::enable_shared_from_this<Dialer::Link> {
 public:
  Link(Dialer& dialer, Slot slot, std::string name)
      : dialer_(dialer), slot_(slot), name_(std::move(name)) {}

  void Begin() {
    state_ = "resolving";
    dialer_.resolver_.Resolve(
        name_, [self = weak_from_this()](absl::StatusOr<std::vector<std::string>> addresses) {
          const auto link = self.lock();
          if (!link || link->closed_ || link->stream_) return;
          if (!addresses.ok()) return link->Redial(std::string(addresses.status().message()));
          link->Dial((*addresses)[link->turn_++ % addresses->size()]);
        });
  }

  void OnReadable() override {
    if (!stream_) return;
    heard_ = true;
    failure_.clear();
    const absl::Status s = reader_->Read(*stream_, *this, kReadBudgetBytes,
                                         [&](const FrameHeader& header, const Buffer& payload) {
                                           Take(header, payload);
                                           return stream_ != nullptr && failure_.empty();
                                         });
    if (!stream_) return;
    if (!failure_.empty()) return Lost(failure_);
    if (!s.ok()) Lost(std::string(s.message()));
  }

  void OnWritable() override {
    if (!stream_) return;
    writer_.Flush(*stream_);
    MaybeTellCanSend();
  }

  void OnClosed(const absl::Status& why) override {
    if (stream_) Lost(std::string(why.message()));
  }

  std::string Refusal(const FrameHeader& header, const std::byte* encoded) override {
    if (header.last != wire::PeerHeaderCrc(encoded)) return "a frame header with a wrong CRC32C";
    if (header.bytes > kHandshakeBytesMax)
      return absl::StrCat("an answer of ", header.bytes, " bytes");
    return "";
  }

  bool CanSend() {
    if (!welcomed_) return false;
    if (writer_.queued_bytes() < kSendQueueBytes) return true;
    wants_room_ = true;
    return false;
  }

  void SendMessages(const core::HeldOutput& output) {
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

  void Close() {
    closed_ = true;
    End();
    redial_.reset();
  }

  // Drops the connection without telling the handler; redials after the back-off.
  void Redial(const std::string& why) {
    state_ = why;
    End();
    if (closed_) return;
    const std::chrono::nanoseconds now = dialer_.loop_.Monotonic();
    if (!away_since_) away_since_ = now;
    const auto pause = std::clamp((now - *away_since_) / kRedialShare, kRedialFirst, kRedialMost);
    const auto wait = pause / 2 + std::chrono::nanoseconds(dialer_.loop_.Random() %
                                                           static_cast<uint64_t>(pause.count()));
    redial_ = dialer_.loop_.After(wait, [this] { Begin(); });
  }

  bool welcomed() const { return welcomed_; }
  const std::string& state() const { return state_; }

 private:
  void Dial(const std::string& address) {
    state_ = absl::StrCat("dialling ", address);
    dial_ =
        dialer_.loop_.Dial(address, kHandshakeLimit,
                           [this, to = address](absl::StatusOr<std::unique_ptr<Stream>> stream) {
                             if (closed_) return;
                             if (!stream.ok())
                               return Redial(absl::StrCat(to, ": ", stream.status().message()));
                             Open(*std::move(stream), to);
                           });
  }

  void Open(std::unique_ptr<Stream> stream, const std::string& address) {
    stream_ = std::move(stream);
    stream_->SetHandler(this);
    address_ = address;
    reader_.emplace(dialer_.arena_);
    ++dialer_.reconnects_;
    state_ = absl::StrCat("greeting ", address);
    Push(
        FrameKind::kPeerHello,
        dialer_.arena_.pool().Copy(AsBytes(dialer_.handler_.MakeHello(slot_).SerializeAsString())));
    timer_ = dialer_.loop_.After(kHandshakeLimit, [this] { OnTimer(); });
  }

  void Push(FrameKind kind, Buffer payload) {
    FrameHeader header;
    header.kind = kind;
    header.bytes = static_cast<uint32_t>(payload.size());
    if (!payload.empty()) header.crc = Crc32c(0, payload.bytes());
    wire::FinishPeerHeader(header);
    writer_.Push(header, std::move(payload));
    said_ = true;
    writer_.Flush(*stream_);
  }

  void Take(const FrameHeader& header, const Buffer& payload) {
    if (header.kind == FrameKind::kAck) {
      if (welcomed_) dialer_.handler_.OnAck(slot_, {header.first_sequence, header.crc});
      return;
    }
    if (header.kind == FrameKind::kPing) return;
    if (header.crc != Crc32c(0, payload.bytes())) {
      failure_ = "a payload with a wrong CRC32C";
      return;
    }
    if (header.kind == FrameKind::kPeerWelcome && !welcomed_) {
      v1::PeerWelcome welcome;
      if (!welcome.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
        failure_ = "a malformed welcome";
        return;
      }
      welcomed_ = true;
      away_since_.reset();
      state_ = absl::StrCat("connected to ", address_);
      timer_ = dialer_.loop_.After(kPingAfter, [this] { OnTimer(); });
      dialer_.handler_.OnWelcome(slot_, welcome);
      return;
    }
    if (header.kind == FrameKind::kPeerRefused) {
      v1::PeerRefused refused;
      if (!refused.ParseFromArray(payload.data(), static_cast<int>(payload.size())))
        refused.set_text("(malformed refusal)");
      SEMPER_LOG(kInfo, "{} at {} refuses: {}", name_, address_, refused.text());
      Redial(absl::StrCat("refused: ", refused.text()));
      dialer_.handler_.OnRefusedByPeer(slot_, refused);
      return;
    }
    failure_ = absl::StrCat("unknown frame kind ", static_cast<int>(header.kind));
  }

  void Lost(const std::string& why) {
    const bool tell = welcomed_;
    Redial(why);
    if (tell) dialer_.handler_.OnDisconnected(slot_);
  }

  void End() {
    dial_.reset();
    timer_.reset();
    writer_.Clear();
    welcomed_ = wants_room_ = heard_ = said_ = false;
    quiet_ = 0;
    if (!stream_) return;
    std::shared_ptr<Stream> dying =
        std::move(stream_);  // may be on the call stack, as its reader may
    dialer_.loop_.AtEndOfRound([dying, self = shared_from_this()] {});
  }

  void MaybeTellCanSend() {
    if (!wants_room_ || writer_.queued_bytes() > kSendQueueBytes / 2) return;
    wants_room_ = false;
    dialer_.handler_.OnCanSend(slot_);
  }

  void FlushAtEndOfRound() {
    if (flush_planned_) return;
    flush_planned_ = true;
    dialer_.loop_.AtEndOfRound([self = shared_from_this()] {
      self->flush_planned_ = false;
      if (!self->stream_) return;
      self->said_ = true;
      self->writer_.Flush(*self->stream_);
      self->MaybeTellCanSend();
    });
  }

  void OnTimer() {
    if (!stream_) return;
    if (!welcomed_) return Lost("no answer to the hello");
    quiet_ = heard_ ? 0 : quiet_ + 1;
    heard_ = false;
    if (quiet_ >= kQuietLimit / kPingAfter) return Lost("silent for too long");
    if (!said_ && writer_.empty()) Push(FrameKind::kPing, Buffer());
    said_ = false;
    timer_ = dialer_.loop_.After(kPingAfter, [this] { OnTimer(); });
  }

  Dialer& dialer_;
  const Slot slot_;
  const std::string name_;
  std::string address_;
  std::string state_ = "new";
  std::unique_ptr<Stream> stream_;
  std::optional<wire::FrameReader> reader_;
  wire::FrameWriter writer_;
  std::unique_ptr<Timer> dial_;
  std::unique_ptr<Timer> timer_;
  std::unique_ptr<Timer> redial_;
  std::optional<std::chrono::nanoseconds>
      away_since_;  // without a welcome, since it was last tried or lost
  std::string failure_;
  size_t turn_ = 0;  // number of the next dial: each goes to the next address
  bool closed_ = false;
  bool welcomed_ = false;
  bool wants_room_ = false;
  bool heard_ = false;
  bool said_ = false;
  bool flush_planned_ = false;
  int quiet_ = 0;
};

Dialer::Dialer(Loop& loop, wire::ReadArena& arena, Resolver& resolver, DestinationHandler& handler)
    : loop_(loop), arena_(arena), resolver_(resolver), handler_(handler) {}

Dialer::~Dialer() { CloseAll(); }

void Dialer::Connect(Slot slot, const std::string& name) {
  auto& link = links_[Raw(slot)];
  if (link) return;
  link = std::make_shared<Link>(*this, slot, name);
  link->Begin();
}

void Dialer::Disconnect(Slot slot, bool for_good) {
  const auto found = links_.find(Raw(slot));
  if (found == links_.end()) return;
  const std::shared_ptr<Link> link = found->second;
  if (for_good) {
    link->Close();
  } else {
    link->Redial("disconnected");
  }
}

bool Dialer::CanSend(Slot slot) {
  const auto found = links_.find(Raw(slot));
  return found != links_.end() && found->second->CanSend();
}

void Dialer::SendMessages(Slot slot, const core::HeldOutput& output) {
  const auto found = links_.find(Raw(slot));
  if (found != links_.end()) found->second->SendMessages(output);
}

std::string Dialer::StateOf(Slot slot) const {
  const auto found = links_.find(Raw(slot));
  return found == links_.end() ? "not dialled" : found->second->state();
}

bool Dialer::Connected(Slot slot) const {
  const auto found = links_.find(Raw(slot));
  return found != links_.end() && found->second->welcomed();
}

void Dialer::CloseAll() {
  for (auto& [slot, link] : links_) link->Close();
}

}  // namespace semper::peer
