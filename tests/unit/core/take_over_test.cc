// From a claim to leading, and the way out.
#include "tests/unit/core/core_fixture.h"

namespace semper::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using TakeOver = CoreTest;

TEST_F(TakeOver, IsOneStepAfterTheOther) {
  core_.Start();
  EXPECT_THAT(Effects(), ElementsAre("read claims"));
  core_.OnClaimsRead(Epoch{0});
  EXPECT_THAT(Effects(), ElementsAre("claim 1"));
  core_.OnClaimed(absl::OkStatus());
  EXPECT_THAT(Effects(), ElementsAre("take over 1"));
  core_.OnSealed(absl::OkStatus());
  EXPECT_THAT(Effects(), ElementsAre("look up"));
  core_.OnLookedUp(Epoch{1});
  EXPECT_THAT(Effects(), ElementsAre("recover"));
  core_.OnRecovered(Recovered{});
  EXPECT_EQ(core_.phase(), Core::Phase::kLeading);
}

TEST_F(TakeOver, OfARestartedProcessClaimsANewEpoch) {
  core_.Start();
  Effects();
  core_.OnClaimsRead(Epoch{5});
  EXPECT_THAT(Effects(), ElementsAre("claim 6"));
}

TEST_F(TakeOver, DoesNothingButLookUpBeforeItsSealIsCommitted) {
  core_.Start();
  core_.OnClaimsRead(Epoch{0});
  core_.OnClaimed(absl::OkStatus());
  Effects();
  core_.OnSealed(absl::OkStatus());
  ServiceGreets();
  core_.EndOfRound();
  EXPECT_THAT(Effects(), ElementsAre("look up"));
}

TEST_F(TakeOver, EndsIfAnotherClaimsTheSameEpoch) {
  core_.Start();
  core_.OnClaimsRead(Epoch{3});
  Effects();
  core_.OnClaimed(absl::AlreadyExistsError("4"));
  EXPECT_THAT(Effects(), ElementsAre("stop: lost lock"));
}

TEST_F(TakeOver, EndsIfTheSealWasOvertaken) {
  core_.Start();
  core_.OnClaimsRead(Epoch{0});
  core_.OnClaimed(absl::OkStatus());
  core_.OnSealed(absl::OkStatus());
  Effects();
  core_.OnLookedUp(Epoch{2});
  EXPECT_THAT(Effects(), ElementsAre("stop: lost lock"));
}

TEST_F(TakeOver, OfADamagedLogStopsWithDamage) {
  core_.Start();
  core_.OnClaimsRead(Epoch{0});
  core_.OnClaimed(absl::OkStatus());
  Effects();
  core_.OnSealed(absl::DataLossError("offset 4096"));
  EXPECT_THAT(Effects(), ElementsAre("stop: damage"));
}

TEST_F(TakeOver, OfWhoWasDeposedMeanwhileIsNoDamage) {
  core_.Start();
  core_.OnClaimsRead(Epoch{0});
  core_.OnClaimed(absl::OkStatus());
  Effects();
  core_.OnSealed(absl::AbortedError("epoch 3 was claimed"));
  EXPECT_THAT(Effects(), ElementsAre("stop: lost lock"));
}

using Drain = CoreTest;

TEST_F(Drain, StopsOnceEverythingAdmittedIsCommitted) {
  LeadWithService();
  ASSERT_TRUE(SubmitsImpulse("tick").ok());
  core_.Drain();
  core_.EndOfRound();
  WriteIsDurable();
  EXPECT_THAT(Effects("stop"), IsEmpty());
  NoNewerClaim();
  EXPECT_THAT(Effects("stop"), ElementsAre("stop: drained"));
}

TEST_F(Drain, TakesNothingMoreIn) {
  LeadWithService();
  OrdersGreets();
  core_.Drain();
  Effects();
  OrdersSends(1, {"late"});
  ASSERT_TRUE(SubmitsImpulse("late").ok());
  EXPECT_THAT(Effects(), IsEmpty());
}

}  // namespace
}  // namespace semper::core
