// Pulse: waits while the shop works, and notices when it stands still. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <fstream>
#include <functional>
#include <string>

#include "examples/shop/demo/stack.h"

namespace shop::demo {

class Pulse {
 public:
  using Clock = std::chrono::steady_clock;

  // When no order is confirmed for as long as `patience`, the shop counts as dead. `log`: a file
  // for a line about each kill and each recovery.
  Pulse(Stack& stack, std::chrono::seconds patience, const std::string& log)
      : stack_(stack), patience_(patience), log_(log, std::ios::app) {}

  // Called about every millisecond of waiting; false ends everything.
  void set_on_idle(std::function<bool()> on_idle) { on_idle_ = std::move(on_idle); }

  // Waits that long, or until there is news from the log; starts again what was killed.
  bool Idle(std::chrono::nanoseconds time);

  // False with a sentence in why() if the shop stands still, a process ended by itself, or on_idle
  // said no.
  bool WaitUntil(const std::function<bool()>& met, const char* what);
  // For the first order, and for so many, that are confirmed and committed.
  bool WaitForFirst();
  bool WaitForSettled(uint64_t orders);

  bool RestartDead() { return stack_.RestartDead(why_); }
  bool Fail(std::string why);  // false

  const std::string& why() const { return why_; }
  const std::string& last() const { return last_; }  // the last kill, for people
  void set_last(std::string last) { last_ = std::move(last); }
  void Log(const std::string& text);  // a line with the time in the file of kills

 private:
  Stack& stack_;
  const std::chrono::seconds patience_;
  std::function<bool()> on_idle_;
  std::ofstream log_;
  std::string why_;
  std::string last_ = "none";
};

}  // namespace shop::demo
