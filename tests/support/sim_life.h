// SimLife: whether a simulated process still lives; shared by its ports.
//
// A dead process's code may still run for a moment (a crash strikes between two effects of one
// callback, or on the stack of a fiber): every port call that it makes then does nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "tests/support/sim_scheduler.h"

namespace semper::sim {

struct SimLife {
  std::string process;  // name, for the trace
  std::string machine;  // who shares Unix sockets, partitions and power
  bool dead = false;
  SimNanos paused_until = 0;      // SIGSTOP
  int64_t wall_offset_nanos = 0;  // what its wall clock differs from the simulation's
  uint64_t effects = 0;           // port calls that can be seen from outside
  uint64_t crash_after_effects = UINT64_MAX;
  std::function<void()> strike;  // ends the process; set by SimProcess
  uint64_t pause_after_effects = UINT64_MAX;
  std::function<void()> stop;  // SIGSTOP; set by SimProcess

  // Called at the beginning of each port call with an effect. False: the process is dead, do
  // nothing.
  bool Effect() {
    if (!dead && effects >= crash_after_effects) strike();
    if (dead) return false;
    if (effects >= pause_after_effects) {
      pause_after_effects = UINT64_MAX;
      stop();
    }
    ++effects;
    return true;
  }
};

}  // namespace semper::sim
