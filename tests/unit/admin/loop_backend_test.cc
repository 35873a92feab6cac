#include "sidecar/admin/loop_backend.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

#include "tests/unit/admin/fake_backend.h"

namespace semper::admin {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Only Post works: runs what is posted on a thread of its own, unless it is held.
class PostLoop : public Loop {
 public:
  PostLoop() : thread_([this] { Run(); }) {}
  ~PostLoop() override {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void Hold(bool held) {
    {
      std::lock_guard lock(mutex_);
      held_ = held;
    }
    changed_.notify_all();
  }
  size_t waiting() {
    std::lock_guard lock(mutex_);
    return posted_.size();
  }
  // Runs `f` on the loop and waits for it.
  void Do(const std::function<void()>& f) {
    std::promise<void> done;
    Post([&] {
      f();
      done.set_value();
    });
    done.get_future().wait();
  }

  void Post(std::function<void()> f) override {
    {
      std::lock_guard lock(mutex_);
      posted_.push_back(std::move(f));
    }
    changed_.notify_all();
  }

  absl::StatusOr<std::unique_ptr<Listener>> Listen(
      const std::string&, std::function<void(std::unique_ptr<Stream>)>) override {
    return absl::UnimplementedError("");
  }
  std::unique_ptr<Timer> Dial(
      const std::string&, std::chrono::nanoseconds,
      std::function<void(absl::StatusOr<std::unique_ptr<Stream>>)>) override {
    return nullptr;
  }
  std::unique_ptr<Timer> After(std::chrono::nanoseconds, std::function<void()>) override {
    return nullptr;
  }
  void AtEndOfRound(std::function<void()>) override {}
  void AtEndOfRound(RoundTask&) override {}
  std::chrono::nanoseconds Monotonic() const override { return {}; }
  UnixNanos WallClock() const override { return 0; }
  uint64_t Random() override { return 0; }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return stop_ || (!held_ && !posted_.empty()); });
      if (stop_) return;
      std::function<void()> f = std::move(posted_.front());
      posted_.pop_front();
      lock.unlock();
      f();
      f = nullptr;
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> posted_;
  bool held_ = false;
  bool stop_ = false;
  std::thread thread_;
};

LoopBackend::Hooks Counting(int& asked) {
  return {.status =
              [&asked] {
                StatusSnapshot s;
                s.epoch = static_cast<uint64_t>(++asked);
                return s;
              },
          .take_checkpoint =
              [](const LoopBackend::CheckpointDone& done) {
                done(CheckpointRef{3, 9});
              },
          .switchover = [](const std::string&) { return absl::OkStatus(); },
          .drain = [] {}};
}

TEST(LoopBackend, AsksTheLoop) {
  int asked = 0;
  PostLoop loop;
  LoopBackend backend(loop, Counting(asked), seconds(30));
  const StatusSnapshot s = backend.Status();
  EXPECT_TRUE(s.fresh);
  EXPECT_EQ(s.epoch, 1u);
}

TEST(LoopBackend, AnswersStaleWhenTheLoopHangs) {
  int asked = 0;
  PostLoop loop;
  LoopBackend backend(loop, Counting(asked), milliseconds(20));
  while (!backend.Status().fresh) {
  }
  loop.Hold(true);
  const StatusSnapshot s = backend.Status();
  EXPECT_FALSE(s.fresh);
  EXPECT_GE(s.epoch, 1u);
  EXPECT_GE(s.age, milliseconds(20));
}

TEST(LoopBackend, ImpatientCallersDoNotPileUpQuestions) {
  int asked = 0;
  PostLoop loop;
  loop.Hold(true);
  LoopBackend backend(loop, Counting(asked), milliseconds(1));
  for (int i = 0; i < 10; ++i) backend.Status();
  EXPECT_EQ(loop.waiting(), 1u);
}

TEST(LoopBackend, AfterDetachTheHooksAreNotCalled) {
  int asked = 0;
  PostLoop loop;
  LoopBackend backend(loop, Counting(asked), seconds(30));
  loop.Do([&] { backend.Detach(); });
  const int asked_before = asked;
  EXPECT_FALSE(backend.Status().fresh);
  EXPECT_EQ(backend.Status().epoch, static_cast<uint64_t>(asked_before));
  EXPECT_EQ(asked, asked_before);
  EXPECT_EQ(backend.TakeCheckpoint(seconds(30)).status().code(), absl::StatusCode::kUnavailable);
}

