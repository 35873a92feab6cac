// A core with fellow members: joining, following, and when it claims.
#include "absl/strings/str_cat.h"
#include "tests/unit/core/standby_fixture.h"

namespace semper::core {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// ---- joining ----

TEST_F(StandbyTest, JoinsOnlyWithAService) {
  core_.Start();
  core_.OnClaimsRead(Epoch{1}, false);
  EXPECT_THAT(Effects(), ElementsAre("read claims"));
  ServiceGreets();
  EXPECT_THAT(Effects(), ElementsAre("join"));
}

TEST_F(StandbyTest, FollowsFromItsCheckpoint) {
  core_.Start();
  core_.OnClaimsRead(Epoch{1}, false);
  ServiceGreets();
  Effects();
  Recovered joined;
  joined.restore_index = Index{7};
  joined.state = ReplicatedState::Load({}, Index{7});
  core_.OnJoined(std::move(joined));
  EXPECT_THAT(Effects(), ElementsAre("greet generation 1", "restore 7"));
  core_.OnServiceRestored(absl::OkStatus());
  EXPECT_THAT(Effects(), ElementsAre("follow after 7"));
}

TEST_F(StandbyTest, JoinsAnewWhenItsCheckpointVanishedDuringTheRestore) {
  Recovered joined;
  joined.restore_index = Index{7};
  joined.state = ReplicatedState::Load({}, Index{7});
  Join(std::move(joined));
  core_.OnServiceRestored(absl::NotFoundError("removed"));
  EXPECT_THAT(Effects("stop"), ElementsAre("stop: rejoin"));
}

TEST_F(StandbyTest, JoinsAnewWhenItsServiceWentAwayMeanwhile) {
  core_.Start();
  core_.OnClaimsRead(Epoch{1}, false);
  ServiceGreets();
  core_.OnServiceLost("killed");
  Effects();
  core_.OnJoined(Recovered{});
  EXPECT_THAT(Effects(), ElementsAre("stop: rejoin"));
}

TEST_F(StandbyTest, StopsWhenTheLogIsDamaged) {
  core_.Start();
  core_.OnClaimsRead(Epoch{1}, false);
  ServiceGreets();
  Effects();
  core_.OnJoined(absl::DataLossError("offset 4096"));
  EXPECT_THAT(Effects(), ElementsAre("stop: damage"));
}

TEST_F(StandbyTest, GreetsTheNextServiceAfterOneThatItRefused) {
  core_.Start();
  core_.OnClaimsRead(Epoch{1}, false);
  v1::ServiceHello hello;
  hello.set_minimum_protocol_version(99);
  core_.OnServiceHello(hello);
  core_.OnJoined(Recovered{});
  EXPECT_THAT(Effects("refuse"), ElementsAre("refuse service"));
  ServiceGreets();
  EXPECT_THAT(Effects(), ElementsAre("greet generation 1", "follow after 0"));
}

// ---- following ----

TEST_F(StandbyTest, GivesWhatItFollowsToItsService) {
  Join();
  FollowsInput();
  EXPECT_THAT(Effects(), ElementsAre("deliver impulse 1+1"));
  EXPECT_EQ(core_.state().index(), Index{1});
}

TEST_F(StandbyTest, TakesNobodyIn) {
  Join();
  OrdersGreets();
  EXPECT_THAT(Effects(), ElementsAre("refuse 7 NOT_LEADER"));
}

TEST_F(StandbyTest, SendsNoOutputs) {
  Join();
  FollowsInput();
  SendsTo(kStock, "shop/stock");
  ASSERT_TRUE(Outputs(kStock, 1, {"a"}).ok());
  Looked();
  EXPECT_THAT(Effects(), Not(Contains(AllOf(HasSubstr("connect"), HasSubstr("send")))));
}

TEST_F(StandbyTest, JoinsAnewWithoutItsService) {
  Join();
  core_.OnServiceLost("killed");
  EXPECT_THAT(Effects("stop: "), ElementsAre("stop: rejoin"));
}

TEST_F(StandbyTest, JoinsAnewWhenRetentionWentPastIt) {
  Join();
  core_.OnFollowFailed(absl::NotFoundError("segment 3"));
  EXPECT_THAT(Effects(), ElementsAre("stop: rejoin"));
}

TEST_F(StandbyTest, DropsOutputsThatTheLogSaysAreAcknowledged) {
  Join();
  FollowsInput();
  SendsTo(kStock, "shop/stock");
  ASSERT_TRUE(Outputs(kStock, 1, {"a"}).ok());
  EXPECT_GT(core_.ledger().held_bytes(), 0u);
  FollowsAckNote(After({}, {"a"}));
  EXPECT_EQ(core_.ledger().held_bytes(), 0u);
}

TEST_F(StandbyTest, NeverLeadsAfterOutputsThatDifferFromTheLeaders) {
  Join();
  FollowsInput();
  SendsTo(kStock, "shop/stock");
  ASSERT_TRUE(Outputs(kStock, 1, {"a"}).ok());
  FollowsAckNote(After({}, {"b"}));
  EXPECT_THAT(core_.contender().unfit(), HasSubstr("shop/stock"));
  WaitsOutTheSilence();
  EXPECT_THAT(Effects("pause"), IsEmpty());
}

TEST_F(StandbyTest, ComparesWithANoteThatCameBeforeTheOutput) {
  Join();
  FollowsInput();
  FollowsAckNote(After({}, {"b"}));
  SendsTo(kStock, "shop/stock");
  ASSERT_TRUE(Outputs(kStock, 1, {"a"}).ok());
  EXPECT_THAT(core_.contender().unfit(), HasSubstr("shop/stock"));
}

// ---- what the leader says of acknowledgements ----

class ToldAcksTest : public StandbyTest {
 protected:
  void SetUp() override {
    Join();
    FollowsInput();
    SendsTo(kStock, "shop/stock");
  }
  const Destination& stock() const { return core_.ledger().destinations()[0]; }
};

TEST_F(ToldAcksTest, DropOutputsWithoutANoteInTheLog) {
  ASSERT_TRUE(Outputs(kStock, 1, {"a"}).ok());
  ASSERT_TRUE(Outputs(kStock, 1, {"b"}).ok());
  IsToldAcked(After({}, {"a"}));
  ASSERT_EQ(stock().held.size(), 1u);
  EXPECT_EQ(stock().held[0].first_sequence, 2u);
  EXPECT_EQ(core_.contender().unfit(), "");
}

TEST_F(ToldAcksTest, DropOutputsThatAreMadeLater) {
  IsToldAcked(After({}, {"a"}));
  ASSERT_TRUE(Outputs(kStock, 1, {"a"}).ok());
  ASSERT_TRUE(Outputs(kStock, 1, {"b"}).ok());
  EXPECT_EQ(stock().held.size(), 1u);
  EXPECT_EQ(core_.contender().unfit(), "");
}

TEST_F(ToldAcksTest, ThatDifferFromTheOwnOutputsKeepItFromLeading) {
  ASSERT_TRUE(Outputs(kStock, 1, {"a"}).ok());
  IsToldAcked(After({}, {"b"}));
  EXPECT_THAT(core_.contender().unfit(), HasSubstr("shop/stock"));
}

TEST_F(ToldAcksTest, AreComparedAlsoIfManyCameBeforeTheOutputs) {
  std::vector<std::string> bodies;
  for (int i = 0; i < 100; ++i) {
    bodies.push_back(i == 50 ? "other" : "a");
    IsToldAcked(After({}, bodies));
  }
  EXPECT_LE(stock().witnesses.size(), 16u);
  ASSERT_TRUE(Outputs(kStock, 1, std::vector<std::string>(100, "a")).ok());
  EXPECT_THAT(core_.contender().unfit(), HasSubstr("shop/stock"));
}

TEST_F(ToldAcksTest, OfADestinationThatItDoesNotKnowYetAreNoNews) {
  v1::Control::AckNote note = NoteOf(After({}, {"a"}));
  note.mutable_acked(0)->set_slot(9);
  core_.OnAcksTold(note);
  EXPECT_EQ(core_.contender().unfit(), "");
}

TEST_F(ToldAcksTest, MeanNothingToOneThatStopped) {
  ASSERT_TRUE(Outputs(kStock, 1, {"a"}).ok());
  core_.OnServiceLost("");
  IsToldAcked(After({}, {"b"}));
  EXPECT_EQ(stock().held.size(), 1u);
}

// ---- when to claim ----

TEST_F(StandbyTest, ClaimsAfterTheSilenceLimit) {
  Join();
  Looked();
  EXPECT_THAT(Effects("check"), ElementsAre(absl::StrCat("check at ", 1000 + kSilence)));
  At(1000 + kSilence);
  Looked();
  EXPECT_THAT(Effects("pause"), ElementsAre("pause following"));
  core_.OnFollowPaused(false);
  EXPECT_THAT(Effects(), ElementsAre("read claims"));
  core_.OnClaimsRead(Epoch{1}, false);
  EXPECT_THAT(Effects(), ElementsAre("claim 2"));
}

TEST_F(StandbyTest, LooksOnceMoreBeforeItClaimsAfterASleep) {
  Join();
  Looked();
  Effects();
  At(1000 + 50 * kSilence);
  core_.OnCheck();
  EXPECT_THAT(Effects(), ElementsAre("follow after 0"));
  core_.OnFollowed(Epoch{1}, true);
  EXPECT_THAT(Effects("pause"), IsEmpty());
}

TEST_F(StandbyTest, ClaimsOnlyWhenItsServiceIsCaughtUp) {
  Join();
  const std::string payload = Messages(std::vector<std::string>(100'001, ""));
  FrameHeader entry = FrameOf(payload, 100'001);
  entry.kind = FrameKind::kImpulse;
  entry.index = 1;
  entry.time = 101;
  Follows(entry, payload);
  WaitsOutTheSilence();
  EXPECT_THAT(Effects("pause"), IsEmpty());
  ASSERT_TRUE(core_.OnDone(Index{1}, 0).ok());
  Looked();
  EXPECT_THAT(Effects("pause"), ElementsAre("pause following"));
}

TEST_F(StandbyTest, ClaimsAtOnceAfterAHandOverToIt) {
  Join();
  FollowsHandOver("one");
  Looked();
  EXPECT_THAT(Effects("pause"), ElementsAre("pause following"));
}

TEST_F(StandbyTest, AHandOverToAnotherIsNoReasonToClaim) {
  Join();
  FollowsHandOver("two");
  Looked();
  EXPECT_THAT(Effects("pause"), IsEmpty());
}

TEST_F(StandbyTest, AHandOverThatIsNotTheLastInputIsNoReasonToClaim) {
  Join();
  FollowsHandOver("one");
  FollowsInput();
  Looked();
  EXPECT_THAT(Effects("pause"), IsEmpty());
}

TEST_F(StandbyTest, AHandOverOfAnOlderEpochIsNoReasonToClaim) {
  core_.Start();
  core_.OnClaimsRead(Epoch{3}, false);
  ServiceGreets();
  core_.OnJoined(Recovered{});
  FollowsHandOver("one", 1);
  Looked(3);
  EXPECT_THAT(Effects("pause"), IsEmpty());
}

TEST_F(StandbyTest, ClaimsAtOnceWhenTheLastEpochWasItsOwn) {
  core_.Start();
  core_.OnClaimsRead(Epoch{4}, true);
  ServiceGreets();
  Recovered joined;
  joined.epoch = Epoch{4};
  core_.OnJoined(std::move(joined));
  FollowsInput();
  Looked(4);
  EXPECT_THAT(Effects("pause"), ElementsAre("pause following"));
}

TEST_F(StandbyTest, WaitsWhenItsOwnLastEpochWasNeverSealed) {
  core_.Start();
  core_.OnClaimsRead(Epoch{4}, true);
  ServiceGreets();
  Recovered joined;
  joined.epoch = Epoch{2};
  core_.OnJoined(std::move(joined));
  Looked(4);
  EXPECT_THAT(Effects("pause"), IsEmpty());
}

TEST_F(StandbyTest, ClaimsAtOnceWhatNobodyHasClaimed) {
  core_.Start();
  core_.OnClaimsRead(Epoch{0}, false);
  ServiceGreets();
  core_.OnJoined(Recovered{});
  Looked(0);
  EXPECT_THAT(Effects("pause"), ElementsAre("pause following"));
}

// ---- checking and claiming ----

TEST_F(StandbyTest, GoesOnFollowingWhenSomebodyClaimedMeanwhile) {
  Join();
  WaitsOutTheSilence();
  core_.OnFollowPaused(false);
  Effects();
  core_.OnClaimsRead(Epoch{2}, false);
  EXPECT_THAT(Effects(), ElementsAre("follow after 0"));
  Looked(2);
  EXPECT_THAT(Effects("check"), ElementsAre(absl::StrCat("check at ", 1000 + 2 * kSilence)));
}

TEST_F(StandbyTest, GoesOnFollowingWhenItLostTheRace) {
  Join();
  WaitsOutTheSilence();
  core_.OnFollowPaused(false);
  core_.OnClaimsRead(Epoch{1}, false);
  Effects();
  core_.OnClaimed(absl::AlreadyExistsError("2"));
  EXPECT_THAT(Effects(), ElementsAre("follow after 0"));
  EXPECT_EQ(core_.newest_claim(), Epoch{2});
}

TEST_F(StandbyTest, JoinsAnewWhenItLostTheRaceAndItsServiceMeanwhile) {
  Join();
  WaitsOutTheSilence();
  core_.OnFollowPaused(false);
  core_.OnClaimsRead(Epoch{1}, false);
  core_.OnServiceLost("killed");
  core_.OnServiceHello({});
  Effects();
  core_.OnClaimed(absl::AlreadyExistsError("2"));
  EXPECT_THAT(Effects("follow"), ElementsAre());
  EXPECT_EQ(core_.phase(), Core::Phase::kStopped);
}

TEST_F(StandbyTest, AppliesWhatComesWhileItChecks) {
  Join();
  WaitsOutTheSilence();
  FollowsInput();
  core_.OnFollowPaused(true);
  Effects();
  FollowsInput();
  EXPECT_THAT(Effects(), ElementsAre("deliver impulse 2+1"));
  EXPECT_EQ(core_.state().index(), Index{2});
}

TEST_F(StandbyTest, DoesNotClaimWhenTheLogMovedWhileItChecked) {
  Join();
  WaitsOutTheSilence();
  Effects();
  core_.OnFollowPaused(true);
  EXPECT_THAT(Effects(), ElementsAre("follow after 0"));
}

TEST_F(StandbyTest, DoesNotClaimWhenItBecameUnfitWhileItChecked) {
  Join();
  WaitsOutTheSilence();
  core_.SetUnfit("two members of one name");
  Effects();
  core_.OnFollowPaused(false);
  EXPECT_THAT(Effects(), ElementsAre("follow after 0"));
}

TEST_F(StandbyTest, RefusesALogThatANewerVersionWrote) {
  Join();
  core_.OnFollowFailed(absl::UnimplementedError("minimum reader 2"));
  EXPECT_THAT(Effects(), Contains("stop: unknown state"));
}

TEST_F(StandbyTest, DoesNotLeadALogWithoutWhatItApplied) {
  Join();
  WaitsOutTheSilence();
  core_.OnFollowPaused(false);
  core_.OnClaimsRead(Epoch{1}, false);
  core_.OnClaimed(absl::OkStatus());
  Effects();
  core_.OnSealed(absl::OutOfRangeError("the log ends before what was committed"));
  EXPECT_THAT(Effects(), ElementsAre("stop: replaced"));
}

TEST_F(StandbyTest, JoinsAnewWhenTheLogGoesOnElsewhere) {
  Join();
  WaitsOutTheSilence();
  core_.OnFollowPaused(false);
  core_.OnClaimsRead(Epoch{1}, false);
  core_.OnClaimed(absl::OkStatus());
  core_.OnSealed(absl::OkStatus());
  core_.OnLookedUp(Epoch{2});
  Effects();
  core_.OnRecovered(absl::FailedPreconditionError("another history"));
  EXPECT_THAT(Effects(), ElementsAre("stop: lost lock"));
}

}  // namespace
}  // namespace semper::core
