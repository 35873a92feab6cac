// Page: a page of memory shared with whoever watches the shop (the demo). It survives its writers,
// and says what a process that was killed knew last; of an immortal with several members the one
// that leads writes it. Nothing on it is part of an immortal's state, and no handler reads it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace shop {

struct alignas(64) ServiceCounts {
  std::atomic<uint64_t> lives{0};  // how often it went live

  // Orders: numbers below have been submitted, taken out of the log, answered by stock; and the
  // latter is committed.
  std::atomic<uint64_t> submitted{0};
  std::atomic<uint64_t> taken{0};
  std::atomic<uint64_t> confirmed{0};
  std::atomic<uint64_t> settled{0};  // never goes back

  // Stock: calls to orders, and those whose goods have arrived.
  std::atomic<uint64_t> refills{0};
  std::atomic<uint64_t> refilled{0};
};

struct Page {
  // Written by the watcher.
  std::atomic<uint64_t> limit{UINT64_MAX};  // no orders from this number on
  std::atomic<uint64_t> report{0};          // a report with this number is wanted; 0: none

  // Customers come by the clock: order n at clock_begin + n * clock_every, in nanoseconds of
  // CLOCK_MONOTONIC, whatever became of those before. clock_every 0: as fast as the window allows.
  std::atomic<int64_t> clock_begin{0};
  std::atomic<int64_t> clock_every{0};

  // Written by the orders service, taken by the watcher: the longest that a customer waited since,
  // from the time when the order was due until its confirmation was known to be committed.
  std::atomic<int64_t> longest_wait{0};

  ServiceCounts orders;
  ServiceCounts stock;
};
static_assert(std::atomic<uint64_t>::is_always_lock_free, "the page is shared between processes");

// How many orders are due at `now` by the page's clock; UINT64_MAX without one.
uint64_t OrdersDue(const Page& page, int64_t now);
int64_t MonotonicNanos();

// Orders below `count` are settled, now. Older news than what the page has changes nothing, so that
// a leader that was deposed may say it.
void Settle(Page& page, uint64_t count);

// Maps the page in the file, which CreatePage has made; null with errno if that fails. Stays
// mapped.
Page* OpenPage(const std::string& path);

// Makes the file, with a fresh page in it; null with errno if that fails.
Page* CreatePage(const std::string& path);

}  // namespace shop
