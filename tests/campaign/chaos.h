// Chaos: carries faults out on a cluster and its volume, and ends them. One thread, the cluster's.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "examples/shop/demo/process.h"
#include "tests/campaign/cluster.h"
#include "tests/campaign/fault_plan.h"
#include "tests/campaign/switch.h"
#include "tests/campaign/volume.h"

namespace campaign {

struct ChaosCounts {
  std::array<uint64_t, kFaultKinds> begun{};
  uint64_t kills = 0;       // processes
  uint64_t pauses = 0;      // processes, and threads before a call
  uint64_t partitions = 0;  // of hosts from hosts, or from the volume
  uint64_t failed_calls = 0;
};

class Chaos {
 public:
  using Clock = std::chrono::steady_clock;

  // `leader_of`: the member of an immortal that answered last. `tracer`: the path of
  // campaign-tracer. Each fault leaves a line in the file `log`.
  Chaos(Cluster& cluster, Volume& volume, Switch& net, std::string tracer, const std::string& log,
        std::function<size_t(size_t immortal)> leader_of);
  ~Chaos();

  // The kinds that this cluster and volume can suffer.
  static std::vector<FaultKind> Possible(const Cluster& cluster, const Volume& volume);

  void Begin(const Fault& fault, Clock::time_point now);
  void EndDue(Clock::time_point now);
  void Heal();  // ends all

  const ChaosCounts& counts() const { return counts_; }

 private:
  struct Active {
    FaultKind kind;
    size_t node;
    size_t other;  // node, replica or immortal
    Clock::time_point until;
    std::vector<pid_t> stopped;
    Wire wire;
  };
  struct Tracing {
    std::unique_ptr<shop::demo::Process> process;
    FaultKind kind;
  };

  void Kill(pid_t pid);
  void Stop(pid_t pid, std::vector<pid_t>& stopped);
  void BeginProcessFault(const Fault& fault, Active& active);
  void Trace(const Fault& fault, size_t node);
  void CollectTracers();
  void BeginNetworkFault(const Fault& fault, Active& active);
  void BeginVolumeFault(const Fault& fault, Active& active);
  void End(const Active& active);
  void ApplyWires();  // of all network faults that are active
  bool IsActive(FaultKind kind, size_t other) const;
  std::vector<size_t> Fellows(size_t node) const;

  Cluster& cluster_;
  Volume& volume_;
  Switch& net_;
  const std::string tracer_;
  const std::string log_path_;
  std::FILE* const log_;
  const std::function<size_t(size_t)> leader_of_;
  const Clock::time_point begun_ = Clock::now();
  std::vector<Active> active_;
  std::vector<Tracing> tracers_;
  ChaosCounts counts_;
};

}  // namespace campaign
