// Tally: what a benchmark's service tells the runner, in a file that both map. Written by the
// service's thread, read at any time; survives a killed service. Layout (little-endian 64-bit
// words; bench/tally.py reads it):
//
//   0 live: 1 after OnLive         5 live_nanos: CLOCK_MONOTONIC of OnLive
//   1 received: messages           6 first_nanos: of the first message
//   2 committed: of `received`     7 samples: how many (32 bits each, ns, from byte 4096 on)
//   3 impulses: committed          8 hold: set by the runner, stops the flow
//   4 violations: wrong messages   9 rate: set by the runner, messages a second; 0: no clock
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

namespace semper::bench {

inline uint64_t MonotonicNanos() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

class Tally {
 public:
  static constexpr size_t kHeaderBytes = 4096;
  static constexpr uint64_t kSamplesMax = 1u << 20;

  explicit Tally(const std::string& path) {
    constexpr size_t kBytes = kHeaderBytes + kSamplesMax * sizeof(uint32_t);
    const int file = open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    if (file < 0 || ftruncate(file, kBytes) != 0) Die(path);
    void* const mapped = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) Die(path);
    close(file);
    words_ = static_cast<std::atomic<uint64_t>*>(mapped);
    samples_ = reinterpret_cast<uint32_t*>(static_cast<char*>(mapped) + kHeaderBytes);
  }

  void SetLive() {
    Set(5, MonotonicNanos());
    Set(0, 1);
  }
  void SetReceived(uint64_t messages) {
    if (words_[6].load(std::memory_order_relaxed) == 0) Set(6, MonotonicNanos());
    Set(1, messages);
  }
  void SetCommitted(uint64_t messages) { Set(2, messages); }
  bool held() const { return words_[8].load(std::memory_order_relaxed) != 0; }
  uint64_t rate() const { return words_[9].load(std::memory_order_relaxed); }
  void AddImpulse() { Set(3, words_[3].load(std::memory_order_relaxed) + 1); }
  void AddViolation() { Set(4, words_[4].load(std::memory_order_relaxed) + 1); }
  void AddSample(uint64_t nanos) {
    const uint64_t count = words_[7].load(std::memory_order_relaxed);
    if (count == kSamplesMax) return;
    samples_[count] = nanos > UINT32_MAX ? UINT32_MAX : static_cast<uint32_t>(nanos);
    Set(7, count + 1);
  }

 private:
  [[noreturn]] static void Die(const std::string& path) {
    std::perror(path.c_str());
    std::exit(1);
  }
  void Set(int word, uint64_t value) { words_[word].store(value, std::memory_order_release); }

  std::atomic<uint64_t>* words_;
  uint32_t* samples_;
};

}  // namespace semper::bench
