// When a standby claims.
#include "sidecar/core/contender.h"

#include <gtest/gtest.h>

namespace semper::core {
namespace {

constexpr ContenderOptions kOptions{
    .silence_nanos = 1000, .still_nanos = 30, .jitter_nanos = 0, .not_before_nanos = 0};

// Ready, and the log was looked at at 100.
Contender Ready(ContenderOptions options = kOptions) {
  Contender contender(options);
  contender.SetReady(true);
  contender.OnLooked(100, false);
  return contender;
}

TEST(Contender, WaitsForTheSilenceLimitWithoutProgressInTheLog) {
  Contender contender = Ready();
  contender.OnLooked(500, false);
  EXPECT_EQ(contender.When(), 1100u);
}

TEST(Contender, WaitsAnewWhenTheLogHasMoved) {
  Contender contender = Ready();
  contender.OnLooked(500, true);
  EXPECT_EQ(contender.When(), 1500u);
}

TEST(Contender, DoesNotClaimBeforeItHasLooked) {
  Contender contender(kOptions);
  contender.SetReady(true);
  EXPECT_EQ(contender.When(), std::nullopt);
}

TEST(Contender, DoesNotClaimBeforeItIsReady) {
  Contender contender = Ready();
  contender.SetReady(false);
  EXPECT_EQ(contender.When(), std::nullopt);
}

TEST(Contender, WaitsShortlyWhenTheStreamBrokeAndTheLogStandsStill) {
  Contender contender = Ready();
  contender.OnLooked(500, true);
  contender.OnStreamBroken();
  contender.OnLooked(510, false);
  EXPECT_EQ(contender.When(), 540u);
}

TEST(Contender, ABrokenStreamAloneIsNoReasonToClaim) {
  Contender contender = Ready();
  contender.OnStreamBroken();
  EXPECT_EQ(contender.When(), 1100u);
}

TEST(Contender, WhatTheFirstLookShowsMayBeOlderThanTheBreak) {
  Contender contender = Ready();
  contender.OnStreamBroken();
  contender.OnLooked(510, true);
  contender.OnLooked(520, false);
  EXPECT_EQ(contender.When(), 540u);
}

TEST(Contender, DoesNotDeposeALeaderThatStillWrites) {
  Contender contender = Ready();
  contender.OnStreamBroken();
  contender.OnLooked(510, false);
  contender.OnLooked(520, true);
  EXPECT_EQ(contender.When(), 1520u);
}

TEST(Contender, WaitsForSilenceWhenTheStreamIsBack) {
  Contender contender = Ready();
  contender.OnStreamBroken();
  contender.OnLooked(510, false);
  contender.OnStreamUp();
  EXPECT_EQ(contender.When(), 1100u);
}

TEST(Contender, ASecondBreakNeedsALookOfItsOwn) {
  Contender contender = Ready();
  contender.OnStreamBroken();
  contender.OnLooked(510, false);
  contender.OnStreamUp();
  contender.OnStreamBroken();
  EXPECT_EQ(contender.When(), 1100u);
}

TEST(Contender, AHandOverNeedsNoWait) {
  Contender contender = Ready();
  contender.OnHandOver();
  EXPECT_EQ(contender.When(), 0u);
}

TEST(Contender, AnInputRevokesAHandOver) {
  Contender contender = Ready();
  contender.OnHandOver();
  contender.OnInput();
  EXPECT_EQ(contender.When(), 1100u);
}

TEST(Contender, ItsOwnLastEpochNeedsNoWait) {
  Contender contender = Ready();
  contender.OnOwnLast();
  contender.OnInput();  // of that epoch, read on the way
  EXPECT_EQ(contender.When(), 0u);
}

TEST(Contender, ANewerClaimOfSomebodyElseEndsAllShortWaits) {
  Contender contender = Ready();
  contender.OnOwnLast();
  contender.OnHandOver();
  contender.OnStreamBroken();
  contender.OnLooked(510, false);
  contender.OnOtherClaim(600);
  EXPECT_EQ(contender.When(), 1600u);
}

TEST(Contender, TheBackOffOfAnEarlierLifeGoesBeforeTheOwnLastEpoch) {
  ContenderOptions options = kOptions;
  options.not_before_nanos = 5000;
  Contender contender = Ready(options);
  contender.OnOwnLast();
  EXPECT_EQ(contender.When(), 5000u);
}

TEST(Contender, JitterIsAddedToBothWaits) {
  ContenderOptions options = kOptions;
  options.jitter_nanos = 7;
  Contender contender = Ready(options);
  EXPECT_EQ(contender.When(), 1107u);
  contender.OnStreamBroken();
  contender.OnLooked(510, false);
  EXPECT_EQ(contender.When(), 547u);
}

TEST(Contender, TheUnfitNeverClaims) {
  Contender contender = Ready();
  contender.OnHandOver();
  contender.SetUnfit("its outputs differ");
  EXPECT_EQ(contender.When(), std::nullopt);
}

TEST(Contender, TheFirstReasonToBeUnfitStays) {
  Contender contender = Ready();
  contender.SetUnfit("its outputs differ");
  contender.SetUnfit("two members of one name");
  EXPECT_EQ(contender.unfit(), "its outputs differ");
}

TEST(Contender, LooksAgainAfterAPauseOfItsOwn) {
  Contender contender = Ready();
  EXPECT_FALSE(contender.MustLook(130));
  EXPECT_TRUE(contender.MustLook(131));
}

TEST(Contender, OwesNoBackOffToALeaderThatNamedIt) {
  Contender contender({.silence_nanos = 1000, .still_nanos = 30, .not_before_nanos = 5000});
  contender.SetReady(true);
  contender.OnLooked(100, true);
  contender.OnHandOver();
  EXPECT_EQ(contender.When(), 0u);
}

TEST(Contender, WaitsLongerEachTimeThatAClaimIsFollowedByNothingButAClaim) {
  Contender contender({.silence_nanos = 1000, .still_nanos = 30});
  contender.SetReady(true);
  contender.OnLooked(100, true);
  contender.OnOtherClaim(200);
  EXPECT_EQ(contender.When(), 1200u);
  contender.OnOtherClaim(300);
  EXPECT_EQ(contender.When(), 2300u);
  contender.OnOtherClaim(400);
  EXPECT_EQ(contender.When(), 4400u);
  contender.OnLooked(500, true);
  EXPECT_EQ(contender.When(), 1500u);
}

}  // namespace
}  // namespace semper::core
