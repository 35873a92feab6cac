#include "tests/support/sim_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/hash.h"

namespace semper::sim {
namespace {

constexpr size_t kWindowMin = 4 << 10;
constexpr size_t kWindowMax = 1 << 20;
constexpr SimNanos kResetDelayMax = 2 * kSecond;

}  // namespace

class SimStream final : public Stream {
 public:
  SimStream(std::shared_ptr<SimConnection> connection, int end)
      : connection_(std::move(connection)), end_(end) {}
  ~SimStream() override {
    // A dead process's connections were closed, or vanished, when it died.
    if (connection_->core(end_).life().Effect()) connection_->Close(end_);
  }

  void SetHandler(Handler* handler) override { connection_->SetHandler(end_, handler); }
  ptrdiff_t Read(std::span<std::byte> out) override { return connection_->Read(end_, out); }
  ptrdiff_t Write(std::span<const iovec> pieces) override {
    return connection_->Write(end_, pieces);
  }
  void PauseReading(bool paused) override { connection_->PauseReading(end_, paused); }
  std::string PeerName() const override { return connection_->end(end_).peer_name; }

 private:
  const std::shared_ptr<SimConnection> connection_;
  const int end_;
};

SimConnection::SimConnection(SimNetwork& network, uint64_t id, std::shared_ptr<SimLoopCore> dialer,
                             std::shared_ptr<SimLoopCore> listener, std::string address)
    : network_(network),
      id_(id),
      local_(dialer->life().machine == listener->life().machine),
      unix_(address.starts_with("unix:")) {
  ends_[0].peer_name = std::move(address);
  ends_[1].peer_name =
      absl::StrCat(unix_ ? "unix:" : "", dialer->life().machine, ":", dialer->life().process);
  ends_[0].core = std::move(dialer);
  ends_[1].core = std::move(listener);
  for (End& e : ends_) {
    e.window = kWindowMin + network_.random_.Skewed(kWindowMax - kWindowMin);
  }
}

std::unique_ptr<Stream> SimConnection::MakeStream(int which) {
  return std::make_unique<SimStream>(shared_from_this(), which);
}

void SimConnection::Send(int to, Item item, SimNanos extra_delay) {
  End& target = end(to);
  const SimNanos latency = network_.Latency(local_);
  const SimNanos now = network_.scheduler_.now();
  item.sent = std::max(item.sent, now);
  item.arrival = std::max(target.last_arrival, item.sent + latency + extra_delay);
  target.last_arrival = item.arrival;
  target.flying_bytes += item.bytes.size();
  target.flying.push_back(std::move(item));
  ScheduleArrival(to);
}

void SimConnection::ScheduleArrival(int to) {
  network_.scheduler_.At(end(to).flying.back().arrival,
                         [self = shared_from_this(), to] { self->Arrive(to); });
}

void SimConnection::Arrive(int to) {
  End& target = end(to);
  if (silent_ || target.flying.empty()) return;
  if (network_.Blocked(end(1 - to).core->life().machine, target.core->life().machine)) {
    ++network_.counters_.stalled;  // Unstall comes back to it
    return;
  }
  while (!target.flying.empty() && target.flying.front().arrival <= network_.scheduler_.now()) {
    Item item = std::move(target.flying.front());
    target.flying.pop_front();
    target.flying_bytes -= item.bytes.size();
    if (!target.open) {
      if (item.kind == ItemKind::kData) AnswerWithReset(to);
      continue;
    }
    network_.scheduler_.Trace("net", id_, to, item.kind, item.bytes.size(), Crc32c(0, item.bytes));
    switch (item.kind) {
      case ItemKind::kData:
        ++network_.counters_.segments;
        network_.counters_.bytes += item.bytes.size();
        target.arrived.insert(target.arrived.end(), item.bytes.begin(), item.bytes.end());
        break;
      case ItemKind::kEnd:
        target.end_arrived = true;
        // A Unix socket tells at once that nobody reads either; TCP tells by a reset when something
        // is sent.
        target.gone = unix_;
        break;
      case ItemKind::kReset:
        ++network_.counters_.resets;
        Fail(to, absl::UnavailableError(absl::StrCat(target.peer_name, " reset the connection")));
        break;
    }
    QueueTurn(to);
  }
}

// Something came for an end that is closed, or whose machine lost power.
void SimConnection::AnswerWithReset(int to) {
  const int from = 1 - to;
  if (!end(from).open || end(from).failed) return;
  SimNanos delay = 0;
  if (end(to).vanished) {
    if (network_.random_.Chance(1, 4)) return;  // the machine is still down
    delay = network_.random_.Skewed(kResetDelayMax);
  }
  Send(from, {.kind = ItemKind::kReset}, delay);
}

// The process of an end died while it was stopped: what it would have sent then was never sent.
void SimConnection::DropUnsent(int from) {
  End& other = end(1 - from);
  const SimNanos now = network_.scheduler_.now();
  while (!other.flying.empty() && other.flying.back().sent > now) {
    other.flying_bytes -= other.flying.back().bytes.size();
    other.flying.pop_back();
    other.last_arrival = now;
  }
}

void SimConnection::Unstall() {
  for (int to : {0, 1}) {
    if (end(to).flying.empty()) continue;
    // Retransmission finds out with a delay of its own.
    const SimNanos late = network_.random_.Skewed(kSecond / 5);
    network_.scheduler_.After(late, [self = shared_from_this(), to] { self->Arrive(to); });
  }
}

ptrdiff_t SimConnection::Read(int which, std::span<std::byte> out) {
  End& me = end(which);
  if (me.core->life().dead) return 0;
  if (me.ended || me.closed) return -1;
  if (out.empty()) return 0;
  if (me.arrived.empty()) {
    if (!me.end_arrived && !me.failed) return 0;
    me.ended = true;
    Fail(which, absl::UnavailableError(absl::StrCat(me.peer_name, " closed the connection")));
    return -1;
  }
  // As if its turn were over: more comes with the next OnReadable.
  if (network_.random_.Chance(1, 16)) {
    QueueTurn(which);
    return 0;
  }
  size_t length = std::min(out.size(), me.arrived.size());
  if (network_.random_.Chance(1, 8)) {
    length = 1 + network_.random_.Below(length);
    ++network_.counters_.short_reads;
  }
  const auto end_of_part = me.arrived.begin() + static_cast<ptrdiff_t>(length);
  std::copy(me.arrived.begin(), end_of_part, out.begin());
  me.arrived.erase(me.arrived.begin(), end_of_part);
  OfferWriting(1 - which);
  return static_cast<ptrdiff_t>(length);
}

ptrdiff_t SimConnection::Write(int which, std::span<const iovec> pieces) {
  End& me = end(which);
  size_t total = 0;
  for (const iovec& piece : pieces) total += piece.iov_len;
  if (!me.core->life().Effect()) return static_cast<ptrdiff_t>(total);
  if (me.failed) return -1;
  if (me.wants_write || total == 0) return 0;
  End& other = end(1 - which);
  const size_t held = other.flying_bytes + other.arrived.size();
  size_t length = std::min(total, other.window - std::min(other.window, held));
  if (network_.random_.Chance(1, 8)) length = network_.random_.Below(length + 1);
  if (length < total) {
    ++network_.counters_.short_writes;
    me.wants_write = true;
  }
  std::vector<std::byte> bytes;
  bytes.reserve(length);
  for (const iovec& piece : pieces) {
    const auto* from = static_cast<const std::byte*>(piece.iov_base);
    const size_t part = std::min(piece.iov_len, length - bytes.size());
    bytes.insert(bytes.end(), from, from + part);
  }
  if (length > 0) {
    Send(1 - which, {.sent = me.core->life().paused_until, .bytes = std::move(bytes)});
  }
  if (me.wants_write) OfferWriting(which);
  return static_cast<ptrdiff_t>(length);
}

// OnWritable for `which` if it waits and there is room, after the time that a window update takes.
void SimConnection::OfferWriting(int which) {
  End& me = end(which);
  const End& other = end(1 - which);
  if (!me.open || !me.wants_write || me.writable || silent_) return;
  if (other.open && other.flying_bytes + other.arrived.size() >= other.window) return;
  me.writable = true;
  const SimNanos latency = network_.Latency(local_);
  network_.scheduler_.After(latency, [self = shared_from_this(), which] {
    if (self->end(which).open) self->QueueTurn(which);
  });
}

void SimConnection::SetHandler(int which, Stream::Handler* handler) {
  end(which).handler = handler;
  if (HasReadable(end(which))) QueueTurn(which);
}

void SimConnection::PauseReading(int which, bool paused) {
  end(which).paused = paused;
  if (!paused && HasReadable(end(which))) QueueTurn(which);
}

void SimConnection::Fail(int which, absl::Status why) {
  End& me = end(which);
  if (me.failed) return;
  me.failed = true;
  me.why = std::move(why);
  QueueTurn(which);
}

void SimConnection::QueueTurn(int which) {
  End& me = end(which);
  if (!me.open || std::exchange(me.turn_queued, true)) return;
  me.core->Ready([self = shared_from_this(), which] { self->Turn(which); });
}

// Every callback may destroy the stream: after each one look whether it is still open.
void SimConnection::Turn(int which) {
  End& me = end(which);
  me.turn_queued = false;
  if (!me.open || me.handler == nullptr || me.closed) return;
  if (HasReadable(me) && !me.paused && !me.ended) {
    me.handler->OnReadable();
    if (!me.open) return;
  }
  if (me.wants_write && std::exchange(me.writable, false) && !me.failed) {
    me.wants_write = false;
    me.handler->OnWritable();
    if (!me.open) return;
  }
  if (me.gone && me.paused) {
    Fail(which, absl::UnavailableError(absl::StrCat(me.peer_name, " closed the connection")));
  }
  const bool more = HasReadable(me) && !me.paused && !me.ended;
  if (more) {
    QueueTurn(which);
  } else if (me.failed) {
    me.closed = true;
    me.handler->OnClosed(me.why);
  }
}

void SimConnection::Close(int which) {
  End& me = end(which);
  if (!std::exchange(me.open, false)) return;
  me.handler = nullptr;
  if (me.core->life().dead) DropUnsent(which);
  End& other = end(1 - which);
  if (other.open && !me.failed) {
    const bool unread = !me.arrived.empty() || me.flying_bytes > 0;
    // Closing with something unread resets, and what was still on its way may never arrive.
    if (unread && !unix_ && network_.random_.Coin()) {
      other.flying.clear();
      other.flying_bytes = 0;
    }
    const SimLife& life = me.core->life();
    Send(1 - which, {.kind = unread && !unix_ ? ItemKind::kReset : ItemKind::kEnd,
                     .sent = life.dead ? 0 : life.paused_until});
    OfferWriting(1 - which);
  }
  me.arrived.clear();
  ForgetIfOver();
}

void SimConnection::Vanish(int which) {
  End& me = end(which);
  me.vanished = true;
  me.open = false;
  DropUnsent(which);
  me.handler = nullptr;
  ForgetIfOver();
}

void SimConnection::Cut(bool notice) {
  if (!notice) {
    ++network_.counters_.cut_silently;
    network_.scheduler_.Trace("net", id_, "cut silently");
    silent_ = true;
    return;
  }
  ++network_.counters_.cut_with_notice;
  network_.scheduler_.Trace("net", id_, "cut");
  for (int to : {0, 1}) {
    End& target = end(to);
    if (!target.open) continue;
    // What is on its way is lost from some byte on.
    while (!target.flying.empty() && network_.random_.Coin()) {
      target.flying_bytes -= target.flying.back().bytes.size();
      target.flying.pop_back();
    }
    Send(to, {.kind = ItemKind::kReset});
  }
}

void SimConnection::ForgetIfOver() {
  if (!ends_[0].open && !ends_[1].open) network_.Forget(this);
}

}  // namespace semper::sim
