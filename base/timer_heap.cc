#include "base/timer_heap.h"

#include <utility>

namespace semper {

HeapTimer::HeapTimer(TimerHeap& heap, std::chrono::nanoseconds when, std::function<void()> f)
    : heap_(&heap), when_(when), order_(heap.next_order_++), f_(std::move(f)) {
  heap.Add(this);
}

HeapTimer::~HeapTimer() {
  if (heap_ != nullptr) heap_->Remove(this);
}

TimerHeap::~TimerHeap() {
  for (HeapTimer* timer : heap_) timer->heap_ = nullptr;
}

std::optional<std::chrono::nanoseconds> TimerHeap::Next() const {
  if (heap_.empty()) return std::nullopt;
  return heap_.front()->when_;
}

void TimerHeap::RunDue(std::chrono::nanoseconds now) {
  // A timer that is made by one of these calls waits for the next round, or two of them could keep
  // the loop for ever.
  const uint64_t end_order = next_order_;
  while (!heap_.empty() && heap_.front()->when_ <= now && heap_.front()->order_ < end_order) {
    HeapTimer* const timer = heap_.front();
    Remove(timer);
    // The call may destroy the timer.
    const std::function<void()> f = std::move(timer->f_);
    f();
  }
}

void TimerHeap::Add(HeapTimer* timer) {
  heap_.push_back(timer);
  Up(timer, heap_.size() - 1);
}

void TimerHeap::Remove(HeapTimer* timer) {
  const size_t place = timer->place_;
  timer->heap_ = nullptr;
  HeapTimer* const last = heap_.back();
  heap_.pop_back();
  if (last == timer) return;
  Place(last, place);
  Up(last, place);
  Down(last, last->place_);
}

void TimerHeap::Place(HeapTimer* timer, size_t place) {
  heap_[place] = timer;
  timer->place_ = place;
}

void TimerHeap::Up(HeapTimer* timer, size_t place) {
  while (place > 0) {
    const size_t parent = (place - 1) / 2;
    if (!timer->Before(*heap_[parent])) break;
    Place(heap_[parent], place);
    place = parent;
  }
  Place(timer, place);
}

void TimerHeap::Down(HeapTimer* timer, size_t place) {
  while (true) {
    size_t child = 2 * place + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->Before(*heap_[child])) ++child;
    if (!heap_[child]->Before(*timer)) break;
    Place(heap_[child], place);
    place = child;
  }
  Place(timer, place);
}

}  // namespace semper
