// ServiceHost: the process of a service: the SDK's engine on a simulated stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sdk/cpp/src/engine.h"
#include "tests/simulation/chatter.h"
#include "tests/simulation/observer.h"
#include "tests/support/sim_process.h"

namespace semper::sim {

class ServiceHost final : private Stream::Handler, private internal::EnginePort {
 public:
  struct Plan {
    std::string immortal;
    std::string address;  // of the coordinator's link
    std::vector<std::string> peers;
    std::function<uint64_t()> committed;  // index, as its coordinator says it now
  };
  ServiceHost(SimProcess& process, Plan plan, Observer& observer);
  ~ServiceHost() override;

  // Makes one impulse if the service is live.
  void Submit(uint64_t id, uint8_t messages, uint8_t hops, uint32_t bytes);
  bool live() const { return engine_ && engine_->live(); }
  const Chatter* chatter() const;
  uint64_t index() const { return engine_ ? engine_->index() : 0; }
  uint64_t resets() const { return resets_; }
  // For the observer: states up to what is committed now.
  void ReportStates();

 private:
  void Begin();
  void Reset();
  void OnReadable() override;
  void OnWritable() override { Flush(); }
  void OnClosed(const absl::Status& why) override;
  void Write(std::span<const iovec> pieces) override;
  size_t Read(std::span<std::byte>) override { return 0; }
  void Warn(std::string_view) override {}
  void Flush();

  SimProcess& process_;
  const Plan plan_;
  Observer& observer_;
  std::unique_ptr<Timer> dial_;
  std::unique_ptr<Timer> again_;
  std::unique_ptr<Stream> stream_;
  std::shared_ptr<internal::ImpulseQueue> queue_;
  std::unique_ptr<internal::Engine> engine_;
  std::vector<std::byte> out_;
  size_t out_at_ = 0;
  std::deque<std::pair<uint64_t, uint64_t>>
      states_;  // index, digest; not yet known to be committed
  uint64_t resets_ = 0;
};

}  // namespace semper::sim
