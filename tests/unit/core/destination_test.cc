// What we send to another immortal: resuming, regenerating, comparing.
#include "tests/unit/core/core_fixture.h"

namespace semper::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A service that has made the messages "a", "b" | "c" for the input at index 2.
class DestinationTest : public CoreTest {
 protected:
  DestinationTest() {
    LeadWithService();
    EXPECT_TRUE(SubmitsImpulse("order").ok());
    SendsTo(kStock, "shop/stock");
    EXPECT_TRUE(MakesOutputs("a", "b", "c").ok());
    EXPECT_TRUE(core_.OnDone(core_.delivered(), 0).ok());
    CommitAll();
    Effects();
  }
  absl::Status MakesOutputs(const std::string& a, const std::string& b, const std::string& c) {
    if (absl::Status s = Outputs(kStock, 2, {a, b}); !s.ok()) return s;
    return Outputs(kStock, 2, {c});
  }
  // The service dies, another one is greeted and fed.
  void ServiceIsReplaced() {
    core_.OnServiceLost("killed");
    ServiceGreets();
    FeedAll();
    SendsTo(kStock, "shop/stock");
  }
  std::vector<std::string> Faults() { return Effects("disconnect"); }
};

TEST_F(DestinationTest, IsSentFromWhereItIs) {
  StockWelcomes(After({}, {"a", "b"}));
  EXPECT_THAT(Effects("send"), ElementsAre("send 1: 3+1"));
}

TEST_F(DestinationTest, IsSentTheFrameInWhoseMiddleItIs) {
  StockWelcomes(After({}, {"a"}));
  EXPECT_THAT(Effects("send"), ElementsAre("send 1: 1+2", "send 1: 3+1"));
}

TEST_F(DestinationTest, AckDropsWhatIsCommittedThere) {
  StockWelcomes({});
  core_.OnAck(kStock, After({}, {"a", "b"}));
  EXPECT_EQ(core_.ledger().held_bytes(), Messages({"c"}).size());
}

TEST_F(DestinationTest, WithAnotherHashAtTheEndOfAFrameIsQuarantined) {
  StockWelcomes(After({}, {"a", "x"}));
  NoNewerClaim();
  EXPECT_THAT(Faults(), ElementsAre("disconnect 1 for good"));
}

TEST_F(DestinationTest, WithAnotherHashWithinAFrameIsQuarantined) {
  StockWelcomes(After({}, {"x"}));
  NoNewerClaim();
  EXPECT_THAT(Faults(), ElementsAre("disconnect 1 for good"));
}

TEST_F(DestinationTest, ThatKnowsMoreThanWasMadeIsQuarantined) {
  StockWelcomes(After({}, {"a", "b", "c", "d"}));
  NoNewerClaim();
  EXPECT_THAT(Faults(), ElementsAre("disconnect 1 for good"));
}

TEST_F(DestinationTest, IsNotQuarantinedBeforeALookUp) {
  StockWelcomes(After({}, {"x"}));
  EXPECT_THAT(Effects(), ElementsAre("look up now"));
}

TEST_F(DestinationTest, IsNotQuarantinedByADeposedLeader) {
  StockWelcomes(After({}, {"x"}));
  Effects();
  core_.OnLookedUp(Epoch{2});
  EXPECT_THAT(Effects(), ElementsAre("stop: lost lock"));
}

using Regenerated = DestinationTest;

TEST_F(Regenerated, OutputsAreNotSentAgain) {
  StockWelcomes({});
  ServiceIsReplaced();
  Effects();
  ASSERT_TRUE(MakesOutputs("a", "b", "c").ok());
  CommitAll();
  EXPECT_THAT(Effects("send"), IsEmpty());
  EXPECT_EQ(core_.ledger().regenerated(), 2u);
  EXPECT_EQ(core_.ledger().destinations()[0].produced.sequence, 3u);
}

TEST_F(Regenerated, OutputsThatDifferAreNeverAccepted) {
  StockWelcomes({});
  ServiceIsReplaced();
  Effects();
  ASSERT_TRUE(MakesOutputs("a", "b", "x").ok());
  NoNewerClaim();
  EXPECT_THAT(Faults(), ElementsAre("disconnect 1 for good"));
}

TEST_F(Regenerated, OutputsThatDifferInTheMiddleAreNeverAccepted) {
  StockWelcomes({});
  ServiceIsReplaced();
  Effects();
  ASSERT_TRUE(Outputs(kStock, 2, {"a", "x"}).ok());
  NoNewerClaim();
  EXPECT_THAT(Faults(), ElementsAre("disconnect 1 for good"));
}

TEST_F(Regenerated, OutputsBehindTheKnownOnesAreNew) {
  StockWelcomes({});
  ServiceIsReplaced();
  Effects();
  ASSERT_TRUE(Outputs(kStock, 2, {"a", "b"}).ok());
  ASSERT_TRUE(Outputs(kStock, 2, {"c", "d"}).ok());
  CommitAll();
  EXPECT_THAT(Effects("send"), ElementsAre("send 1: 4+1"));
}

TEST_F(Regenerated, OutputsAreComparedWithWhatTheReceiverRemembers) {
  StockWelcomes({});
  core_.OnAck(kStock, After({}, {"a", "b", "c"}));
  core_.OnServiceLost("killed");
  ServiceGreets();
  core_.OnDisconnected(kStock);
  StockWelcomes(After({}, {"a", "b", "c", "d"}), After({}, {"a", "b", "c"}));
  FeedAll();
  SendsTo(kStock, "shop/stock");
  Effects();
  ASSERT_TRUE(MakesOutputs("a", "b", "c").ok());
  ASSERT_TRUE(Outputs(kStock, 2, {"x"}).ok());
  NoNewerClaim();
  EXPECT_THAT(Faults(), ElementsAre("disconnect 1 for good"));
}

TEST_F(Regenerated, ServiceMustNameItsDestinationsAsBefore) {
  core_.OnServiceLost("killed");
  ServiceGreets();
  FeedAll();
  EXPECT_TRUE(absl::IsFailedPrecondition(core_.OnDestination(kStock, "shop/other")));
}

}  // namespace
}  // namespace semper::core
