// Timers are functions of the log.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/sdk/fake_coordinator.h"
#include "tests/unit/sdk/recorder.h"

namespace semper::test {
namespace {

using ::testing::ElementsAre;

class Timers : public ::testing::Test {
 protected:
  Timers() {
    auto made = std::make_unique<Recorder>();
    service = made.get();
    coordinator = std::make_unique<FakeCoordinator>(std::move(made));
    coordinator->Begin();
    coordinator->PeerSeen(1, "a");
    service->seen.clear();
  }
  Recorder* service;
  std::unique_ptr<FakeCoordinator> coordinator;
};

TEST_F(Timers, TellTheCoordinatorWhenTheNextIsDue) {
  coordinator->Peer(1, {Raw("after 500 late"), Raw("after 100 early")});
  EXPECT_EQ(coordinator->last_done().header.time, 1100u);
  coordinator->Tick(1100);
  EXPECT_EQ(coordinator->last_done().header.time, 1500u);
  coordinator->Tick(1500);
  EXPECT_EQ(coordinator->last_done().header.time, 0u);
}

TEST_F(Timers, FireBeforeTheFirstInputThatReachesTheirTime) {
  coordinator->Peer(1, {Raw("after 100 t")});
  coordinator->time = 1099;
  coordinator->Peer(1, {Raw("before")});
  coordinator->time = 1100;
  coordinator->Peer(1, {Raw("reached")});
  EXPECT_THAT(service->seen, ElementsAre("3@1000 a: after 100 t", "4@1099 a: before",
                                         "5@1100 timer: t", "5@1100 a: reached"));
  const auto outputs = coordinator->Frames(FrameKind::kOutput);
  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_EQ(outputs[0].header.index, 5u) << "the input that made it fire is the cause";
}

TEST_F(Timers, FireInOrderOfDueTimeThenOfSetting) {
  coordinator->Peer(1,
                    {Raw("after 30 c"), Raw("after 10 a"), Raw("after 30 d"), Raw("after 20 b")});
  service->seen.clear();
  coordinator->Tick(2000);
  EXPECT_THAT(service->seen, ElementsAre("7@2000 timer: a", "7@2000 timer: b", "7@2000 timer: c",
                                         "7@2000 timer: d"));
}

TEST_F(Timers, OfNoDelayFireBeforeTheNextInputOfTheSameFrame) {
  coordinator->Peer(1, {Raw("after 0 t"), Raw("next")});
  EXPECT_THAT(service->seen,
              ElementsAre("3@1000 a: after 0 t", "4@1000 timer: t", "4@1000 a: next"));
}

TEST_F(Timers, ThatSetThemselvesAnewFireOncePerInput) {
  coordinator->Peer(1, {Raw("after 0 again")});
  service->seen.clear();
  coordinator->Note();
  coordinator->Note();
  EXPECT_THAT(service->seen, ElementsAre("4@1000 timer: again", "5@1000 timer: again"));
}

TEST_F(Timers, AreCancelledOnce) {
  coordinator->Peer(1, {Raw("after 100 t"), Raw("cancel 1"), Raw("cancel 1")});
  coordinator->Tick(5000);
  EXPECT_THAT(service->seen, ElementsAre("3@1000 a: after 100 t", "4@1000 a: cancel 1", "cancelled",
                                         "5@1000 a: cancel 1", "nothing to cancel"));
}

TEST_F(Timers, ThatFailTheServiceStopTheInput) {
  class Failing : public Recorder {
   public:
    void OnStart(Context& context, const StartInfo&) override {
      timer_.After(context, std::chrono::nanoseconds(1));
    }
    void Fail(Context& context) { context.Fail("the timer gave up"); }
    TimerHandler<> timer_{this, "fail", &Failing::Fail};
  };
  auto made = std::make_unique<Failing>();
  Failing* failing = made.get();
  FakeCoordinator other(std::move(made));
  other.Begin();
  other.PeerSeen(1, "a");
  other.time = 2000;
  other.Peer(1, {Raw("never")});
  EXPECT_TRUE(failing->seen.empty());
  ASSERT_EQ(other.Frames(FrameKind::kServiceFailed).size(), 1u);
  EXPECT_EQ(other.Frames(FrameKind::kServiceFailed)[0].header.index, 3u);
}

}  // namespace
}  // namespace semper::test
