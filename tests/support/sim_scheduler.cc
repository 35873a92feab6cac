#include "tests/support/sim_scheduler.h"

#include <algorithm>
#include <utility>

namespace semper::sim {

SimEventId SimScheduler::At(SimNanos time, std::function<void()> f) {
  const SimEventId id{.time = std::max(time, now_), .sequence = next_sequence_++};
  events_.emplace(id, std::move(f));
  return id;
}

bool SimScheduler::Step() {
  if (events_.empty()) return false;
  auto node = events_.extract(events_.begin());
  now_ = node.key().time;
  ++events_run_;
  node.mapped()();
  return true;
}

void SimScheduler::RunUntil(SimNanos time) {
  while (!events_.empty() && events_.begin()->first.time <= time) Step();
  now_ = std::max(now_, time);
}

bool SimScheduler::RunUntilDone(const std::function<bool()>& done, SimNanos deadline) {
  while (!done()) {
    if (events_.empty() || events_.begin()->first.time > deadline) return false;
    Step();
  }
  return true;
}

}  // namespace semper::sim
