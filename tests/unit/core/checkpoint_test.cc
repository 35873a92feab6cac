// The service's checkpoints, and its impulses.
#include "absl/strings/str_cat.h"
#include "tests/unit/core/core_fixture.h"

namespace semper::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CheckpointTest : public CoreTest {
 protected:
  CheckpointTest() { LeadWithService(); }

  // Asks for one and writes the unit whose end is the cut.
  Index Cut() {
    EXPECT_TRUE(SubmitsImpulse("order").ok());
    core_.WantCheckpoint();
    core_.EndOfRound();
    return core_.appended();
  }
};

TEST_F(CheckpointTest, IsCutAtTheEndOfAUnit) {
  const Index cut = Cut();
  EXPECT_THAT(Effects("cut"), ElementsAre(absl::StrCat("cut ", Raw(cut))));
}

TEST_F(CheckpointTest, IsNotPublishedBeforeTheCutIsCommitted) {
  const Index cut = Cut();
  ASSERT_TRUE(core_.OnCheckpointBegin(cut).ok());
  core_.OnCheckpointReady(cut);
  WriteIsDurable();
  EXPECT_THAT(Effects("publish"), IsEmpty());
  NoNewerClaim();
  EXPECT_THAT(Effects("publish"), ElementsAre(absl::StrCat("publish ", Raw(cut))));
}

TEST_F(CheckpointTest, IsNotPublishedBeforeItIsWritten) {
  const Index cut = Cut();
  ASSERT_TRUE(core_.OnCheckpointBegin(cut).ok());
  CommitAll();
  EXPECT_THAT(Effects("publish"), IsEmpty());
  core_.OnCheckpointReady(cut);
  EXPECT_THAT(Effects("publish"), ElementsAre(absl::StrCat("publish ", Raw(cut))));
}

TEST_F(CheckpointTest, HasThePositionsOfSourcesAtTheCut) {
  OrdersGreets();
  OrdersSends(1, {"a"});
  const Index cut = Cut();
  OrdersSends(2, {"b"});
  ASSERT_TRUE(core_.OnCheckpointBegin(cut).ok());
  ASSERT_EQ(sink_.checkpoint().sources_size(), 1);
  EXPECT_EQ(sink_.checkpoint().sources(0).sequence(), 1u);
}

TEST_F(CheckpointTest, HasTheCountersOfDestinations) {
  SendsTo(kStock, "shop/stock");
  ASSERT_TRUE(Outputs(kStock, 1, {"a", "b"}).ok());
  const Index cut = Cut();
  ASSERT_TRUE(core_.OnCheckpointBegin(cut).ok());
  ASSERT_EQ(sink_.checkpoint().destinations_size(), 1);
  EXPECT_EQ(sink_.checkpoint().destinations(0).sequence(), 2u);
  EXPECT_EQ(sink_.checkpoint().destinations(0).acked_sequence(), 0u);
}

TEST_F(CheckpointTest, ThatNobodyAskedForIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(core_.OnCheckpointBegin(Index{1})));
}

TEST_F(CheckpointTest, EndsWithItsService) {
  const Index cut = Cut();
  ASSERT_TRUE(core_.OnCheckpointBegin(cut).ok());
  Effects();
  core_.OnServiceLost("killed");
  EXPECT_THAT(Effects(), ElementsAre("abandon checkpoint"));
}

TEST_F(CheckpointTest, IsWhereTheNextServiceBegins) {
  const Index cut = Cut();
  ASSERT_TRUE(core_.OnCheckpointBegin(cut).ok());
  core_.OnCheckpointReady(cut);
  CommitAll();
  core_.OnCheckpointPublished(cut);
  core_.OnServiceLost("killed");
  Effects();
  ServiceGreets();
  EXPECT_THAT(Effects(), ElementsAre("greet generation 2", absl::StrCat("restore ", Raw(cut))));
}

using Impulse = CoreTest;

TEST_F(Impulse, IsRefusedDuringReplay) {
  LeadWithService();
  core_.OnServiceLost("killed");
  ServiceGreets();
  EXPECT_TRUE(absl::IsFailedPrecondition(SubmitsImpulse("early")));
  EXPECT_THAT(Effects("log"), IsEmpty());
}

TEST_F(Impulse, IsLoggedBeforeItIsDelivered) {
  LeadWithService();
  ASSERT_TRUE(SubmitsImpulse("now").ok());
  EXPECT_THAT(Effects(), ElementsAre("log impulse 2+1", "deliver impulse 2+1"));
}

}  // namespace
}  // namespace semper::core
