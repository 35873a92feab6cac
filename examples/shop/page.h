// Page: a page of memory shared with whoever watches the shop (the demo). It survives its writers,
// and says what a process that was killed knew last. Nothing on it is part of an immortal's state,
// and no handler reads it.
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

  ServiceCounts orders;
  ServiceCounts stock;
};
static_assert(std::atomic<uint64_t>::is_always_lock_free, "the page is shared between processes");

// Maps the page in the file, which CreatePage has made; null with errno if that fails. Stays
// mapped.
Page* OpenPage(const std::string& path);

// Makes the file, with a fresh page in it; null with errno if that fails.
Page* CreatePage(const std::string& path);

}  // namespace shop
