// EpollLoop: the machine's event loop (Linux, epoll).
//
// One round: wait for events, deliver them, run due timers, run what was posted, run what waits for
// the end of the round; then sleep again. A stream delivers at most 4 MiB in a row before others
// have their turn. Streams, listeners and timers may be destroyed in any callback, their own
// included; all streams and listeners must be gone before the loop is.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/loop.h"
#include "base/timer_heap.h"

namespace semper {

class EventSource;

class EpollLoop final : public Loop {
 public:
  EpollLoop();
  ~EpollLoop() override;
  EpollLoop(const EpollLoop&) = delete;
  EpollLoop& operator=(const EpollLoop&) = delete;

  // Runs rounds on this thread until Stop. May be called again afterwards.
  void Run();

  // Makes Run return after its current round. Any thread, and signal handlers.
  void Stop();

  // One round; sleeps in it for `longest` at most.
  void RunOnce(std::chrono::nanoseconds longest);

  absl::StatusOr<std::unique_ptr<Listener>> Listen(
      const std::string& address, std::function<void(std::unique_ptr<Stream>)> accept) override;
  std::unique_ptr<Timer> Dial(
      const std::string& address, std::chrono::nanoseconds timeout,
      std::function<void(absl::StatusOr<std::unique_ptr<Stream>>)> connected) override;
  [[nodiscard]] std::unique_ptr<Timer> After(std::chrono::nanoseconds delay,
                                             std::function<void()> f) override;
  void AtEndOfRound(std::function<void()> f) override;
  void AtEndOfRound(RoundTask& task) override { tasks_.Plan(task); }
  void Post(std::function<void()> f) override;
  std::chrono::nanoseconds Monotonic() const override;
  UnixNanos WallClock() const override;
  uint64_t Random() override;

  // For the sources of events (base/event_source.h).
  void Watch(EventSource& source, uint32_t events);    // begins
  void Rewatch(EventSource& source, uint32_t events);  // changes what is watched
  void Unwatch(EventSource& source);
  void TakeTurn(EventSource& source);              // OnTurn in this round or the next
  void Bury(std::unique_ptr<EventSource> source);  // no calls any more; destroyed after the round

 private:
  friend class EventSource;

  void Sleep(std::chrono::nanoseconds longest);
  void Wait(std::chrono::nanoseconds timeout);
  void RunTurns();
  void RunPosted();
  void RunEndOfRound();
  void Wake();

  static constexpr int kEventsMax = 256;

  const int epoll_;
  const int wake_;  // eventfd
  bool has_pwait2_ = true;
  size_t sources_ = 0;  // that are not dead
  TimerHeap timers_;
  std::vector<EventSource*> turns_;
  std::vector<EventSource*> turns_running_;
  RoundTasks tasks_;
  std::vector<std::function<void()>> end_of_round_;
  std::vector<std::function<void()>> end_of_round_running_;
  std::vector<std::unique_ptr<EventSource>> graveyard_;
  std::array<uint64_t, 32> random_{};
  size_t random_left_ = 0;

  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by mutex_
  bool sleeping_ = false;                      // guarded by mutex_: nobody has woken the loop yet
  std::vector<std::function<void()>> posted_running_;
};

}  // namespace semper
