// Real members of one counter, and what people do to them: nothing is lost, and each says what is
// wrong.
#include <gmock/gmock.h>

#include "tests/integration/members/counter_fixture.h"

namespace shop::demo {
namespace {

using testing::HasSubstr;

class BadInputTest : public CounterTest {
 protected:
  // `a` leads epoch 1 and has counted; b follows if it was started like this.
  void StartBoth(const std::vector<std::string>& flags_of_b = {}) {
    Start("a");
    ASSERT_TRUE(WaitForStanding("a", Standing::kLeads)) << Log("a");
    Start("b", flags_of_b);
    ASSERT_TRUE(Add("a")) << Log("a");
  }
  // Nobody was disturbed.
  void ExpectThatALeadsOn() {
    EXPECT_TRUE(Add("a")) << Log("a");
    EXPECT_EQ(StandingOf("a"), Standing::kLeads) << ReadyText("a");
    EXPECT_FALSE(std::filesystem::exists(Claim(2)));
  }

  // Both say why, and what to do.
  void ExpectRefusals(const std::string& why) {
    for (const char* key : {"a", "b"}) {
      EXPECT_TRUE(WaitFor([&] { return ReadyText(key).starts_with("refused: "); })) << Log(key);
      EXPECT_THAT(ReadyText(key), HasSubstr(why));
      EXPECT_THAT(Status(key), HasSubstr("Put an empty file in the place of each"));
    }
  }
  // `b` leads epoch 2, and a follows it.
  void StartBothInEpochTwo() {
    StartBoth();
    ASSERT_TRUE(WaitForStanding("b", Standing::kReady)) << ReadyText("b");
    Kill("a");
    ASSERT_TRUE(WaitForStanding("b", Standing::kLeads)) << Log("b");
    Start("a");
    ASSERT_TRUE(WaitForStanding("a", Standing::kReady)) << ReadyText("a");
    ASSERT_TRUE(Add("b")) << Log("b");
  }
  // After the remedy, started again: nothing that was counted is lost.
  void ExpectThatBothCountOn() {
    for (const char* key : {"a", "b"}) Kill(key);
    Start("a");
    ASSERT_TRUE(WaitForStanding("a", Standing::kLeads)) << Log("a");
    Start("b");
    EXPECT_TRUE(WaitForStanding("b", Standing::kReady)) << Log("b");
    EXPECT_TRUE(Add("a")) << Log("a");
  }
};

TEST_F(BadInputTest, OfTwoMembersOfOneNameTheLeaderLeadsOn) {
  StartBoth({"--member=a"});
  const std::string text =
      "two processes call themselves member 'a' of demo/counter; give each its own --member";
  EXPECT_TRUE(WaitForLog("b", text)) << Log("b");
  EXPECT_THAT(Status("b"), HasSubstr(text));
  EXPECT_EQ(StandingOf("b"), Standing::kAway) << ReadyText("b");
  ExpectThatALeadsOn();
}

TEST_F(BadInputTest, AMemberOfAnotherNameIsNoFellow) {
  StartBoth({"--name=demo/other"});
  EXPECT_TRUE(WaitForLog("b", "is no member of demo/")) << Log("b");
  ExpectThatALeadsOn();
}

TEST_F(BadInputTest, AMemberOfAnotherClusterRefusesTheDirectory) {
  StartBoth({"--cluster=other"});
  EXPECT_TRUE(WaitForLog("b", "/genesis belongs to cluster 'default'")) << Log("b");
  EXPECT_THAT(Status("b"), HasSubstr("this coordinator to 'other' (--cluster)"));
  EXPECT_THAT(ReadyText("b"), HasSubstr("refused: "));
  ExpectThatALeadsOn();
}

TEST_F(BadInputTest, AMemberOnAnotherDirectoryIsNoFellow) {
  std::filesystem::create_directory(File("elsewhere"));
  StartBoth({"--log-dir=" + File("elsewhere")});
  EXPECT_TRUE(WaitForLog("b", "they do not share one log directory")) << Log("b");
  ExpectThatALeadsOn();
}

TEST_F(BadInputTest, AnEpochFromTheFutureStopsEverybodyUntilItsGapIsFilled) {
  StartBoth();
  ASSERT_TRUE(WaitForStanding("b", Standing::kReady)) << ReadyText("b");
  std::ofstream(Claim(4)).flush();
  ExpectRefusals("lists 2 claims from 1 to 4, but claims have no gaps");
  for (const int epoch : {2, 3}) std::ofstream(Claim(epoch)).flush();
  ExpectThatBothCountOn();
  EXPECT_TRUE(std::filesystem::exists(Claim(5)));
}

TEST_F(BadInputTest, ADeletedClaimStopsEverybodyUntilItIsPutBack) {
  StartBoth();
  ASSERT_TRUE(WaitForStanding("b", Standing::kReady)) << ReadyText("b");
  std::filesystem::remove(Claim(1));
  ExpectRefusals("is of a later one: claims were deleted");
  EXPECT_THAT(Log("a"), HasSubstr("does not show claim 1, which is ours"));
  std::ofstream(Claim(1)).flush();
  ExpectThatBothCountOn();
  EXPECT_TRUE(std::filesystem::exists(Claim(2)));
}

constexpr char kGapAtOne[] =
    "/claims/0 lists 1 claims from 2 to 2, but claims have no gaps and begin with 1";

TEST_F(BadInputTest, ADeletedOlderClaimStopsEverybodyUntilItIsPutBack) {
  StartBothInEpochTwo();
  std::filesystem::remove(Claim(1));
  ExpectRefusals(kGapAtOne);
  EXPECT_THAT(Log("b"), HasSubstr("begins anew: the look-up of claims failed"));
  EXPECT_FALSE(std::filesystem::exists(Claim(3)));  // nobody leads
  std::ofstream(Claim(1)).flush();
  ExpectThatBothCountOn();
  EXPECT_TRUE(std::filesystem::exists(Claim(3)));
}

TEST_F(BadInputTest, AMemberThatStartsWithoutAnOlderClaimRefusesUntilItIsPutBack) {
  StartBothInEpochTwo();
  for (const char* key : {"a", "b"}) Kill(key);
  std::filesystem::remove(Claim(1));
  for (const char* key : {"a", "b"}) Start(key);
  ExpectRefusals(kGapAtOne);
  EXPECT_FALSE(std::filesystem::exists(Claim(3)));
  std::ofstream(Claim(1)).flush();
  ExpectThatBothCountOn();
  EXPECT_TRUE(std::filesystem::exists(Claim(3)));
}

}  // namespace
}  // namespace shop::demo
