#include "tests/support/sim_network.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "tests/support/sim_stream.h"

namespace semper::sim {

struct SimNetwork::ListenState {
  std::shared_ptr<SimLoopCore> core;
  std::string address;
  std::string key;
  std::function<void(std::unique_ptr<Stream>)> accept;
  bool open = true;
};

struct SimNetwork::DialState {
  std::shared_ptr<SimLoopCore> core;
  std::string address;
  SimNanos deadline = 0;
  std::function<void(absl::StatusOr<std::unique_ptr<Stream>>)> connected;  // empty: over
};

namespace {

std::string KeyOf(const std::string& address, const SimLife& life) {
  return address.starts_with("unix:") ? absl::StrCat(life.machine, " ", address) : address;
}

}  // namespace

class SimListener final : public Listener {
 public:
  SimListener(SimNetwork& network, std::shared_ptr<SimNetwork::ListenState> state)
      : network_(network), state_(std::move(state)) {}
  ~SimListener() override {
    if (std::exchange(state_->open, false)) network_.listeners_.erase(state_->key);
    state_->accept = nullptr;
  }
  std::string Address() const override { return state_->address; }

 private:
  SimNetwork& network_;
  const std::shared_ptr<SimNetwork::ListenState> state_;
};

SimNetwork::SimNetwork(SimScheduler& scheduler)
    : scheduler_(scheduler), random_(scheduler.random().Fork()) {}

SimNetwork::~SimNetwork() = default;

SimNanos SimNetwork::Latency(bool local) {
  if (local) return 1 + random_.Skewed(timing_.local_max);
  return timing_.remote_min + random_.Skewed(timing_.remote_max - timing_.remote_min);
}

bool SimNetwork::Blocked(const std::string& from, const std::string& to) const {
  if (from == to) return false;
  return isolated_.contains(from) || isolated_.contains(to) ||
         partitions_.contains(std::pair(from, to));
}

void SimNetwork::Partition(const std::string& machine_a, const std::string& machine_b) {
  scheduler_.Trace("net partition", machine_a, machine_b);
  partitions_.emplace(machine_a, machine_b);
  partitions_.emplace(machine_b, machine_a);
}

void SimNetwork::PartitionOneWay(const std::string& from, const std::string& to) {
  scheduler_.Trace("net partition one way", from, to);
  partitions_.emplace(from, to);
}

void SimNetwork::Isolate(const std::string& machine) {
  scheduler_.Trace("net isolated", machine);
  isolated_.insert(machine);
}

void SimNetwork::HealPartitions() {
  scheduler_.Trace("net healed");
  partitions_.clear();
  isolated_.clear();
  Unstall();
}

void SimNetwork::Heal(const std::string& machine_a, const std::string& machine_b) {
  scheduler_.Trace("net healed", machine_a, machine_b);
  partitions_.erase(std::pair(machine_a, machine_b));
  partitions_.erase(std::pair(machine_b, machine_a));
  Unstall();
}

void SimNetwork::Unstall() {
  for (const auto& connection : connections_) connection->Unstall();
}

void SimNetwork::CutConnections(uint64_t of_16, bool notice) {
  const auto connections = connections_;
  for (const auto& connection : connections) {
    // A Unix socket is never half-open: it ends with its process.
    if (random_.Chance(of_16, 16)) connection->Cut(notice || connection->unix_socket());
  }
}

void SimNetwork::CutBetween(const std::string& process_a, const std::string& process_b,
                            bool notice) {
  const auto connections = connections_;
  for (const auto& connection : connections) {
    const std::string& dialer = connection->core(0).life().process;
    const std::string& listener = connection->core(1).life().process;
    const bool between = (dialer.starts_with(process_a) && listener.starts_with(process_b)) ||
                         (dialer.starts_with(process_b) && listener.starts_with(process_a));
    if (between) connection->Cut(notice);
  }
}

absl::StatusOr<std::unique_ptr<Listener>> SimNetwork::Listen(
    std::shared_ptr<SimLoopCore> core, const std::string& address,
    std::function<void(std::unique_ptr<Stream>)> accept) {
  auto state = std::make_shared<ListenState>();
  state->address = address;
  if (address.ends_with(":0") && !address.starts_with("unix:")) {
    state->address = absl::StrCat(address.substr(0, address.size() - 1), next_port_++);
  }
  state->key = KeyOf(state->address, core->life());
  state->accept = std::move(accept);
  state->core = std::move(core);
  if (!state->core->life().Effect()) {
    state->open = false;  // a listener of a dead process: nobody finds it
    return std::make_unique<SimListener>(*this, std::move(state));
  }
  const auto taken = listeners_.find(state->key);
  if (taken != listeners_.end()) {
    // A network address moves to whoever listened last, as a cluster's service address does; the
    // one who had it (paused, cut off) is not told.
    if (address.starts_with("unix:") ||
        taken->second->core->life().process == state->core->life().process) {
      return ErrnoStatus(EADDRINUSE, "listen at ", state->address);
    }
    taken->second->open = false;
    taken->second->accept = nullptr;
  }
  listeners_[state->key] = state;
  return std::make_unique<SimListener>(*this, std::move(state));
}

namespace {

// Gives up on destruction.
class SimDialing final : public Timer {
 public:
  explicit SimDialing(std::function<void()> give_up) : give_up_(std::move(give_up)) {}
  ~SimDialing() override { give_up_(); }

