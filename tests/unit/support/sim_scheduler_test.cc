#include "tests/support/sim_scheduler.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace semper::sim {
namespace {

TEST(SimScheduler, RunsByTimeThenByOrderOfScheduling) {
  SimScheduler scheduler(1);
  std::string order;
  scheduler.At(20, [&] { order += 'c'; });
  scheduler.At(10, [&] { order += 'a'; });
  scheduler.At(10, [&] { order += 'b'; });
  while (scheduler.Step()) {
  }
  EXPECT_EQ(order, "abc");
  EXPECT_EQ(scheduler.now(), 20u);
}

TEST(SimScheduler, ACancelledEventDoesNotRun) {
  SimScheduler scheduler(1);
  bool ran = false;
  const SimEventId id = scheduler.After(5, [&] { ran = true; });
  scheduler.Cancel(id);
  EXPECT_FALSE(scheduler.Step());
  EXPECT_FALSE(ran);
}

TEST(SimScheduler, NothingHappensInThePast) {
  SimScheduler scheduler(1);
  scheduler.RunUntil(100);
  SimNanos at = 0;
  scheduler.At(50, [&] { at = scheduler.now(); });
  scheduler.Step();
  EXPECT_EQ(at, 100u);
}

TEST(SimScheduler, WaitsForAConditionUntilTheDeadline) {
  SimScheduler scheduler(1);
  int count = 0;
  for (SimNanos t = 1; t <= 10; ++t) scheduler.At(t, [&] { ++count; });
  EXPECT_TRUE(scheduler.RunUntilDone([&] { return count == 3; }, 100));
  EXPECT_FALSE(scheduler.RunUntilDone([&] { return count == 100; }, 5));
  EXPECT_EQ(scheduler.now(), 5u);
}

TEST(SimRandom, GivesTheNumbersOfTheAlgorithm) {
  // The first outputs for the seed 1234567 as in the algorithm's description elsewhere.
  SimRandom random(1234567);
  EXPECT_EQ(random.Next(), 6457827717110365317u);
  EXPECT_EQ(random.Next(), 3203168211198807973u);
}

TEST(SimRandom, StaysWithinItsBounds) {
  SimRandom random(7);
  std::vector<int> seen(5);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t n = random.Between(10, 14);
    ASSERT_GE(n, 10u);
    ASSERT_LE(n, 14u);
    ++seen[n - 10];
    ASSERT_LE(random.Skewed(9), 9u);
  }
  for (int count : seen) EXPECT_GT(count, 100);
}

}  // namespace
}  // namespace semper::sim
