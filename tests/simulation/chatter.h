// Chatter: the service of the simulation. It calls its peers on every occasion, and notices by
// itself when a message is lost, doubled or out of order, or when a replay differs from the first
// run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "semper/handlers.h"
#include "semper/service.h"

namespace semper::sim {

// How far a stream of messages has come, as its two ends count it themselves.
struct Tally {
  uint64_t count = 0;
  uint64_t hash = 0;
  bool operator==(const Tally&) const = default;
  void Add(std::span<const std::byte> body);
};

class Chatter : public Service {
 public:
  using Violation = std::function<void(const std::string&)>;

  // `peers`: names of the other immortals. `violation` is told what must never happen.
  Chatter(std::vector<std::string> peers, Violation violation);

  void Save(StateWriter& writer) const override;
  Status Load(StateReader& reader, uint32_t version) override;
  std::string service_name() const override { return "sim.Chatter"; }
  void OnMessage(Context& context, const Source& source, std::span<const std::byte> body) override;
  void OnImpulse(Context& context, std::span<const std::byte> body) override;
  void OnLive(const Impulses& impulses) override { impulses_ = impulses; }

  const std::optional<Impulses>& impulses() const { return impulses_; }
  // A hash of everything that this service has seen and done, in order.
  uint64_t digest() const { return digest_; }
  const std::map<std::string, Tally>& sent() const { return sent_; }
  const std::map<std::string, Tally>& received() const { return received_; }
  const std::set<uint64_t>& impulse_ids() const { return ids_; }
  uint64_t timers_fired() const { return timers_fired_; }

  static std::string ImpulseBody(uint64_t id, uint8_t messages, uint8_t hops, uint32_t bytes);

 private:
  void Say(Context& context, uint64_t id, uint8_t hops, uint32_t bytes);
  void OnTimer(Context& context, const std::string& text);
  void Mix(uint64_t value);
  void MixContext(Context& context);

  TimerHandler<std::string> timer_{this, "later", &Chatter::OnTimer};
  const Violation violation_;
  std::vector<std::string> names_;
  std::vector<Destination> peers_;
  std::map<std::string, Tally> sent_;
  std::map<std::string, Tally> received_;
  std::set<uint64_t> ids_;
  uint64_t timers_fired_ = 0;
  uint64_t digest_ = 0;
  std::optional<Impulses> impulses_;
};

}  // namespace semper::sim
