#include "examples/shop/demo/pulse.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <utility>

namespace shop::demo {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

void Pulse::Log(const std::string& text) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  // Like the coordinators' lines. Flushed at once: the file is for failures.
  log_ << fmt::format("{:%FT%T}.{:06}Z {}", fmt::gmtime(micros / 1'000'000), micros % 1'000'000,
                      text)
       << std::endl;
}

bool Pulse::Idle(nanoseconds time) {
  const auto end = Clock::now() + time;
  do {
    const auto left = std::clamp<nanoseconds>(end - Clock::now(), nanoseconds(0), milliseconds(1));
    const timespec wait{0, static_cast<long>(left.count())};
    pollfd fds[2] = {{stack_.watch(true).descriptor(), POLLIN, 0},
                     {stack_.watch(false).descriptor(), POLLIN, 0}};
    const bool news = ppoll(fds, 2, &wait, nullptr) > 0;
    if (fds[0].revents != 0) stack_.watch(true).Read();
    if (fds[1].revents != 0) stack_.watch(false).Read();
    if (!RestartDead()) return false;
    if (on_idle_ && !on_idle_()) return Fail("interrupted");
    if (news) return true;
  } while (Clock::now() < end);
  return true;
}

bool Pulse::Fail(std::string why) {
  why_ = std::move(why);
  return false;
}

bool Pulse::WaitUntil(const std::function<bool()>& met, const char* what) {
  uint64_t settled = stack_.page().orders.settled.load();
  auto moved = Clock::now();
  while (!met()) {
    if (!Idle(milliseconds(1))) return false;
    if (const uint64_t now = stack_.page().orders.settled.load(); now != settled) {
      settled = now;
      moved = Clock::now();
    } else if (Clock::now() - moved > patience_) {
      return Fail(
          fmt::format("no order was confirmed for {} s while waiting for {}; the last kill was {}",
                      patience_.count(), what, last_));
    }
  }
  return true;
}

bool Pulse::WaitForFirst() {
  return WaitUntil([this] { return stack_.page().orders.settled.load() > 0; }, "the first order");
}

bool Pulse::WaitForSettled(uint64_t orders) {
  return WaitUntil([&] { return stack_.page().orders.settled.load() >= orders; },
                   "the last orders");
}

}  // namespace shop::demo
