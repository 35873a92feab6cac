#include "sidecar/admin/switchover.h"

#include <gtest/gtest.h>

#include "tests/unit/admin/fake_backend.h"

namespace semper::admin {
namespace {

// "CODE: text".
std::string Said(const StatusSnapshot& s, const std::string& to) {
  const absl::Status status = WhyNoSwitchover(s, to);
  return absl::StatusCodeToString(status.code()) + ": " + std::string(status.message());
}

TEST(WhyNoSwitchover, NothingSpeaksAgainstAMemberThatIsReady) {
  EXPECT_EQ(Said(LeadingSnapshot(), "orders-1"), "OK: ");
  EXPECT_EQ(Said(LeadingSnapshot(), ""), "OK: ");
}

TEST(WhyNoSwitchover, AStandbyNamesTheLeader) {
  EXPECT_EQ(Said(StandbySnapshot(), ""),
            "FAILED_PRECONDITION: orders-0 does not lead (following); ask orders-1, it does");
}

TEST(WhyNoSwitchover, BetweenTwoLeadersNobodyIsNamed) {
  StatusSnapshot s = StandbySnapshot();
  s.leader.clear();
  EXPECT_EQ(Said(s, ""),
            "FAILED_PRECONDITION: orders-0 does not lead (following); no leader is known at the "
            "moment");
}

TEST(WhyNoSwitchover, ALeaderThatDrainsDoesNotLeadAnyMore) {
  StatusSnapshot s = LeadingSnapshot();
  s.phase = Phase::kDraining;
  EXPECT_EQ(Said(s, ""),
            "FAILED_PRECONDITION: orders-0 does not lead (draining); no leader is known at the "
            "moment");
}

TEST(WhyNoSwitchover, ALeaderWithoutItsServiceMayHandOver) {
  StatusSnapshot s = LeadingSnapshot();
  s.phase = Phase::kWaitingForService;
  EXPECT_EQ(Said(s, ""), "OK: ");
}

TEST(WhyNoSwitchover, AnUnknownMemberGetsTheListOfThoseThatAreThere) {
  EXPECT_EQ(Said(LeadingSnapshot(), "orders-7"),
            "NOT_FOUND: no member orders-7 is connected to orders-0; connected: orders-1 (standby, "
            "ready), orders-2 (unfit, not ready: outputs differ)");
}

TEST(WhyNoSwitchover, AMemberThatIsNotReadySaysWhy) {
  EXPECT_EQ(Said(LeadingSnapshot(), "orders-2"),
            "FAILED_PRECONDITION: not ready to lead: orders-2 (unfit, not ready: outputs differ)");
}

TEST(WhyNoSwitchover, NobodyReadyNamesAll) {
  StatusSnapshot s = LeadingSnapshot();
  s.members[0].ready = false;
  EXPECT_EQ(Said(s, ""),
            "FAILED_PRECONDITION: no fellow member is ready to lead; connected: orders-1 (standby, "
            "not ready), orders-2 (unfit, not ready: outputs differ)");
}

TEST(WhyNoSwitchover, AMemberWithoutFellowsSaysSo) {
  StatusSnapshot s = LeadingSnapshot();
  s.role = "alone";
  s.members.clear();
  EXPECT_EQ(
      Said(s, ""),
      "FAILED_PRECONDITION: no fellow member is ready to lead; no fellow member is connected");
}

TEST(WhyNoSwitchover, TheLeaderItselfLeadsAlready) {
  EXPECT_EQ(Said(LeadingSnapshot(), "orders-0"), "FAILED_PRECONDITION: orders-0 leads already");
}

}  // namespace
}  // namespace semper::admin