 private:
  const std::function<void()> give_up_;
};

}  // namespace

std::unique_ptr<Timer> SimNetwork::Dial(
    std::shared_ptr<SimLoopCore> core, const std::string& address, SimNanos timeout,
    std::function<void(absl::StatusOr<std::unique_ptr<Stream>>)> connected) {
  auto dial = std::make_shared<DialState>();
  dial->core = std::move(core);
  dial->address = address;
  dial->deadline = scheduler_.now() + timeout;
  dial->connected = std::move(connected);
  if (dial->core->life().Effect()) {
    const bool local = address.starts_with("unix:");
    scheduler_.After(Latency(local), [this, dial] { Connect(dial); });
  }
  return std::make_unique<SimDialing>(
      [dial] { const auto connected_function = std::exchange(dial->connected, nullptr); });
}

void SimNetwork::Connect(const std::shared_ptr<DialState>& dial) {
  using Result = absl::StatusOr<std::unique_ptr<Stream>>;
  SimLife& life = dial->core->life();
  if (dial->connected == nullptr || life.dead) return;
  if (scheduler_.now() < life.paused_until) {  // in the middle of the step that dials
    scheduler_.At(life.paused_until, [this, dial] { Connect(dial); });
    return;
  }
  const auto found = listeners_.find(KeyOf(dial->address, life));
  const bool somebody = found != listeners_.end() && !found->second->core->life().dead;
  // Either way lost: the packet, or its answer.
  const bool lost = somebody && (Blocked(life.machine, found->second->core->life().machine) ||
                                 Blocked(found->second->core->life().machine, life.machine));
  if (lost) {
    // The packets vanish; the dialer knows only when its time is over.
    scheduler_.At(dial->deadline, [this, dial] {
      ++counters_.dials_timed_out;
      FinishDial(dial, std::make_shared<Result>(absl::DeadlineExceededError(
                           absl::StrCat("connect to ", dial->address, ": no answer (simulated)"))));
    });
    return;
  }
  if (!somebody || random_.Chance(refuse_of_16_, 16)) {
    ++counters_.refused;
    FinishDial(dial, std::make_shared<Result>(
                         ErrnoStatus(ECONNREFUSED, "simulated connect to ", dial->address)));
    return;
  }
  const std::shared_ptr<ListenState> listener = found->second;
  const auto connection = std::make_shared<SimConnection>(*this, next_connection_++, dial->core,
                                                          listener->core, dial->address);
  ++counters_.connections;
  scheduler_.Trace("net connect", life.process, dial->address);
  connections_.push_back(connection);
  // The kernel accepts before the listener's owner does; either side may be told first.
  auto accepted = std::make_shared<std::unique_ptr<Stream>>(connection->MakeStream(1));
  scheduler_.After(Latency(true), [listener, accepted] {
    listener->core->Ready([listener, accepted] {
      // A copy: the owner may close the listener while it takes the stream. A closed listener
      // resets what it holds.
      if (const auto accept = listener->accept) accept(std::move(*accepted));
    });
  });
  auto result = std::make_shared<Result>(connection->MakeStream(0));
  scheduler_.After(Latency(true), [this, dial, result] { FinishDial(dial, result); });
}

void SimNetwork::FinishDial(const std::shared_ptr<DialState>& dial,
                            std::shared_ptr<absl::StatusOr<std::unique_ptr<Stream>>> result) {
  dial->core->Ready([dial, result] {
    if (const auto connected = std::exchange(dial->connected, nullptr)) {
      connected(std::move(*result));
    }
  });
}

void SimNetwork::ProcessDied(const SimLoopCore& core, SimDeath how) {
  std::erase_if(listeners_, [&](const auto& item) {
    if (item.second->core.get() != &core) return false;
    item.second->open = false;
    return true;
  });
  const auto connections = connections_;
  for (const auto& connection : connections) {
    for (int end : {0, 1}) {
      if (&connection->core(end) != &core || !connection->Open(end)) continue;
      how == SimDeath::kPower ? connection->Vanish(end) : connection->Close(end);
    }
  }
}

void SimNetwork::Forget(const SimConnection* connection) {
  std::erase_if(connections_, [&](const auto& other) { return other.get() == connection; });
}

}  // namespace semper::sim
