// SimNetwork: byte streams between simulated processes, and what goes wrong with them.
//
// Addresses are strings; "unix:…" belongs to a machine, others to the whole network ("host:0" gets
// a port). Bytes of a connection arrive in order, after random delays, in pieces; what gets lost is
// the rest of the connection.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/loop.h"
#include "tests/support/sim_loop.h"
#include "tests/support/sim_scheduler.h"

namespace semper::sim {

class SimConnection;

struct SimNetworkTiming {
  SimNanos local_max = 100 * kMicrosecond;  // one way, within a machine
  SimNanos remote_min = 50 * kMicrosecond;
  SimNanos remote_max = 5 * kMillisecond;
};

struct SimNetworkCounters {
  uint64_t connections = 0;
  uint64_t refused = 0;  // dials to nobody, or refused on purpose
  uint64_t dials_timed_out = 0;
  uint64_t segments = 0;
  uint64_t bytes = 0;
  uint64_t short_writes = 0;
  uint64_t short_reads = 0;
  uint64_t resets = 0;
  uint64_t cut_with_notice = 0;
  uint64_t cut_silently = 0;  // half-open
  uint64_t stalled = 0;       // segments held back by a partition
};

// How a process ends, as the network sees it.
enum class SimDeath {
  kProcess,  // the kernel closes its connections
  kPower,    // nobody says anything; later packets may be answered with resets
};

class SimNetwork {
 public:
  explicit SimNetwork(SimScheduler& scheduler);
  ~SimNetwork();

  // ---- what the simulation does to it ----
  void SetTiming(SimNetworkTiming timing) { timing_ = timing; }
  // Nothing passes between two machines (or from a machine to any other); what was sent waits.
  // Dials time out.
  void Partition(const std::string& machine_a, const std::string& machine_b);
  // The same in one direction: what `to` sends still arrives.
  void PartitionOneWay(const std::string& from, const std::string& to);
  void Isolate(const std::string& machine);
  // Between two machines, both directions.
  void Heal(const std::string& machine_a, const std::string& machine_b);
  void HealPartitions();
  // Of every 16 dials so many are refused.
  void RefuseDials(uint64_t of_16) { refuse_of_16_ = of_16; }
  // Cuts each connection by a chance of `of_16`. With notice both ends are reset; silently both
  // ends keep a connection on which nothing arrives any more.
  void CutConnections(uint64_t of_16, bool notice);
  // Cuts everything between two processes (prefixes of their names; empty: any).
  void CutBetween(const std::string& process_a, const std::string& process_b, bool notice);

  const SimNetworkCounters& counters() const { return counters_; }
  size_t open_connections() const { return connections_.size(); }

  // ---- for SimLoop and SimProcess ----
  absl::StatusOr<std::unique_ptr<Listener>> Listen(
      std::shared_ptr<SimLoopCore> core, const std::string& address,
      std::function<void(std::unique_ptr<Stream>)> accept);
  std::unique_ptr<Timer> Dial(
      std::shared_ptr<SimLoopCore> core, const std::string& address, SimNanos timeout,
      std::function<void(absl::StatusOr<std::unique_ptr<Stream>>)> connected);
  // Ends all that belongs to a process.
  void ProcessDied(const SimLoopCore& core, SimDeath how);

 private:
  friend class SimConnection;
  friend class SimListener;
  struct ListenState;
  struct DialState;

  SimNanos Latency(bool local);
  bool Blocked(const std::string& from, const std::string& to) const;
  void Unstall();
  void Connect(const std::shared_ptr<DialState>& dial);
  void FinishDial(const std::shared_ptr<DialState>& dial,
                  std::shared_ptr<absl::StatusOr<std::unique_ptr<Stream>>> result);
  void Forget(const SimConnection* connection);

  SimScheduler& scheduler_;
  SimRandom random_;
  SimNetworkTiming timing_;
  SimNetworkCounters counters_;
  uint64_t refuse_of_16_ = 0;
  uint64_t next_connection_ = 1;
  uint64_t next_port_ = 40'000;
  std::map<std::string, std::shared_ptr<ListenState>> listeners_;
  std::set<std::pair<std::string, std::string>> partitions_;  // from, to
  std::set<std::string> isolated_;
  std::vector<std::shared_ptr<SimConnection>> connections_;  // in the order of their making
};

}  // namespace semper::sim