TEST(LoopBackend, HandsOnTheCheckpoint) {
  int asked = 0;
  PostLoop loop;
  LoopBackend backend(loop, Counting(asked));
  const auto taken = backend.TakeCheckpoint(seconds(30));
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(*taken, (CheckpointRef{3, 9}));
  EXPECT_TRUE(backend.TakeCheckpoint(seconds(30)).ok()) << "the way is free again";
}

TEST(LoopBackend, ACheckpointThatIsForgottenEndsTheWait) {
  int asked = 0;
  PostLoop loop;
  LoopBackend::Hooks hooks = Counting(asked);
  hooks.take_checkpoint = [](const LoopBackend::CheckpointDone&) {};
  LoopBackend backend(loop, std::move(hooks));
  EXPECT_EQ(backend.TakeCheckpoint(seconds(30)).status().code(), absl::StatusCode::kUnavailable);
}

TEST(LoopBackend, ACheckpointThatTakesLongIsNotWaitedForAndNotAskedTwice) {
  int asked = 0;
  LoopBackend::CheckpointDone kept;
  PostLoop loop;
  LoopBackend::Hooks hooks = Counting(asked);
  hooks.take_checkpoint = [&kept](LoopBackend::CheckpointDone done) { kept = std::move(done); };
  LoopBackend backend(loop, std::move(hooks));
  EXPECT_EQ(backend.TakeCheckpoint(milliseconds(1)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(backend.TakeCheckpoint(milliseconds(1)).status().code(),
            absl::StatusCode::kUnavailable);
  loop.Do([&] { kept(CheckpointRef{1, 2}); });
  EXPECT_EQ(backend.TakeCheckpoint(milliseconds(1)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  loop.Do([&] { kept = nullptr; });
}

LoopBackend::Hooks LeaderThatNotes(std::string& handed_to) {
  return {.status = LeadingSnapshot,
          .take_checkpoint = nullptr,
          .switchover =
              [&handed_to](const std::string& to) {
                handed_to = "to " + to;
                return absl::OkStatus();
              },
          .drain = nullptr};
}

TEST(LoopBackend, BeginsASwitchoverOnTheLoop) {
  std::string handed_to;
  PostLoop loop;
  LoopBackend backend(loop, LeaderThatNotes(handed_to));
  EXPECT_TRUE(backend.Switchover("orders-1", seconds(30)).ok());
  EXPECT_EQ(handed_to, "to orders-1");
  EXPECT_TRUE(backend.Switchover("", seconds(30)).ok()) << "the way is free again";
  EXPECT_EQ(handed_to, "to ");
}

TEST(LoopBackend, ASwitchoverThatCannotBeIsNotBegun) {
  std::string handed_to;
  PostLoop loop;
  LoopBackend backend(loop, LeaderThatNotes(handed_to));
  EXPECT_EQ(backend.Switchover("orders-9", seconds(30)).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(handed_to, "");
}

TEST(LoopBackend, HandsOnWhyTheCoordinatorRefusesASwitchover) {
  std::string handed_to;
  PostLoop loop;
  LoopBackend::Hooks hooks = LeaderThatNotes(handed_to);
  hooks.switchover = [](const std::string&) { return absl::FailedPreconditionError("drains"); };
  LoopBackend backend(loop, std::move(hooks));
  EXPECT_EQ(backend.Switchover("", seconds(30)).message(), "drains");
}

TEST(LoopBackend, ASwitchoverThatNobodyWaitsForAnyMoreIsNotBegun) {
  std::string handed_to;
  PostLoop loop;
  loop.Hold(true);
  LoopBackend backend(loop, LeaderThatNotes(handed_to));
  EXPECT_EQ(backend.Switchover("", milliseconds(1)).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(backend.Switchover("", milliseconds(1)).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(loop.waiting(), 1u);
  loop.Hold(false);
  loop.Do([] {});
  EXPECT_EQ(handed_to, "");
}

TEST(LoopBackend, AfterDetachThereIsNoSwitchover) {
  std::string handed_to;
  PostLoop loop;
  LoopBackend backend(loop, LeaderThatNotes(handed_to));
  loop.Do([&] { backend.Detach(); });
  EXPECT_EQ(backend.Switchover("", seconds(30)).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(handed_to, "");
}

TEST(LoopBackend, DrainsOnce) {
  int asked = 0;
  int drains = 0;
  PostLoop loop;
  LoopBackend::Hooks hooks = Counting(asked);
  hooks.drain = [&drains] { ++drains; };
  LoopBackend backend(loop, std::move(hooks));
  backend.Drain();
  backend.Drain();
  loop.Do([] {});
  EXPECT_EQ(drains, 1);
}

}  // namespace
}  // namespace semper::admin
