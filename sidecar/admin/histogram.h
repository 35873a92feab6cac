// LatencyHistogram: counts of durations in buckets that double, cheap enough for the event loop.
//
// One thread records; others see copies (they travel in a StatusSnapshot).
#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace semper::admin {

struct LatencyHistogram {
  static constexpr size_t kBoundCount = 20;
  static constexpr uint64_t kFirstBoundNanos = 16'000;

  // Upper bound of bucket `i`, inclusive: 16 us, 32 us, ... 8.4 s. What is longer falls into bucket
  // kBoundCount.
  static constexpr double BoundSeconds(size_t i) {
    return static_cast<double>(kFirstBoundNanos << i) * 1e-9;
  }

  std::array<uint64_t, kBoundCount + 1> counts{};  // of each bucket alone, not cumulated
  uint64_t sum_nanos = 0;

  void Record(std::chrono::nanoseconds duration) {
    const uint64_t nanos = duration.count() < 0 ? 0 : static_cast<uint64_t>(duration.count());
    const uint64_t units = (nanos + kFirstBoundNanos - 1) / kFirstBoundNanos;
    const size_t bucket = units <= 1 ? 0 : static_cast<size_t>(std::bit_width(units - 1));
    ++counts[bucket < kBoundCount ? bucket : kBoundCount];
    sum_nanos += nanos;
  }

  LatencyHistogram& operator+=(const LatencyHistogram& other) {
    for (size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
    sum_nanos += other.sum_nanos;
    return *this;
  }
};

}  // namespace semper::admin
