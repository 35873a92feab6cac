// SimScheduler: virtual time and the one queue of everything that is going to happen, by (time,
// order of scheduling).
//
// One thread. Owns the seed's generator and the trace. Everything else of the simulated world
// schedules events here.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>

#include "tests/support/sim_random.h"
#include "tests/support/sim_trace.h"

namespace semper::sim {

// Virtual nanoseconds since the simulation began.
using SimNanos = uint64_t;
inline constexpr SimNanos kMicrosecond = 1'000;
inline constexpr SimNanos kMillisecond = 1'000'000;
inline constexpr SimNanos kSecond = 1'000'000'000;

struct SimEventId {
  SimNanos time = 0;
  uint64_t sequence = 0;  // 0: none
  auto operator<=>(const SimEventId&) const =
      default;  // NOLINT(modernize-use-nullptr): its mistake
};

class SimScheduler {
 public:
  explicit SimScheduler(uint64_t seed) : random_(seed) {}
  SimScheduler(const SimScheduler&) = delete;
  SimScheduler& operator=(const SimScheduler&) = delete;

  SimNanos now() const { return now_; }
  SimRandom& random() { return random_; }
  SimTrace& trace() { return trace_; }
  const SimTrace& trace() const { return trace_; }
  uint64_t events_run() const { return events_run_; }

  // What `f` captures must still be there when it runs: owners that can die hold their state by
  // shared_ptr and check that they are alive, or cancel.
  SimEventId At(SimNanos time, std::function<void()> f);
  SimEventId After(SimNanos delay, std::function<void()> f) {
    return At(now_ + delay, std::move(f));
  }
  // Does nothing if the event has run or was cancelled.
  void Cancel(SimEventId id) { events_.erase(id); }

  // Runs the next event. False if there is none.
  bool Step();
  // Runs everything up to `time`, and moves the time there.
  void RunUntil(SimNanos time);
  // Runs until `done` holds, no event is left, or `deadline` is reached. True if `done` holds.
  bool RunUntilDone(const std::function<bool()>& done, SimNanos deadline);

  // Adds to the trace with the time of now.
  template <typename... Parts>
  void Trace(const Parts&... parts) {
    trace_.Add(now_, parts...);
  }

 private:
  SimNanos now_ = 0;
  uint64_t next_sequence_ = 1;
  uint64_t events_run_ = 0;
  SimRandom random_;
  SimTrace trace_;
  std::map<SimEventId, std::function<void()>> events_;
};

}  // namespace semper::sim
