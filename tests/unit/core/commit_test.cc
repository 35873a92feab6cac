// Durable is not committed, and only committed is visible.
#include "tests/unit/core/core_fixture.h"

namespace semper::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Commit = CoreTest;

TEST_F(Commit, OfAUnitNeedsALookUpAfterItIsDurable) {
  LeadWithService();
  ASSERT_TRUE(SubmitsImpulse("a").ok());
  core_.EndOfRound();
  Effects();
  WriteIsDurable();
  EXPECT_THAT(Effects(), ElementsAre("look up"));
  EXPECT_EQ(core_.committed(), Index{1});
  NoNewerClaim();
  EXPECT_THAT(Effects(), ElementsAre("committed 2"));
}

TEST_F(Commit, DoesNotCoverWhatBecameDurableWhileTheLookUpRan) {
  LeadWithService();
  ASSERT_TRUE(SubmitsImpulse("a").ok());
  core_.EndOfRound();
  WriteIsDurable();
  ASSERT_TRUE(SubmitsImpulse("b").ok());
  core_.EndOfRound();
  WriteIsDurable();
  Effects();
  NoNewerClaim();
  EXPECT_EQ(core_.committed(), Index{2});
  EXPECT_THAT(Effects(), ElementsAre("committed 2", "look up"));
  NoNewerClaim();
  EXPECT_EQ(core_.committed(), Index{3});
}

TEST_F(Commit, EndsWithANewerClaim) {
  LeadWithService();
  ASSERT_TRUE(SubmitsImpulse("a").ok());
  core_.EndOfRound();
  WriteIsDurable();
  Effects();
  core_.OnLookedUp(Epoch{2});
  EXPECT_THAT(Effects(), ElementsAre("stop: lost lock"));
}

TEST_F(Commit, EndsWithALookUpThatFails) {
  LeadWithService();
  ASSERT_TRUE(SubmitsImpulse("a").ok());
  core_.EndOfRound();
  WriteIsDurable();
  Effects();
  core_.OnLookedUp(absl::UnavailableError("the server does not answer"));
  EXPECT_THAT(Effects(), ElementsAre("stop: lost lock"));
}

TEST_F(Commit, EndsForGoodWhenTheLogIsNotWhereItWasWrittenTo) {
  LeadWithService();
  ASSERT_TRUE(SubmitsImpulse("a").ok());
  core_.EndOfRound();
  WriteIsDurable();
  Effects();
  core_.OnLookedUp(absl::OutOfRangeError("segment 0 is another file"));
  EXPECT_THAT(Effects(), ElementsAre("stop: replaced"));
  EXPECT_EQ(core_.committed(), Index{1});
}

TEST_F(Commit, EndsWithAWriteThatFails) {
  LeadWithService();
  ASSERT_TRUE(SubmitsImpulse("a").ok());
  core_.EndOfRound();
  Effects();
  core_.OnUnitDurable(absl::UnavailableError("EIO"));
  EXPECT_THAT(Effects(), ElementsAre("stop: unknown state"));
}

TEST_F(Commit, IsOfWhatGatheredWhileTheLastWriteRan) {
  LeadWithService();
  ASSERT_TRUE(SubmitsImpulse("a").ok());
  core_.EndOfRound();
  Effects();
  ASSERT_TRUE(SubmitsImpulse("b").ok());
  core_.EndOfRound();
  ASSERT_TRUE(SubmitsImpulse("c").ok());
  core_.EndOfRound();
  EXPECT_THAT(Effects("write"), IsEmpty());
  WriteIsDurable();
  EXPECT_THAT(Effects("write"), ElementsAre("write 3 durable=3 committed=2"));
  EXPECT_EQ(core_.appended(), Index{4});
}

using Release = CoreTest;

TEST_F(Release, OfAnOutputWaitsForTheCommitOfItsCause) {
  LeadWithService();
  SendsTo(kStock, "shop/stock");
  StockWelcomes({});
  CommitAll();
  ASSERT_TRUE(SubmitsImpulse("a").ok());
  const uint64_t cause = Raw(core_.appended());
  ASSERT_TRUE(Outputs(kStock, cause, {"one"}).ok());
  core_.EndOfRound();
  WriteIsDurable();
  EXPECT_THAT(Effects("send"), IsEmpty());
  NoNewerClaim();
  EXPECT_THAT(Effects("send"), ElementsAre("send 1: 1+1"));
}

TEST_F(Release, OfAnOutputWhoseCauseWasCommittedBeforeIsAtTheEndOfTheRound) {
  LeadWithService();
  SendsTo(kStock, "shop/stock");
  StockWelcomes({});
  CommitAll();
  Effects();
  ASSERT_TRUE(Outputs(kStock, 1, {"one"}).ok());
  core_.EndOfRound();
  EXPECT_THAT(Effects("send"), ElementsAre("send 1: 1+1"));
}

TEST_F(Release, KeepsTheOrderBehindAnOutputThatWaits) {
  LeadWithService();
  SendsTo(kStock, "shop/stock");
  StockWelcomes({});
  CommitAll();
  ASSERT_TRUE(SubmitsImpulse("a").ok());
  ASSERT_TRUE(Outputs(kStock, Raw(core_.appended()), {"one"}).ok());
  ASSERT_TRUE(Outputs(kStock, 1, {"two"}).ok());
  Effects();
  core_.EndOfRound();
  EXPECT_THAT(Effects("send"), IsEmpty());
  CommitAll();
  EXPECT_THAT(Effects("send"), ElementsAre("send 1: 1+1", "send 1: 2+1"));
}

TEST_F(Release, LetsTheServiceAnswerOnlyWhatIsCommitted) {
  LeadWithService();
  ASSERT_TRUE(SubmitsImpulse("a").ok());
  core_.EndOfRound();
  ASSERT_TRUE(SubmitsImpulse("b").ok());
  WriteIsDurable();
  Effects();
  NoNewerClaim();  // b is delivered, and being written
  EXPECT_THAT(Effects("committed"), ElementsAre("committed 2"));
}

TEST_F(Release, RefusesAnOutputOfAnInputThatWasNotDelivered) {
  LeadWithService();
  SendsTo(kStock, "shop/stock");
  EXPECT_TRUE(absl::IsInvalidArgument(Outputs(kStock, Raw(core_.delivered()) + 1, {"early"})));
}

}  // namespace
}  // namespace semper::core
