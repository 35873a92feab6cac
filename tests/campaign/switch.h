// Switch: an Ethernet switch in user space. Each port is the network interface of a network
// namespace (a host) of its own, so that packets between hosts can be lost or late on purpose;
// nobody notices but by the silence. All hosts are in one subnet, with no way to anywhere else.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"

namespace campaign {

// What happens to packets from one port to another.
struct Wire {
  bool cut = false;
  std::chrono::microseconds delay{0};
  std::chrono::microseconds jitter{0};  // up to so much more; what overtakes so is reordered
  uint32_t loss_permille = 0;
  uint32_t doubled_permille = 0;
};

class Switch {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Switch(uint64_t seed) : random_(seed) {}
  ~Switch();
  Switch(const Switch&) = delete;
  Switch& operator=(const Switch&) = delete;

  // Makes a host and its port; its address is Address(port). Before Start.
  absl::StatusOr<size_t> AddHost();
  void Start();

  static std::string Address(size_t port) { return "10.78.0." + std::to_string(port + 1); }
  // What `nsenter --net=` takes, for as long as this process lives.
  std::string NetworkOf(size_t port) const;
  // The calling thread's sockets are the host's from now on.
  absl::Status Enter(size_t port) const;

  size_t ports() const { return ports_.size(); }
  void Set(size_t from, size_t to, const Wire& wire);
  void SetBothWays(size_t a, size_t b, const Wire& wire);
  // All wires of a port, in both directions.
  void SetPort(size_t port, const Wire& wire);

  uint64_t passed() const { return passed_; }
  uint64_t dropped() const { return dropped_; }

 private:
  using Frame = std::vector<char>;
  struct Port {
    int network = -1;  // the namespace
    int tap = -1;
  };
  struct Late {
    size_t to;
    Frame frame;
  };

  void Run(std::stop_token stop);
  void Receive(size_t from);
  void Forward(size_t from, size_t to, const Frame& frame);
  void DeliverDue(Clock::time_point now);
  uint32_t Permille() { return static_cast<uint32_t>(random_() % 1000); }

  std::vector<Port> ports_;
  int wake_ = -1;
  std::mutex mutex_;  // wires_
  std::vector<std::vector<Wire>> wires_;

  // The thread's own.
  std::map<std::array<char, 6>, size_t> learned_;  // which address is where
  std::multimap<Clock::time_point, Late> late_;
  std::mt19937_64 random_;
  std::atomic<uint64_t> passed_{0};
  std::atomic<uint64_t> dropped_{0};
  std::jthread thread_;
};

}  // namespace campaign
