#include "examples/shop/page.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <new>

namespace shop {

namespace {

void* MapFile(const std::string& path, int flags, bool grow) {
  const int fd = open(path.c_str(), flags | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) return nullptr;
  void* at = MAP_FAILED;
  if (!grow || ftruncate(fd, sizeof(Page)) == 0) {
    at = mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  close(fd);
  return at == MAP_FAILED ? nullptr : at;
}

}  // namespace

int64_t MonotonicNanos() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

uint64_t OrdersDue(const Page& page, int64_t now) {
  const int64_t every = page.clock_every.load();
  if (every == 0) return UINT64_MAX;
  const int64_t begin = page.clock_begin.load();
  return now < begin ? 0 : static_cast<uint64_t>((now - begin) / every) + 1;
}

void Settle(Page& page, uint64_t count) {
  uint64_t before = page.orders.settled.load();
  do {
    if (before >= count) return;
  } while (!page.orders.settled.compare_exchange_weak(before, count));
  const int64_t every = page.clock_every.load();
  if (every == 0) return;
  // The first of those that are settled now has waited longest.
  const int64_t due = page.clock_begin.load() + static_cast<int64_t>(before) * every;
  const int64_t wait = MonotonicNanos() - due;
  int64_t longest = page.longest_wait.load();
  while (wait > longest && !page.longest_wait.compare_exchange_weak(longest, wait)) {
  }
}

Page* OpenPage(const std::string& path) { return static_cast<Page*>(MapFile(path, 0, false)); }

Page* CreatePage(const std::string& path) {
  void* at = MapFile(path, O_CREAT | O_EXCL, true);
  return at == nullptr ? nullptr : new (at) Page;
}

}  // namespace shop
