// A Backend that answers what the test put in.
#pragma once

#include <atomic>
#include <mutex>

#include "sidecar/admin/backend.h"

namespace semper::admin {

class FakeBackend : public Backend {
 public:
  StatusSnapshot Status() override {
    std::lock_guard lock(mutex_);
    return snapshot_;
  }
  absl::StatusOr<CheckpointRef> TakeCheckpoint(std::chrono::nanoseconds timeout) override {
    std::lock_guard lock(mutex_);
    last_timeout_ = timeout;
    return checkpoint_;
  }
  void Drain() override { ++drains; }

  void Set(StatusSnapshot snapshot) {
    std::lock_guard lock(mutex_);
    snapshot_ = std::move(snapshot);
  }
  void SetCheckpoint(absl::StatusOr<CheckpointRef> checkpoint) {
    std::lock_guard lock(mutex_);
    checkpoint_ = std::move(checkpoint);
  }
  std::chrono::nanoseconds last_timeout() {
    std::lock_guard lock(mutex_);
    return last_timeout_;
  }

  std::atomic<int> drains = 0;

 private:
  std::mutex mutex_;
  StatusSnapshot snapshot_;
  absl::StatusOr<CheckpointRef> checkpoint_ = CheckpointRef{};
  std::chrono::nanoseconds last_timeout_{0};
};

// A leader with one peer on each side, every field filled.
inline StatusSnapshot LeadingSnapshot() {
  StatusSnapshot s;
  s.name = "shop/orders";
  s.incarnation = "00112233445566778899aabbccddeeff";
  s.cluster = "test";
  s.member = "orders-0";
  s.version = "0.1.0";
  s.epoch = 7;
  s.phase = Phase::kLeading;
  s.index_appended = 120;
  s.index_committed = 118;
  s.index_delivered = 119;
  s.index_done = 117;
  s.generation = 2;
  s.service = {.connected = true, .name = "shop.Orders", .version = 3, .sdk = "semper-cpp/0.1.0"};
  s.log_segments = 4;
  s.log_bytes = 4096;
  s.checkpoint = {
      .last = {6, 100}, .last_unix_nanos = 1'700'000'000'000'000'000, .last_bytes = 999};
  s.sources = {
      {.name = "shop/stock", .slot = 1, .sequence = 11, .committed = 10, .connected = true}};
  s.destinations = {{.name = "shop/stock",
                     .slot = 1,
                     .produced = 50,
                     .released = 48,
                     .acked = 40,
                     .held_bytes = 640,
                     .quarantine = "histories differ at sequence 40"}};
  s.counters.inputs = 120;
  s.counters.checkpoints_failed = 2;
  s.recovery_seconds = 0.25;
  return s;
}

}  // namespace semper::admin
