// Drill: blows to members of an immortal that has standbys, while orders come by the clock; and how
// long a customer waited because of each. One thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "examples/shop/demo/gaps.h"
#include "examples/shop/demo/probe.h"
#include "examples/shop/demo/pulse.h"
#include "examples/shop/demo/stack.h"

namespace shop::demo {

enum class BlowKind { kKill, kStop, kSwitchover };

struct DrillOptions {
  uint64_t blows = 60;
  std::vector<BlowKind> kinds = {BlowKind::kKill};  // drawn evenly
  uint64_t rate = 500;                              // orders a second
  uint64_t seed = 1;
  std::chrono::seconds patience{30};  // for members to become ready
  std::string csv;
};

class Drill {
 public:
  Drill(Stack& stack, Pulse& pulse, const DrillOptions& options)
      : stack_(stack),
        pulse_(pulse),
        options_(options),
        random_(options.seed),
        gaps_(options.csv) {}

  // Lets customers come, once every member leads or is ready to.
  bool Begin();

  // All blows. Before each, both immortals have a leader, and the one that is hit a standby that is
  // ready. False if the pulse says so.
  bool Run();

  // Orders that are due now.
  uint64_t Due() const { return OrdersDue(stack_.page(), MonotonicNanos()); }

  const Gaps& gaps() const { return gaps_; }
  uint64_t blows() const { return blows_; }
  double progress() const {
    return options_.blows == 0 ? 1
                               : static_cast<double>(blows_) / static_cast<double>(options_.blows);
  }
  // The longest wait of a customer before the first blow, in milliseconds.
  double usual_wait_ms() const { return usual_wait_.count() * 1e3; }
  // From a blow to a leader to the first order that was due after it and is confirmed and
  // committed, in milliseconds.
  const std::vector<double>& recoveries() const { return recoveries_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Target {
    bool orders = false;
    size_t leader = 0;
    std::vector<size_t> ready;  // standbys
  };

  void Look();  // asks every member
  bool WaitForMembers(const std::function<bool()>& met, const char* what);
  bool AllUp() const;
  bool MayStrike(bool orders) const;
  Target TargetOf(bool orders) const;

  bool Wait(std::chrono::milliseconds time);
  bool WaitForRecovery(Clock::time_point struck, uint64_t due);
  bool Strike(const Target& target);
  bool Kill(const Target& target);
  bool Stop(const Target& target);
  bool Switch(const Target& target);
  bool RunTool(std::vector<std::string> arguments);
  void Open(const Target& target, bool leader, size_t member, Blow blow);
  void Close();  // the gap of the last blow ends here
  uint64_t Draw(uint64_t bound) { return random_() % bound; }

  Stack& stack_;
  Pulse& pulse_;
  const DrillOptions options_;
  std::mt19937_64 random_;
  Gaps gaps_;
  std::array<std::vector<ProbeAnswer>, 2> members_;  // of stock, of orders
  Clock::time_point begin_ = Clock::now();
  std::chrono::duration<double> usual_wait_{};  // without a blow, at most
  std::array<Clock::time_point, 2> struck_{};   // when a blow last fell on stock, on orders
  Gap open_;
  uint64_t blows_ = 0;
  uint64_t switchovers_ = 0;
  std::vector<double> recoveries_;
};

}  // namespace shop::demo
