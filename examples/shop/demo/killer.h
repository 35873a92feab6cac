// Killer: carries the plan out on the stack, and measures how long each recovery takes. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "examples/shop/demo/plan.h"
#include "examples/shop/demo/pulse.h"
#include "examples/shop/demo/stack.h"

namespace shop::demo {

class Killer {
 public:
  using Clock = std::chrono::steady_clock;

  Killer(Stack& stack, Pulse& pulse, uint64_t seed, const Quota& quota)
      : stack_(stack), pulse_(pulse), plan_(seed, quota) {}

  // Kills until the plan is complete. False if the pulse says so.
  bool Run();

  // To be called all the time: notices recoveries.
  void NoteRecoveries();

  const KillCounts& counts() const { return counts_; }
  double progress() const { return plan_.Progress(counts_); }

  // From a kill to the first order that was submitted after it and is confirmed and committed, in
  // milliseconds.
  const std::vector<double>& recoveries() const { return recoveries_; }
  std::chrono::nanoseconds together_gap_max() const { return together_gap_max_; }

 private:
  struct Open {  // a kill that has not been recovered from
    Clock::time_point at;
    std::string what;
    uint64_t submitted = 0;
  };

  bool WaitForRecovery();
  bool WaitForMoment(PlannedKill& kill);  // makes it one at any time if that moment does not come
  void Kill(const PlannedKill& kill);
  bool KillOne(Role role, bool whole, Moment moment);

  uint64_t CallsUnderWay() const;

  Stack& stack_;
  Pulse& pulse_;
  KillPlan plan_;
  KillCounts counts_;
  std::vector<Open> open_;
  std::vector<double> recoveries_;
  std::chrono::nanoseconds together_gap_max_{0};
};

}  // namespace shop::demo
