// Who is reached by nobody, and what follows: a standby reports, a leader resigns.
#include "sidecar/core/reach.h"

#include "tests/unit/core/standby_fixture.h"

namespace semper::core {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

ReachReport By(const std::string& member, uint32_t number, uint64_t epoch = 2) {
  return {Epoch{epoch}, number, member};
}

// ---- a standby ----

// At 1000 it began to follow.
class UnledStandby : public StandbyTest {
 protected:
  UnledStandby() {
    Join();
    Looked();
    Effects();
  }
  std::vector<std::string> Beats(uint64_t steady, bool fellows) {
    At(steady);
    core_.OnHeartbeat(fellows);
    return Effects("report reach");
  }
};

TEST_F(UnledStandby, ReportsWhenAFellowReachesIt) {
  EXPECT_THAT(Beats(1000 + kSilence, true), IsEmpty());
  EXPECT_THAT(Beats(1001 + kSilence, true), ElementsAre("report reach 1"));
}

TEST_F(UnledStandby, ReportsWhenAPeerKnocks) {
  At(1001 + kSilence);
  OrdersGreets();
  EXPECT_THAT(Beats(1002 + kSilence, false), ElementsAre("report reach 1"));
}

TEST_F(UnledStandby, SaysItAnewAsLongAsItLasts) {
  Beats(1001 + kSilence, true);
  EXPECT_THAT(Beats(1000 + 2 * kSilence, true), IsEmpty());
  EXPECT_THAT(Beats(1001 + 2 * kSilence, true), ElementsAre("report reach 1"));
}

TEST_F(UnledStandby, DoesNotReportWhenNobodyReachesIt) {
  EXPECT_THAT(Beats(1001 + kSilence, false), IsEmpty());
  EXPECT_THAT(Beats(1001 + 9 * kSilence, false), IsEmpty());
}

TEST_F(UnledStandby, DoesNotReportThatSomebodyReachedItLongAgo) {
  Beats(1000, true);
  EXPECT_THAT(Beats(1001 + 2 * kSilence, false), IsEmpty());
}

TEST_F(UnledStandby, DoesNotReportWhileItHearsTheLeader) {
  At(1000 + kSilence);
  core_.OnLeaderHeard();
  EXPECT_THAT(Beats(1001 + kSilence, true), IsEmpty());
}

TEST_F(UnledStandby, GivesWhoClaimedTimeToSeal) {
  At(1000 + kSilence);
  Looked(2);
  EXPECT_THAT(Beats(1000 + 2 * kSilence, true), IsEmpty());
  EXPECT_THAT(Beats(1001 + 2 * kSilence, true), ElementsAre("report reach 2"));
}

TEST_F(UnledStandby, DoesNotReportWhatItCouldNotLead) {
  core_.SetUnfit("two members of one name");
  EXPECT_THAT(Beats(1001 + kSilence, true), IsEmpty());
}

TEST_F(UnledStandby, DoesNotClaimWhileTheLogGoesOn) {
  core_.OnLeaderHeard();
  core_.OnLeaderLost();
  for (uint64_t at = 1000; at < 1000 + 9 * kSilence; at += kStill / 2) {
    At(at);
    core_.OnFollowed(Epoch{1}, true);
    core_.OnHeartbeat(true);
  }
  EXPECT_THAT(Effects("pause"), IsEmpty());
}

// ---- a leader ----

class CutOffLeader : public IdleLeader {
 protected:
  std::vector<std::string> Beats(uint64_t after, bool fellows = false) {
    At(began_ + after);
    core_.OnHeartbeat(fellows);
    return Effects("read reports");
  }
  // It has found no report, and looks again.
  void LooksTwice() {
    Beats(kSilence + 1);
    core_.OnReportsRead({});
    Beats(2 * kSilence + 1);
    Effects();
  }
  size_t logged() const { return sink_.logged().size(); }
};

TEST_F(CutOffLeader, LooksForReportsWhenNobodyReachesIt) {
  EXPECT_THAT(Beats(kSilence), IsEmpty());
  EXPECT_THAT(Beats(kSilence + 1), ElementsAre("read reports"));
  EXPECT_THAT(Beats(2 * kSilence), IsEmpty());
}

TEST_F(CutOffLeader, DoesNotLookWhileAFellowReachesIt) {
  Beats(kSilence, true);
  EXPECT_THAT(Beats(2 * kSilence), IsEmpty());
}

TEST_F(CutOffLeader, DoesNotLookWhileAPeerIsConnected) {
  OrdersGreets();
  EXPECT_THAT(Beats(3 * kSilence), IsEmpty());
  core_.OnPeerLost(kOrders);
  EXPECT_THAT(Beats(4 * kSilence + 1), ElementsAre("read reports"));
}

TEST_F(CutOffLeader, DoesNotLookWhileItIsConnectedToAPeer) {
  SendsTo(kStock, "shop/stock");
  StockWelcomes({});
  EXPECT_THAT(Beats(3 * kSilence), IsEmpty());
}

TEST_F(CutOffLeader, DoesNotLookWhileAClientIsHeard) {
  At(began_ + kSilence);
  ASSERT_TRUE(SubmitsImpulse("x").ok());
  EXPECT_THAT(Beats(2 * kSilence), IsEmpty());
}

TEST_F(CutOffLeader, ResignsInFavourOfAMemberThatReports) {
  LooksTwice();
  core_.OnReportsRead({By("two", 7)});
  EXPECT_THAT(Effects(), ElementsAre("report", "log control 2+1", "deliver control 2+1"));
  v1::Control control;
  const auto& payload = sink_.logged().back().payload;
  ASSERT_TRUE(control.ParseFromArray(payload.data(), static_cast<int>(payload.size())));
  EXPECT_EQ(control.hand_over().member(), "two");
  EXPECT_EQ(control.hand_over().epoch(), 2u);
}

TEST_F(CutOffLeader, DoesNotResignWithoutAReport) {
  LooksTwice();
  core_.OnReportsRead({});
  EXPECT_THAT(Effects(), IsEmpty());
}

TEST_F(CutOffLeader, DoesNotResignForAReportThatIsNotSaidAnew) {
  Beats(kSilence + 1);
  core_.OnReportsRead({By("two", 7)});
  Beats(2 * kSilence + 1);
  Effects();
  core_.OnReportsRead({By("two", 7)});
  EXPECT_THAT(Effects(), IsEmpty());
  core_.OnReportsRead({By("two", 8)});
  EXPECT_THAT(Effects("log"), ElementsAre("log control 2+1"));
}

TEST_F(CutOffLeader, DoesNotResignForAReportOfAnotherEpoch) {
  LooksTwice();
  core_.OnReportsRead({By("two", 7, 1)});
  EXPECT_THAT(Effects(), IsEmpty());
}

TEST_F(CutOffLeader, DoesNotResignInFavourOfItself) {
  LooksTwice();
  core_.OnReportsRead({By("one", 7)});
  EXPECT_THAT(Effects(), IsEmpty());
}

TEST_F(CutOffLeader, DoesNotResignWhenSomebodyIsBackDuringTheLook) {
  LooksTwice();
  core_.OnHeartbeat(true);
  core_.OnReportsRead({By("two", 7)});
  EXPECT_THAT(Effects(), IsEmpty());
}

TEST_F(CutOffLeader, BeginsToLookAnewWhenSomebodyWasBackForAMoment) {
  LooksTwice();
  core_.OnHeartbeat(true);
  Beats(4 * kSilence);
  core_.OnReportsRead({By("two", 7)});
  EXPECT_THAT(Effects("log"), IsEmpty());
}

// Nobody is connected who could be told that the mark is committed.
TEST_F(CutOffLeader, StopsWhenARecordStatesThatItsMarkIsCommitted) {
  LooksTwice();
  core_.OnReportsRead({By("two", 7)});
  core_.EndOfRound();
  WriteIsDurable();
  Effects();
  NoNewerClaim();
  EXPECT_THAT(Effects(), Contains("write 2 durable=2 committed=2"));
  EXPECT_EQ(core_.phase(), Core::Phase::kLeading);
  WriteIsDurable();
  EXPECT_THAT(Effects("stop"), ElementsAre("stop: handed over"));
}

TEST_F(CutOffLeader, StopsOnlyAfterANoteThatWasWrittenLaterThanItsMarkWasCommitted) {
  At(began_ + kSilence / 3);
  core_.OnCheck();  // a note is under way
  LooksTwice();
  core_.OnReportsRead({By("two", 7)});
  core_.EndOfRound();
  WriteIsDurable();
  NoNewerClaim();
  EXPECT_EQ(core_.phase(), Core::Phase::kLeading);
  WriteIsDurable();
  EXPECT_EQ(core_.phase(), Core::Phase::kLeading);
  NoNewerClaim();
  EXPECT_EQ(core_.phase(), Core::Phase::kLeading);
  WriteIsDurable();
  EXPECT_EQ(core_.phase(), Core::Phase::kStopped);
}

}  // namespace
}  // namespace semper::core
