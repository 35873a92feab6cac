// A Backend that answers what the test put in.
#pragma once

#include <atomic>
#include <functional>
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
  absl::Status Switchover(const std::string& to, std::chrono::nanoseconds timeout) override {
    std::function<absl::Status(const std::string& to)> answer;
    {
      std::lock_guard lock(mutex_);
      last_timeout_ = timeout;
      answer = switchover_;
    }
    return answer(to);
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
  // What answers a switchover; it may Set what comes of it.
  void SetSwitchover(std::function<absl::Status(const std::string& to)> answer) {
    std::lock_guard lock(mutex_);
    switchover_ = std::move(answer);
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
  std::function<absl::Status(const std::string& to)> switchover_ = [](const std::string&) {
    return absl::OkStatus();
  };
  std::chrono::nanoseconds last_timeout_{0};
};

// A leader with one peer on each side and two fellow members.
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
  s.role = "leader";
  s.leader = "orders-0";
  s.members = {
      {.name = "orders-1", .role = "standby", .ready = true, .epoch = 7, .index = 117},
      {.name = "orders-2", .role = "unfit", .epoch = 7, .index = 90, .reason = "outputs differ"}};
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
  s.counters.takeovers = 1;
  s.recovery_seconds = 0.25;
  return s;
}

// orders-0 as a standby of orders-1, which leads epoch 8.
inline StatusSnapshot StandbySnapshot() {
  StatusSnapshot s = LeadingSnapshot();
  s.phase = Phase::kFollowing;
  s.role = "standby";
  s.leader = "orders-1";
  s.epoch = 8;
  s.ready = true;
  s.lag_inputs = 12;
  s.lag_seconds = 0.1;
  s.counters.takeovers = 0;
  s.recovery_seconds = 0;
  s.members = {{.name = "orders-1", .role = "leader", .ready = true, .epoch = 8, .index = 130}};
  return s;
}

}  // namespace semper::admin
