// Killer: carries the plan out on the stack, and measures how long each recovery takes. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "examples/shop/demo/plan.h"
#include "examples/shop/demo/stack.h"

namespace shop::demo {

class Killer {
 public:
  using Clock = std::chrono::steady_clock;

  // `on_idle` is called about every millisecond while the killer waits; false ends everything.
  // When no order is confirmed for as long as `patience`, the shop counts as dead.
  // `log`: a file for a line about each kill and each recovery.
  Killer(Stack& stack, uint64_t seed, const Quota& quota, std::chrono::seconds patience,
         const std::string& log, std::function<bool()> on_idle)
      : stack_(stack),
        plan_(seed, quota),
        patience_(patience),
        on_idle_(std::move(on_idle)),
        log_(log, std::ios::app) {}

  // Kills until the plan is complete. False with a sentence in why() if the shop did not come back,
  // or a process ended by itself, or on_idle said no.
  bool Run();

  // Wait for the first order, and for so many, that are confirmed and committed.
  bool WaitForFirst();
  bool WaitForSettled(uint64_t orders);

  // Waits that long, or until there is news from the log; starts again what was killed.
  bool Idle(std::chrono::nanoseconds time);

  const KillCounts& counts() const { return counts_; }
  const std::string& why() const { return why_; }
  const std::string& last() const { return last_; }  // the last kill, for people
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

  bool WaitUntil(const std::function<bool()>& met, const char* what);
  bool WaitForRecovery();
  bool WaitForMoment(PlannedKill& kill);  // makes it one at any time if that moment does not come
  void NoteRecoveries();
  void Kill(const PlannedKill& kill);
  bool KillOne(Role role, bool whole, Moment moment);

  uint64_t CallsUnderWay() const;
  void Log(const std::string& text);  // a line with the time in the file of kills

  Stack& stack_;
  KillPlan plan_;
  const std::chrono::seconds patience_;
  const std::function<bool()> on_idle_;
  KillCounts counts_;
  std::vector<Open> open_;
  std::vector<double> recoveries_;
  std::chrono::nanoseconds together_gap_max_{0};
  std::ofstream log_;
  std::string why_;
  std::string last_ = "none";
};

}  // namespace shop::demo
