#include "sidecar/admin/readiness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/admin/fake_backend.h"

namespace semper::admin {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

StatusSnapshot WithoutLeader() {
  StatusSnapshot s = StandbySnapshot();
  s.leader.clear();
  return s;
}

TEST(Readiness, AStandbyThatFollowsAndIsReadyIsReady) {
  Readiness readiness;
  const Readiness::Verdict verdict = readiness.Judge(StandbySnapshot(), seconds(1));
  EXPECT_TRUE(verdict.ready);
  EXPECT_EQ(verdict.why, "following orders-1, 12 inputs (0.1 s) behind");
}

TEST(Readiness, TwoSecondsBehindIsStillReadyMoreIsNot) {
  Readiness readiness;
  StatusSnapshot s = StandbySnapshot();
  s.lag_seconds = 2;
  EXPECT_TRUE(readiness.Judge(s, seconds(1)).ready);
  s.lag_seconds = 2.1;
  const Readiness::Verdict verdict = readiness.Judge(s, seconds(1));
  EXPECT_FALSE(verdict.ready);
  EXPECT_EQ(verdict.why, "following orders-1, 12 inputs (2.1 s) behind: not caught up");
}

TEST(Readiness, AStandbyThatCouldNotLeadIsNotReady) {
  Readiness readiness;
  StatusSnapshot s = StandbySnapshot();
  s.ready = false;
  EXPECT_FALSE(readiness.Judge(s, seconds(1)).ready);
}

TEST(Readiness, AStandbyWithoutItsServiceIsNotReady) {
  Readiness readiness;
  StatusSnapshot s = StandbySnapshot();
  s.service.connected = false;
  const Readiness::Verdict verdict = readiness.Judge(s, seconds(1));
  EXPECT_FALSE(verdict.ready);
  EXPECT_THAT(verdict.why, HasSubstr("the service is not connected"));
}

TEST(Readiness, AnUnfitStandbyIsNotReadyAndSaysWhy) {
  Readiness readiness;
  StatusSnapshot s = StandbySnapshot();
  s.unfit = "outputs differ at index 40";
  const Readiness::Verdict verdict = readiness.Judge(s, seconds(1));
  EXPECT_FALSE(verdict.ready);
  EXPECT_THAT(verdict.why, HasSubstr("outputs differ at index 40"));
}

TEST(Readiness, WithoutALeaderAReadyStandbyStaysReadyForFifteenSeconds) {
  Readiness readiness;
  ASSERT_TRUE(readiness.Judge(StandbySnapshot(), seconds(100)).ready);
  EXPECT_TRUE(readiness.Judge(WithoutLeader(), seconds(101)).ready);
  EXPECT_TRUE(readiness.Judge(WithoutLeader(), seconds(115)).ready);
  EXPECT_FALSE(readiness.Judge(WithoutLeader(), seconds(115) + milliseconds(1)).ready);
}

TEST(Readiness, WithoutALeaderAStandbyThatWasNotReadyStaysSo) {
  Readiness readiness;
  StatusSnapshot s = StandbySnapshot();
  s.ready = false;
  ASSERT_FALSE(readiness.Judge(s, seconds(100)).ready);
  EXPECT_FALSE(readiness.Judge(WithoutLeader(), seconds(101)).ready);
}

TEST(Readiness, AMemberThatNeverSawALeaderIsNotReady) {
  Readiness readiness;
  EXPECT_FALSE(readiness.Judge(WithoutLeader(), seconds(1)).ready);
}

TEST(Readiness, AStandbyThatTakesOverFromALeaderThatHangsStaysReady) {
  Readiness readiness;
  ASSERT_TRUE(readiness.Judge(StandbySnapshot(), seconds(100)).ready);
  StatusSnapshot s = StandbySnapshot();
  s.phase = Phase::kTakingOver;
  EXPECT_TRUE(readiness.Judge(s, seconds(101)).ready);
}

TEST(Readiness, WithoutALeaderTheServiceMustStillBeConnected) {
  Readiness readiness;
  ASSERT_TRUE(readiness.Judge(StandbySnapshot(), seconds(100)).ready);
  StatusSnapshot s = WithoutLeader();
  s.service.connected = false;
  EXPECT_FALSE(readiness.Judge(s, seconds(101)).ready);
}

TEST(Readiness, AMemberThatDrainsIsNotReadyAtOnce) {
  Readiness readiness;
  ASSERT_TRUE(readiness.Judge(LeadingSnapshot(), seconds(100)).ready);
  StatusSnapshot s = LeadingSnapshot();
  s.phase = Phase::kDraining;
  EXPECT_FALSE(readiness.Judge(s, seconds(101)).ready);
}

}  // namespace
}  // namespace semper::admin
