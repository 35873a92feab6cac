// Cluster: the hosts of all members and the two processes on each of them. A process that has ended
// is started again, as a kubelet would. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "examples/shop/demo/process.h"
#include "tests/campaign/operation.h"
#include "tests/campaign/switch.h"
#include "tests/campaign/volume.h"

namespace campaign {

inline constexpr uint16_t kClientPort = 7700;

struct ClusterOptions {
  std::string dir;      // sockets, logs of processes, reports
  std::string bin;      // directory of the programs
  std::string sidecar;  // name of the coordinator's program in it
  size_t members = 3;
};

class Cluster {
 public:
  using Clock = std::chrono::steady_clock;

  Cluster(ClusterOptions options, Switch& net, Volume& volume)
      : options_(std::move(options)), net_(net), volume_(volume) {}

  // Makes identities and hosts, starts the switch and all processes. The switch gets one more port,
  // for the clients: clients_port().
  absl::Status Start();

  // Collects what has ended and starts it again after a while. An error if nothing can be started.
  absl::Status Tend(Clock::time_point now);
  // Processes that ended by a crash, or with a status that says that they were set up wrongly.
  const std::vector<std::string>& crashes() const { return crashes_; }
  bool AllRunning() const;

  size_t members() const { return options_.members; }
  size_t nodes() const { return kImmortals * options_.members; }
  size_t NodeOf(size_t immortal, size_t member) const {
    return immortal * options_.members + member;
  }
  std::string Address(size_t node) const { return Switch::Address(node); }
  std::vector<std::string> AddressesOf(size_t immortal) const;
  size_t clients_port() const { return nodes(); }

  // 0 if it does not run at this moment.
  pid_t Coordinator(size_t node) const;
  pid_t ServiceParent(size_t node) const;  // which forks the one below
  pid_t ServiceChild(size_t node) const;

  // Adds so much to the clock of the node's coordinator; 0: the right time.
  void ShiftClock(size_t node, std::chrono::seconds shift) const;

  std::string ReportFile(size_t node, uint64_t id) const;
  uint64_t CountClaims() const;           // of all immortals
  std::string NameOf(size_t node) const;  // "a1"
  // The last line of each coordinator that says that it refuses to go on, since it was started.
  std::vector<std::string> Complaints() const;

 private:
  struct Supervised {
    std::unique_ptr<shop::demo::Process> process;
    Clock::time_point start_at;  // when it does not run
  };
  struct Node {
    Supervised coordinator;
    Supervised service;
  };

  absl::Status CreateImmortal(size_t immortal, std::string& incarnation) const;
  void AddNode(size_t immortal, size_t member, const std::string& incarnation);
  absl::Status TendOne(Supervised& one, size_t node, Clock::time_point now);
  std::string Prefix(size_t node) const { return options_.dir + "/" + NameOf(node); }
  std::vector<std::string> OnHost(size_t node) const;
  std::string PeersOf(size_t immortal) const;

  const ClusterOptions options_;
  Switch& net_;
  Volume& volume_;
  std::vector<Node> nodes_;
  std::vector<std::string> crashes_;
};

}  // namespace campaign
