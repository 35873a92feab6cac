#include "tests/support/sim_loop.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/support/sim_process.h"

namespace semper::sim {
namespace {

using std::chrono::milliseconds;

class SimLoopTest : public testing::Test {
 protected:
  SimLoop& loop() { return process_.loop(); }

  SimScheduler scheduler_{1};
  SimNetwork network_{scheduler_};
  SimProcess process_{scheduler_, network_, nullptr, "p", "m"};
};

TEST_F(SimLoopTest, ATimerRunsOnceAndNotEarly) {
  int runs = 0;
  SimNanos at = 0;
  const auto timer = loop().After(milliseconds(5), [&] {
    ++runs;
    at = scheduler_.now();
  });
  scheduler_.RunUntil(kSecond);
  EXPECT_EQ(runs, 1);
  EXPECT_GE(at, 5 * kMillisecond);
}

TEST_F(SimLoopTest, ADestroyedTimerDoesNotRun) {
  bool ran = false;
  loop().After(milliseconds(5), [&] { ran = true; }).reset();
  scheduler_.RunUntil(kSecond);
  EXPECT_FALSE(ran);
}

TEST_F(SimLoopTest, ATimerMayBeDestroyedByItsOwnFunction) {
  std::unique_ptr<Timer> timer;
  timer = loop().After(milliseconds(5), [&] { timer.reset(); });
  scheduler_.RunUntil(kSecond);
  EXPECT_EQ(timer, nullptr);
}

TEST_F(SimLoopTest, TheEndOfTheRoundComesAfterEverythingReady) {
  std::string order;
  loop().Post([&] {
    order += "1 ";
    loop().AtEndOfRound([&] { order += "end"; });
  });
  loop().Post([&] { order += "2 "; });
  scheduler_.RunUntil(kSecond);
  EXPECT_EQ(order, "1 2 end");
}

TEST_F(SimLoopTest, PostNeverRunsInsideTheCall) {
  bool ran = false;
  loop().Post([&] { ran = true; });
  EXPECT_FALSE(ran);
  scheduler_.RunUntil(kSecond);
  EXPECT_TRUE(ran);
}

TEST_F(SimLoopTest, ADeadProcessCallsNothing) {
  bool ran = false;
  loop().Post([&] { ran = true; });
  const auto timer = loop().After(milliseconds(5), [&] { ran = true; });
  process_.Kill();
  scheduler_.RunUntil(kSecond);
  EXPECT_FALSE(ran);
}

TEST_F(SimLoopTest, TheWallClockJumpsAndTheSteadyOneDoesNot) {
  const auto wall = loop().WallClock();
  const auto steady = loop().Monotonic();
  process_.JumpWallClock(-int64_t{3600} * 1'000'000'000);
  EXPECT_EQ(loop().WallClock(), wall - 3600 * kSecond);
  EXPECT_EQ(loop().Monotonic(), steady);
}

TEST_F(SimLoopTest, ACrashStrikesBetweenTwoEffects) {
  bool struck = false;
  SimProcess doomed(scheduler_, network_, nullptr, "q", "m", [&] { struck = true; });
  std::unique_ptr<Listener> first;
  std::unique_ptr<Listener> second;
  doomed.CrashAfterEffects(1);
  doomed.loop().Post([&] {
    first = *doomed.loop().Listen("a:1", [](auto) {});
    second = *doomed.loop().Listen("a:2", [](auto) {});
  });
  absl::StatusOr<std::unique_ptr<Stream>> dialled = absl::InternalError("not yet");
  scheduler_.RunUntil(kSecond);
  EXPECT_TRUE(struck);
  EXPECT_EQ(doomed.effects(), 1u);
  const auto dial =
      loop().Dial("a:2", milliseconds(100), [&](auto result) { dialled = std::move(result); });
  scheduler_.RunUntil(2 * kSecond);
  EXPECT_EQ(dialled.status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace semper::sim
