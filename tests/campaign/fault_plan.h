// FaultPlan: which faults come, in which order, how long they last: a function of the seed. At whom
// a fault that is aimed at the leader hits depends on who leads then.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

namespace campaign {

enum class FaultKind {
  kKillCoordinator,
  kKillService,       // the process that serves; its parent forks the next one
  kKillMember,        // coordinator and service with its parent
  kKillImmortal,      // all members within a millisecond
  kPauseCoordinator,  // SIGSTOP, SIGCONT
  kPauseService,
  kPauseMember,
  kHoldAtCall,    // by ptrace, one thread before one system call
  kFreezeAtCall,  // by ptrace, the whole process
  kKillAtCall,
  kFailCall,       // EIO or ENOSPC instead of the call
  kCutMember,      // its port: from everybody
  kCutPair,        // from one fellow
  kCutOneWay,      // packets to its fellows are lost, those from them arrive
  kSlowMember,     // delay, loss, doubled and reordered packets
  kShiftClock,     // of a coordinator
  kFillVolume,     // of an immortal
  kKillReplica,    // of the volume
  kCutFromVolume,  // one node
  kFreezeVolume,   // one node's file system client
};
inline constexpr size_t kFaultKinds = static_cast<size_t>(FaultKind::kFreezeVolume) + 1;
std::string_view NameOf(FaultKind kind);

struct Fault {
  FaultKind kind{};
  std::chrono::milliseconds pause{0};   // from the fault before it
  std::chrono::milliseconds length{0};  // of those that end
  size_t immortal = 0;
  bool at_leader = false;
  uint64_t draw = 0;  // for all further choices
};

class FaultPlan {
 public:
  // `kinds`: those that this run can do. One fault every `every` on average.
  FaultPlan(uint64_t seed, std::vector<FaultKind> kinds, std::chrono::milliseconds every);

  Fault Next();

 private:
  std::chrono::milliseconds Exponential(double mean_ms, double most_ms);

  std::mt19937_64 random_;
  std::vector<FaultKind> drawn_from_;  // each as often as its weight
  const std::chrono::milliseconds every_;
};

}  // namespace campaign
