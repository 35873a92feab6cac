// Supervise: does the work in a process of its own, so that the caller has the last word whatever
// becomes of it: a crash, a wait that never ends, a signal. No process that the work started, and
// no orphan of one, is left behind, and with them go their namespaces and mounts.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <string>

namespace campaign {

// In memory that both processes see.
struct Heartbeat {
  std::atomic<uint64_t> beats{0};
};

struct SupervisorLimits {
  std::chrono::milliseconds silence{std::chrono::minutes(10)};  // between two beats
  std::chrono::milliseconds farewell{std::chrono::minutes(2)};  // after a signal
};

// Runs `work` in a child, which gets SIGTERM when this process gets SIGTERM, SIGINT or SIGHUP, or
// is killed itself. Empty if `work` returned; else a sentence about what became of it. To be called
// while the process has one thread; its other children are killed too.
std::string Supervise(Heartbeat& heartbeat, const SupervisorLimits& limits,
                      const std::function<void()>& work);

// Memory that a child shares, never given back; T needs no destructor. Null if there is none.
void* AllocateShared(size_t size);

}  // namespace campaign
