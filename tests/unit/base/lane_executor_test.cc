#include "base/lane_executor.h"

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "base/epoll_loop.h"
#include "base/job_queue.h"
#include "tests/unit/base/loop_fixture.h"

namespace semper {
namespace {

class TestJob : public Job {
 public:
  TestJob(std::function<void()> work, std::function<void()> done)
      : work_(std::move(work)), done_(std::move(done)) {}
  void Work() override { work_(); }
  void Done() override { done_(); }

 private:
  std::function<void()> work_;
  std::function<void()> done_;
};

TEST(JobQueue, GivesJobsBackInOrder) {
  TestJob a([] {}, [] {});
  TestJob b([] {}, [] {});
  JobQueue queue;
  queue.Push(a);
  queue.Push(b);
  EXPECT_EQ(queue.Pop(), &a);
  queue.Push(a);
  EXPECT_EQ(queue.Pop(), &b);
  EXPECT_EQ(queue.Pop(), &a);
  EXPECT_EQ(queue.Pop(), nullptr);
  EXPECT_TRUE(queue.empty());
}

TEST(LaneExecutor, RunsJobsOfALaneInOrderAndDoneOnTheLoop) {
  EpollLoop loop;
  LaneExecutor executor(loop);
  std::string worked;
  std::string done;
  std::thread::id done_on;
  std::vector<std::unique_ptr<TestJob>> jobs;
  for (const char c : std::string("abcdef")) {
    jobs.push_back(std::make_unique<TestJob>([&worked, c] { worked += c; },
                                             [&, c] {
                                               done += c;
                                               done_on = std::this_thread::get_id();
                                             }));
    executor.Run(Lane::kReader, *jobs.back());
  }
  EXPECT_TRUE(RunUntil(loop, [&] { return done.size() == jobs.size(); }));
  EXPECT_EQ(worked, "abcdef");
  EXPECT_EQ(done, "abcdef");
  EXPECT_EQ(done_on, std::this_thread::get_id());
}

TEST(LaneExecutor, LetsAJobBeRunAgainFromItsDone) {
  EpollLoop loop;
  LaneExecutor executor(loop);
  int left = 1000;
  TestJob* self = nullptr;
  TestJob job([] {},
              [&] {
                if (--left > 0) executor.Run(Lane::kLogWriter, *self);
              });
  self = &job;
  executor.Run(Lane::kLogWriter, job);
  EXPECT_TRUE(RunUntil(loop, [&] { return left == 0; }));
}

TEST(LaneExecutor, RunsLanesBesideEachOther) {
  EpollLoop loop;
  LaneExecutor executor(loop);
  std::promise<void> looked_up;
  int done = 0;
  TestJob writer([&] { looked_up.get_future().wait(); }, [&] { ++done; });
  TestJob lookup([&] { looked_up.set_value(); }, [&] { ++done; });
  executor.Run(Lane::kLogWriter, writer);
  executor.Run(Lane::kLookup, lookup);
  EXPECT_TRUE(RunUntil(loop, [&] { return done == 2; }));
}

// What a detached lane still uses lives for ever, as in a process that has to end with _exit.
struct StuckWork {
  std::promise<void> began;
  std::promise<void> released;
  TestJob job = TestJob(
      [this] {
        began.set_value();
        released.get_future().wait();
      },
      [] { FAIL(); });
};

TEST(LaneExecutor, ReportsAStuckLaneAndCallsNobodyAfterStop) {
  static std::vector<std::unique_ptr<StuckWork>>& for_ever =
      *new std::vector<std::unique_ptr<StuckWork>>;
  for_ever.push_back(std::make_unique<StuckWork>());
  StuckWork& stuck = *for_ever.back();
  EpollLoop loop;
  TestJob behind([] { FAIL(); }, [] { FAIL(); });
  {
    LaneExecutor executor(loop);
    executor.Run(Lane::kCheckpoint, stuck.job);
    executor.Run(Lane::kCheckpoint, behind);
    stuck.began.get_future().wait();
    EXPECT_EQ(executor.Stop(std::chrono::milliseconds(1)), std::vector{Lane::kCheckpoint});
    executor.Run(Lane::kReader, behind);
  }
  stuck.released.set_value();
  loop.RunOnce(std::chrono::milliseconds(5));
}

TEST(LaneExecutor, SaysWhenAStuckLaneHasEnded) {
  EpollLoop loop;
  StuckWork stuck;
  LaneExecutor executor(loop);
  executor.Run(Lane::kCheckpoint, stuck.job);
  stuck.began.get_future().wait();
  EXPECT_EQ(executor.Stop(std::chrono::milliseconds(1)).size(), 1u);
  EXPECT_FALSE(executor.Ended());
  stuck.released.set_value();
  const auto deadline = std::chrono::steady_clock::now() + kTooLong;
  while (!executor.Ended() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(executor.Ended());
}

TEST(LaneExecutor, StopsAtOnceWhenNothingIsStuck) {
  EpollLoop loop;
  LaneExecutor executor(loop);
  bool done = false;
  TestJob job([] {}, [&] { done = true; });
  executor.Run(Lane::kReader, job);
  EXPECT_TRUE(RunUntil(loop, [&] { return done; }));
  EXPECT_TRUE(executor.Stop(kTooLong).empty());
  EXPECT_TRUE(executor.Stop(kTooLong).empty());
}

TEST(LaneExecutor, MayBeDestroyedWhileTheLoopStillHasItsCall) {
  EpollLoop loop;
  std::promise<void> worked;
  TestJob job([&] { worked.set_value(); }, [] { FAIL(); });
  {
    LaneExecutor executor(loop);
    executor.Run(Lane::kReader, job);
    worked.get_future().wait();
  }
  loop.RunOnce(std::chrono::nanoseconds(0));
}

TEST(LaneExecutor, MayBeStoppedByADone) {
  EpollLoop loop;
  LaneExecutor executor(loop);
  std::promise<void> both_worked;
  TestJob first([] {}, [&] { executor.Stop(kTooLong); });
  TestJob second([&] { both_worked.set_value(); }, [] { FAIL(); });
  executor.Run(Lane::kReader, first);
  executor.Run(Lane::kReader, second);
  both_worked.get_future().wait();
  loop.RunOnce(kTooLong);
  loop.RunOnce(std::chrono::nanoseconds(0));
}

TEST(LaneExecutor, NamesItsLanes) {
  EXPECT_STREQ(NameOfLane(Lane::kLogWriter), "log-writer");
  EXPECT_STREQ(NameOfLane(Lane::kHousekeeping), "housekeeping");
}

}  // namespace
}  // namespace semper
