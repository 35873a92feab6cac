// TimerHeap: pending timers, the earliest first; cancelling one is logarithmic and leaves nothing
// behind.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/loop.h"

namespace semper {

class TimerHeap;

// One pending call. Takes itself out of the heap when it is destroyed.
class HeapTimer final : public Timer {
 public:
  HeapTimer(TimerHeap& heap, std::chrono::nanoseconds when, std::function<void()> f);
  ~HeapTimer() override;
  HeapTimer(const HeapTimer&) = delete;
  HeapTimer& operator=(const HeapTimer&) = delete;

 private:
  friend class TimerHeap;
  bool Before(const HeapTimer& other) const {
    return when_ != other.when_ ? when_ < other.when_ : order_ < other.order_;
  }

  TimerHeap* heap_;  // null when it is not pending any more
  size_t place_ = 0;
  std::chrono::nanoseconds when_;
  uint64_t order_;
  std::function<void()> f_;
};

// Borrows its timers; those that outlive it never run. Loop's thread only.
class TimerHeap {
 public:
  ~TimerHeap();

  // When the first timer is due, if there is one.
  std::optional<std::chrono::nanoseconds> Next() const;

  // Runs what is due at `now` and was pending when the call began, in order of time, then of
  // creation.
  void RunDue(std::chrono::nanoseconds now);

  size_t size() const { return heap_.size(); }

 private:
  friend class HeapTimer;
  void Add(HeapTimer* timer);
  void Remove(HeapTimer* timer);
  void Place(HeapTimer* timer, size_t place);
  void Up(HeapTimer* timer, size_t place);
  void Down(HeapTimer* timer, size_t place);

  std::vector<HeapTimer*> heap_;
  uint64_t next_order_ = 0;
};

}  // namespace semper
