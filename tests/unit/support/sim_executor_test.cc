#include "tests/support/sim_executor.h"

#include <functional>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/sim_process.h"

namespace semper::sim {
namespace {

class TestJob : public Job {
 public:
  explicit TestJob(
      std::function<void()> work, std::function<void()> done = [] {})
      : work_(std::move(work)), done_(std::move(done)) {}
  void Work() override { work_(); }
  void Done() override { done_(); }

 private:
  const std::function<void()> work_;
  const std::function<void()> done_;
};

class SimExecutorTest : public testing::Test {
 protected:
  void RunAll() { scheduler_.RunUntil(scheduler_.now() + kSecond); }

  SimScheduler scheduler_{1};
  SimNetwork network_{scheduler_};
  SimVolume volume_{scheduler_};
  SimProcess process_{scheduler_, network_, &volume_, "p", "m"};
};

TEST_F(SimExecutorTest, DoneFollowsWorkLater) {
  std::string order;
  TestJob job([&] { order += "work "; }, [&] { order += "done"; });
  process_.executor().Run(Lane::kReader, job);
  EXPECT_EQ(order, "");
  RunAll();
  EXPECT_EQ(order, "work done");
}

TEST_F(SimExecutorTest, JobsOfOneLaneRunInOrder) {
  std::string order;
  TestJob slow([&] {
    ASSERT_TRUE(process_.disk().MakeDir("/slow").ok());
    order += "1";
  });
  TestJob fast([&] { order += "2"; });
  process_.executor().Run(Lane::kReader, slow);
  process_.executor().Run(Lane::kReader, fast);
  RunAll();
  EXPECT_EQ(order, "12");
}

TEST_F(SimExecutorTest, OtherThingsHappenDuringADiskOperation) {
  std::string order;
  TestJob job([&] {
    order += "begin ";
    scheduler_.After(0, [&] { order += "other "; });
    ASSERT_TRUE(process_.disk().MakeDir("/d").ok());
    order += "end";
  });
  process_.executor().Run(Lane::kReader, job);
  RunAll();
  EXPECT_EQ(order, "begin other end");
}

TEST_F(SimExecutorTest, LanesOverlap) {
  volume_.AddFault(
      {.kind = FaultKind::kSlow, .path_part = "slow", .slow_min = kSecond, .slow_max = kSecond});
  std::string order;
  TestJob slow([&] {
    ASSERT_TRUE(process_.disk().MakeDir("/slow").ok());
    order += "slow";
  });
  TestJob fast([&] {
    ASSERT_TRUE(process_.disk().MakeDir("/fast").ok());
    order += "fast ";
  });
  process_.executor().Run(Lane::kLogWriter, slow);
  process_.executor().Run(Lane::kLookup, fast);
  scheduler_.RunUntil(2 * kSecond);
  EXPECT_EQ(order, "fast slow");
}

TEST_F(SimExecutorTest, AKilledProcessDropsTheEffectsOfItsWork) {
  absl::Status first;
  absl::Status second;
  bool done = false;
  TestJob job(
      [&] {
        first = process_.disk().MakeDir("/a");
        second = process_.disk().MakeDir("/b");
      },
      [&] { done = true; });
  volume_.AddFault({.kind = FaultKind::kSlow});
  process_.executor().Run(Lane::kReader, job);
  scheduler_.RunUntil(kMillisecond);  // in the middle of the first
  process_.Kill();
  EXPECT_EQ(first.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(second.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(volume_.counters().operations_interrupted, 1u);
  scheduler_.RunUntil(1000 * kSecond);
  EXPECT_FALSE(done);
  SimDisk after(volume_, "after");
  EXPECT_EQ(after.List("/b").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SimExecutorTest, QueuedJobsOfAKilledProcessNeverBegin) {
  bool began = false;
  TestJob job([&] { began = true; });
  process_.executor().Run(Lane::kReader, job);
  process_.Kill();
  scheduler_.RunUntil(kSecond);
  EXPECT_FALSE(began);
}

TEST_F(SimExecutorTest, APlannedCrashOnAFiberEndsTheProcess) {
  bool struck = false;
  bool done = false;
  SimProcess process(scheduler_, network_, &volume_, "q", "m", [&] { struck = true; });
  TestJob job([&] { static_cast<void>(process.disk().MakeDir("/d")); }, [&] { done = true; });
  volume_.PlanCrash({.after = volume_.mutations()}, [&] { process.Doom(); });
  process.executor().Run(Lane::kReader, job);
  RunAll();
  EXPECT_TRUE(struck);
  EXPECT_TRUE(process.dead());
  EXPECT_FALSE(done);
}

TEST_F(SimExecutorTest, APausedProcessContinuesLater) {
  SimNanos done_at = 0;
  TestJob job([] {}, [&] { done_at = scheduler_.now(); });
  process_.Pause(60 * kSecond);
  process_.executor().Run(Lane::kReader, job);
  scheduler_.RunUntil(61 * kSecond);
  EXPECT_GE(done_at, 60 * kSecond);
}

}  // namespace
}  // namespace semper::sim
