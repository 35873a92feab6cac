// A core that followed before it leads; its notes, its hand-over, and checkpoints among members.
#include "absl/strings/str_cat.h"
#include "tests/unit/core/standby_fixture.h"

namespace semper::core {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// ---- leading ----

TEST_F(StandbyTest, LeadsWithTheStateThatItHas) {
  Join();
  FollowsInput();
  FollowsInput();
  WaitsOutTheSilence();
  TakesOver();
  EXPECT_THAT(Effects("recover"), ElementsAre("recover what was not followed"));
  EXPECT_EQ(core_.phase(), Core::Phase::kLeading);
  EXPECT_EQ(core_.generation(), 1u);
  EXPECT_EQ(core_.committed(), Index{2});
}

TEST_F(StandbyTest, FeedsItsServiceOnlyWhatWasNotFollowed) {
  Join();
  FollowsInput();
  WaitsOutTheSilence();
  TakesOver();
  EXPECT_THAT(Effects("feed"), ElementsAre("feed after 1"));
  core_.OnFedAll();
  EXPECT_THAT(Effects("live"), ElementsAre("live 1"));
}

TEST_F(StandbyTest, GivesItsNextServiceTheCheckpointThatItJoinedFrom) {
  Recovered joined;
  joined.restore_index = Index{7};
  joined.state = ReplicatedState::Load({}, Index{7});
  Join(std::move(joined));
  core_.OnServiceRestored(absl::OkStatus());
  WaitsOutTheSilence();
  TakesOver();
  core_.OnServiceLost("killed");
  Effects();
  ServiceGreets();
  EXPECT_THAT(Effects(), ElementsAre("greet generation 2", "restore 7"));
}

TEST_F(StandbyTest, GreetsAServiceThatCameBackDuringTheTakeOver) {
  Join();
  WaitsOutTheSilence();
  core_.OnFollowPaused(false);
  core_.OnClaimsRead(Epoch{1}, false);
  core_.OnServiceLost("killed");
  ServiceGreets();
  core_.OnClaimed(absl::OkStatus());
  core_.OnSealed(absl::OkStatus());
  core_.OnLookedUp(Epoch{2});
  Recovered recovered;
  recovered.state = core_.state();
  core_.OnRecovered(std::move(recovered));
  EXPECT_THAT(Effects("greet"), ElementsAre("greet generation 2"));
}

TEST_F(IdleLeader, WritesANoteEveryThirdOfTheSilenceLimit) {
  EXPECT_THAT(Effects("check"), Contains(absl::StrCat("check at ", began_ + kSilence / 3)));
  At(began_ + kSilence / 3);
  core_.OnCheck();
  EXPECT_THAT(Effects(), ElementsAre("write 1 durable=1 committed=1",
                                     absl::StrCat("check at ", began_ + 2 * (kSilence / 3))));
}

TEST_F(IdleLeader, LooksUpAfterANote) {
  At(began_ + kSilence / 3);
  core_.OnCheck();
  Effects();
  WriteIsDurable();
  EXPECT_THAT(Effects(), ElementsAre("look up"));
}

TEST_F(IdleLeader, WritesNoNoteRightBehindAnInput) {
  At(began_ + kSilence / 3 - 1);
  ASSERT_TRUE(SubmitsImpulse("x").ok());
  CommitAll();
  At(began_ + kSilence / 3);
  Effects();
  core_.OnCheck();
  EXPECT_THAT(Effects(), ElementsAre(absl::StrCat("check at ", began_ + 2 * (kSilence / 3) - 1)));
}

TEST_F(IdleLeader, HandsOverWithTheLastInput) {
  core_.HandOver("two");
  core_.EndOfRound();
  EXPECT_THAT(Effects("log"), ElementsAre("log control 2+1"));
  v1::Control control;
  ASSERT_TRUE(control.ParseFromString(std::string(AsText(sink_.logged().back().payload.bytes()))));
  EXPECT_EQ(control.hand_over().member(), "two");
  EXPECT_EQ(control.hand_over().epoch(), 2u);
  ASSERT_TRUE(SubmitsImpulse("late").ok());
  EXPECT_THAT(Effects("log"), IsEmpty());
}

TEST_F(IdleLeader, StopsWhenItsHandOverIsCommitted) {
  core_.HandOver("two");
  core_.EndOfRound();
  WriteIsDurable();
  EXPECT_THAT(Effects("stop"), IsEmpty());
  NoNewerClaim();
  EXPECT_THAT(Effects("stop"), ElementsAre("stop: handed over"));
}

TEST_F(IdleLeader, StopsWhenAFellowLeadsANewerEpoch) {
  core_.OnOtherLeader(Epoch{2}, "two");
  EXPECT_THAT(Effects("stop"), IsEmpty());
  core_.OnOtherLeader(Epoch{3}, "two");
  EXPECT_THAT(Effects("stop"), ElementsAre("stop: lost lock"));
}

TEST_F(StandbyTest, HandsOverALogWithoutInputsWithoutAMark) {
  Join();
  WaitsOutTheSilence();
  core_.OnFollowPaused(false);
  core_.OnClaimsRead(Epoch{1}, false);
  core_.OnServiceLost("killed");
  core_.OnClaimed(absl::OkStatus());
  core_.OnSealed(absl::OkStatus());
  core_.OnLookedUp(Epoch{2});
  core_.OnRecovered(Recovered{});
  Effects();
  core_.HandOver("two");
  EXPECT_THAT(Effects(), ElementsAre("stop: handed over"));
}

// ---- checkpoints ----

class StandbyCheckpoints : public StandbyTest {
 protected:
  StandbyCheckpoints() : StandbyTest(MemberOptions(2)) {}
};

TEST_F(StandbyCheckpoints, AreCutAtTheEndOfARecord) {
  Join();
  FollowsInput();
  EXPECT_FALSE(core_.MaybeCutFollowed());
  FollowsInput();
  EXPECT_TRUE(core_.MaybeCutFollowed());
  EXPECT_THAT(Effects("cut"), ElementsAre("cut 2"));
}

TEST_F(StandbyCheckpoints, AreLeftToWhomTheLeaderAsks) {
  Join();
  core_.SetCheckpointing(false);
  FollowsInput();
  FollowsInput();
  EXPECT_FALSE(core_.MaybeCutFollowed());
}

TEST_F(StandbyCheckpoints, OneAtATime) {
  Join();
  FollowsInput();
  FollowsInput();
  ASSERT_TRUE(core_.MaybeCutFollowed());
  FollowsInput();
  FollowsInput();
  EXPECT_FALSE(core_.MaybeCutFollowed());
}

TEST_F(StandbyCheckpoints, ArePublishedWhenWritten) {
  Join();
  FollowsInput();
  FollowsInput();
  ASSERT_TRUE(core_.MaybeCutFollowed());
  ASSERT_TRUE(core_.OnCheckpointBegin(Index{2}).ok());
  core_.OnCheckpointReady(Index{2});
  EXPECT_THAT(Effects("publish"), ElementsAre("publish 2"));
}

class CheckpointsByTime : public StandbyTest {
 protected:
  static CoreOptions Options() {
    CoreOptions options = MemberOptions();
    options.checkpoint_every_nanos = 2;
    return options;
  }
  CheckpointsByTime() : StandbyTest(Options()) {}
};

TEST_F(CheckpointsByTime, CountFromTheFirstInputOfAll) {
  Join();
  FollowsInput();
  EXPECT_FALSE(core_.MaybeCutFollowed());
  FollowsInput();
  FollowsInput();
  EXPECT_TRUE(core_.MaybeCutFollowed());
}

class Adoption : public IdleLeader {
 protected:
  Adoption() {
    ASSERT_OK(SubmitsImpulse("x"));
    CommitAll();
    Effects();
  }
  static void ASSERT_OK(const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; }
};

TEST_F(Adoption, MovesThePlaceWhereTheNextServiceBegins) {
  ASSERT_TRUE(core_.OnDone(Index{2}, 0).ok());
  EXPECT_TRUE(core_.OnCheckpointAdopted(Index{2}, {}));
  core_.OnServiceLost("killed");
  Effects();
  ServiceGreets();
  EXPECT_THAT(Effects(), ElementsAre("greet generation 2", "restore 2"));
}

TEST_F(Adoption, WaitsUntilTheOwnServiceHasMadeItsOutputs) {
  ASSERT_TRUE(core_.OnDone(Index{1}, 0).ok());
  EXPECT_FALSE(core_.OnCheckpointAdopted(Index{2}, {}));
}

TEST_F(Adoption, NeverGoesBack) {
  ASSERT_TRUE(core_.OnDone(Index{2}, 0).ok());
  ASSERT_TRUE(core_.OnCheckpointAdopted(Index{2}, {}));
  EXPECT_FALSE(core_.OnCheckpointAdopted(Index{1}, {}));
}

}  // namespace
}  // namespace semper::core
