#include "base/epoll_loop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/timer_heap.h"
#include "tests/unit/base/loop_fixture.h"

namespace semper {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

TEST(EpollLoop, RunsTimersInTheOrderOfTheirTimes) {
  EpollLoop loop;
  std::string order;
  const auto c = loop.After(milliseconds(3), [&] { order += 'c'; });
  const auto a = loop.After(milliseconds(1), [&] { order += 'a'; });
  const auto b = loop.After(milliseconds(2), [&] { order += 'b'; });
  EXPECT_TRUE(RunUntil(loop, [&] { return order.size() == 3; }));
  EXPECT_EQ(order, "abc");
}

TEST(EpollLoop, RunsNoTimerEarly) {
  EpollLoop loop;
  const nanoseconds start = loop.Monotonic();
  nanoseconds ran{};
  const auto timer = loop.After(milliseconds(5), [&] { ran = loop.Monotonic(); });
  EXPECT_TRUE(RunUntil(loop, [&] { return ran.count() != 0; }));
  EXPECT_GE(ran - start, milliseconds(5));
}

TEST(EpollLoop, RunsNoTimerInsideTheCallThatMakesIt) {
  EpollLoop loop;
  bool ran = false;
  const auto timer = loop.After(nanoseconds(-1), [&] { ran = true; });
  EXPECT_FALSE(ran);
  EXPECT_TRUE(RunUntil(loop, [&] { return ran; }));
}

TEST(EpollLoop, CancelsATimerThatIsDestroyed) {
  EpollLoop loop;
  bool first_ran = false;
  bool second_ran = false;
  auto first = loop.After(nanoseconds(0), [&] { first_ran = true; });
  const auto second = loop.After(milliseconds(1), [&] { second_ran = true; });
  first.reset();
  EXPECT_TRUE(RunUntil(loop, [&] { return second_ran; }));
  EXPECT_FALSE(first_ran);
}

TEST(EpollLoop, LetsATimerDestroyItselfAndOthers) {
  EpollLoop loop;
  std::unique_ptr<Timer> first;
  std::unique_ptr<Timer> second;
  const std::string captured(100, 'x');
  std::string seen;
  bool second_ran = false;
  first = loop.After(nanoseconds(0), [&, captured] {
    first.reset();
    second.reset();
    seen = captured;
  });
  second = loop.After(nanoseconds(1), [&] { second_ran = true; });
  EXPECT_TRUE(RunUntil(loop, [&] { return !seen.empty(); }));
  loop.RunOnce(nanoseconds(0));
  EXPECT_EQ(seen, captured);
  EXPECT_FALSE(second_ran);
}

TEST(EpollLoop, LetsATimerOutliveIt) {
  std::unique_ptr<Timer> timer;
  {
    EpollLoop loop;
    timer = loop.After(milliseconds(1), [] { FAIL(); });
  }
  timer.reset();
}

TEST(EpollLoop, AcceptsAnEndlessDelay) {
  EpollLoop loop;
  const auto timer = loop.After(nanoseconds::max(), [] { FAIL(); });
  loop.RunOnce(nanoseconds(0));
}

TEST(TimerHeap, StaysInOrderThroughRandomCancellations) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    TimerHeap heap;
    std::vector<std::unique_ptr<HeapTimer>> timers;
    std::vector<int> ran;
    for (int i = 0; i < 60; ++i) {
      const int when = static_cast<int>(random() % 40);
      timers.push_back(std::make_unique<HeapTimer>(heap, nanoseconds(when),
                                                   [&ran, when] { ran.push_back(when); }));
      if (random() % 3 == 0) timers[random() % timers.size()] = nullptr;
    }
    const size_t alive = heap.size();
    heap.RunDue(nanoseconds(1000));
    ASSERT_EQ(ran.size(), alive);
    ASSERT_TRUE(std::is_sorted(ran.begin(), ran.end()));
  }
}

TEST(EpollLoop, RunsPostedCallsInOrder) {
  EpollLoop loop;
  std::string order;
  loop.Post([&] { order += 'a'; });
  loop.Post([&] { order += 'b'; });
  EXPECT_EQ(order, "");
  loop.RunOnce(kTooLong);
  EXPECT_EQ(order, "ab");
}

TEST(EpollLoop, WakesForACallPostedByAnotherThread) {
  EpollLoop loop;
  int ran = 0;
  std::jthread thread([&] {
    for (int i = 0; i < 1000; ++i) loop.Post([&] { ++ran; });
    loop.Post([&] { loop.Stop(); });
  });
  loop.Run();
  EXPECT_EQ(ran, 1000);
}

TEST(EpollLoop, StopsWhenAnotherThreadSaysSo) {
  EpollLoop loop;
  std::jthread thread([&] { loop.Stop(); });
  loop.Run();
}

TEST(EpollLoop, RunsTheEndOfARoundAfterPostedCallsAndBeforeItSleeps) {
  EpollLoop loop;
  std::string order;
  loop.Post([&] {
    loop.AtEndOfRound([&] {
      order += 'e';
      loop.AtEndOfRound([&] { order += 'f'; });
    });
    order += 'p';
  });
  loop.Post([&] { order += 'q'; });
  loop.RunOnce(kTooLong);
  EXPECT_EQ(order, "pqe");
  loop.RunOnce(kTooLong);
  EXPECT_EQ(order, "pqef");
}

TEST(EpollLoop, RunsATaskOnceAtTheEndOfARound) {
  EpollLoop loop;
  std::string order;
  RoundTask* again = nullptr;
  RoundTask first([&] {
    order += 'a';
    if (order.size() < 3) loop.AtEndOfRound(*again);
  });
  again = &first;
  auto gone = std::make_unique<RoundTask>([&] { order += 'g'; });
  RoundTask last([&] { order += 'z'; });
  loop.Post([&] {
    loop.AtEndOfRound(first);
    loop.AtEndOfRound(*gone);
    loop.AtEndOfRound(last);
    loop.AtEndOfRound(first);
    gone.reset();
    order += 'p';
  });
  loop.RunOnce(kTooLong);
  EXPECT_EQ(order, "paz");
  loop.RunOnce(kTooLong);
  EXPECT_EQ(order, "paza");
}

TEST(EpollLoop, HasAClockAndRandomNumbers) {
  EpollLoop loop;
  const nanoseconds before = loop.Monotonic();
  EXPECT_LE(before, loop.Monotonic());
  EXPECT_GT(loop.WallClock(), 1'600'000'000'000'000'000u);
  std::set<uint64_t> numbers;
  for (int i = 0; i < 1000; ++i) numbers.insert(loop.Random());
  EXPECT_EQ(numbers.size(), 1000u);
}

TEST(EpollLoopDeathTest, RefusesToDieBeforeItsStreams) {
  EXPECT_DEATH(
      {
        std::unique_ptr<Listener> listener;
        EpollLoop loop;
        listener = *loop.Listen("127.0.0.1:0", [](std::unique_ptr<Stream>) {});
      },
      "outlive their loop");
}

}  // namespace
}  // namespace semper
