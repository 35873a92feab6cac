// Counts what a program allocates, for LD_PRELOAD: words of a file that the runner maps too.
//
//   SEMPER_ALLOCATIONS=FILE LD_PRELOAD=libbench_allocations.so PROGRAM…
//
//   0 allocations   1 their bytes   2 set by the runner: of so many more the stack goes to stderr
//
// operator new and everything else of the C++ library end in these functions. glibc's own names
// for what they replace are used, since dlsym itself allocates.
#include <execinfo.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}

namespace {

constexpr size_t kFileBytes = 4096;
constexpr int kFramesMax = 24;

std::atomic<uint64_t>* words = nullptr;
thread_local bool telling __attribute__((tls_model("initial-exec"))) = false;

__attribute__((constructor)) void Map() {
  const char* const path = std::getenv("SEMPER_ALLOCATIONS");
  if (path == nullptr) return;
  void* frame;
  backtrace(&frame, 1);  // loads what it needs, which allocates
  const int file = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  if (file < 0 || ftruncate(file, kFileBytes) != 0) std::abort();
  void* const mapped = mmap(nullptr, kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (mapped == MAP_FAILED) std::abort();
  close(file);
  words = static_cast<std::atomic<uint64_t>*>(mapped);
}

void Count(size_t bytes) {
  if (words == nullptr || telling) return;
  words[0].fetch_add(1, std::memory_order_relaxed);
  words[1].fetch_add(bytes, std::memory_order_relaxed);
  uint64_t left = words[2].load(std::memory_order_relaxed);
  if (left == 0 || !words[2].compare_exchange_strong(left, left - 1)) return;
  telling = true;
  void* frames[kFramesMax];
  backtrace_symbols_fd(frames, backtrace(frames, kFramesMax), STDERR_FILENO);
  if (write(STDERR_FILENO, "--\n", 3) != 3) std::abort();
  telling = false;
}

}  // namespace

extern "C" {

void* malloc(size_t bytes) {
  Count(bytes);
  return __libc_malloc(bytes);
}

void* calloc(size_t count, size_t bytes) {
  Count(count * bytes);
  return __libc_calloc(count, bytes);
}

void* realloc(void* from, size_t bytes) {
  Count(bytes);
  return __libc_realloc(from, bytes);
}

void* memalign(size_t alignment, size_t bytes) {
  Count(bytes);
  return __libc_memalign(alignment, bytes);
}

void* aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }

int posix_memalign(void** to, size_t alignment, size_t bytes) {
  *to = memalign(alignment, bytes);
  return *to == nullptr ? ENOMEM : 0;
}
}
