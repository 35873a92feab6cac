#include "tests/simulation/service_host.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace semper::sim {

ServiceHost::ServiceHost(SimProcess& process, Plan plan, Observer& observer)
    : process_(process), plan_(std::move(plan)), observer_(observer) {
  Begin();
}

ServiceHost::~ServiceHost() = default;

void ServiceHost::Begin() {
  dial_ = process_.loop().Dial(
      plan_.address, std::chrono::seconds(5),
      [this](absl::StatusOr<std::unique_ptr<Stream>> stream) {
        if (!stream.ok()) {
          again_ = process_.loop().After(std::chrono::milliseconds(2), [this] { Begin(); });
          return;
        }
        stream_ = *std::move(stream);
        stream_->SetHandler(this);
        out_.clear();
        out_at_ = 0;
        states_.clear();
        queue_ = std::make_shared<internal::ImpulseQueue>(1000, [] {});
        queue_->Adopt();
        auto service = std::make_unique<Chatter>(plan_.peers, [this](const std::string& what) {
          observer_.Violate("I3 exactly once", plan_.immortal + ": " + what);
        });
        internal::EnginePort& port = *this;
        engine_ = std::make_unique<internal::Engine>(std::move(service), port, queue_,
                                                     internal::EngineOptions{64u << 10, false});
        engine_->Start();
      });
}

void ServiceHost::Reset() {
  ++resets_;
  // The state goes with the engine; both may be on the call stack.
  auto engine = std::make_shared<std::unique_ptr<internal::Engine>>(std::move(engine_));
  auto stream = std::make_shared<std::unique_ptr<Stream>>(std::move(stream_));
  process_.loop().AtEndOfRound([engine, stream] {});
  again_ = process_.loop().After(std::chrono::milliseconds(1), [this] { Begin(); });
}

void ServiceHost::OnClosed(const absl::Status&) {
  if (stream_) Reset();
}

void ServiceHost::OnReadable() {
  while (stream_) {
    const std::span<std::byte> space = engine_->ReadSpace();
    const ptrdiff_t n = stream_->Read(space);
    if (n == 0) break;
    if (n < 0) return;  // OnClosed follows
    if (!engine_->OnRead(static_cast<size_t>(n)).ok()) return Reset();
    if (engine_->index() != 0) states_.emplace_back(engine_->index(), chatter()->digest());
  }
  ReportStates();
}

void ServiceHost::ReportStates() {
  const uint64_t committed = plan_.committed();
  while (!states_.empty() && states_.front().first <= committed) {
    observer_.State(plan_.immortal, states_.front().first, states_.front().second, process_.name());
    states_.pop_front();
  }
}

const Chatter* ServiceHost::chatter() const {
  return engine_ ? static_cast<const Chatter*>(&engine_->service()) : nullptr;
}

void ServiceHost::Write(std::span<const iovec> pieces) {
  for (const iovec& piece : pieces) {
    const auto* from = static_cast<const std::byte*>(piece.iov_base);
    out_.insert(out_.end(), from, from + piece.iov_len);
  }
  Flush();
}

void ServiceHost::Flush() {
  while (stream_ && out_at_ < out_.size()) {
    const iovec piece{out_.data() + out_at_, out_.size() - out_at_};
    const ptrdiff_t n = stream_->Write({&piece, 1});
    if (n <= 0) return;
    out_at_ += static_cast<size_t>(n);
  }
  out_.clear();
  out_at_ = 0;
}

void ServiceHost::Submit(uint64_t id, uint8_t messages, uint8_t hops, uint32_t bytes) {
  if (!live() || !chatter()->impulses()) return;
  chatter()->impulses()->Submit(Chatter::ImpulseBody(id, messages, hops, bytes),
                                [this, id](const ImpulseResult& result) {
                                  if (result.ok())
                                    observer_.Acknowledged(plan_.immortal, id, result.value());
                                });
  engine_->SendImpulses();
}

}  // namespace semper::sim
