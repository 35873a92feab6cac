// A core with fellow members: joining, following, claiming, and leading with what it has.
#include "absl/strings/str_cat.h"
#include "tests/unit/core/core_fixture.h"

namespace semper::core {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr uint64_t kSilence = 900;
constexpr uint64_t kStill = 30;

CoreOptions MemberOptions(uint64_t checkpoint_every_inputs = 0) {
  CoreOptions options = TestOptions();
  options.alone = false;
  options.member = "one";
  options.contender.silence_nanos = kSilence;
  options.contender.still_nanos = kStill;
  options.checkpoint_every_inputs = checkpoint_every_inputs;
  return options;
}

class StandbyTest : public CoreTest {
 protected:
  explicit StandbyTest(CoreOptions options = MemberOptions()) : CoreTest(std::move(options)) {
    At(1000);
  }

  void At(uint64_t steady) { core_.SetNow(5000 + steady, steady); }

  // Follows epoch 1 of somebody else, from its beginning, with a service.
  void Join(Recovered joined = {}) {
    core_.Start();
    core_.OnClaimsRead(Epoch{1}, false);
    ServiceGreets();
    joined.epoch = Epoch{1};
    core_.OnJoined(std::move(joined));
    Effects();
  }

  void Follows(const FrameHeader& entry, const std::string& payload) {
    core_.OnFed(entry, pool_.Copy(AsBytes(payload)));
  }
  void FollowsInput() {
    const std::string payload = Messages({"x"});
    FrameHeader entry = FrameOf(payload, 1);
    entry.kind = FrameKind::kImpulse;
    entry.index = Raw(core_.delivered()) + 1;
    entry.time = 100 + entry.index;
    Follows(entry, payload);
  }
  void FollowsControl(const v1::Control& control) {
    const std::string payload = control.SerializeAsString();
    FrameHeader entry = FrameOf(payload, 1);
    entry.kind = FrameKind::kControl;
    entry.index = Raw(core_.delivered()) + 1;
    entry.time = 100 + entry.index;
    Follows(entry, payload);
  }
  void FollowsHandOver(const std::string& member, uint64_t epoch = 1) {
    v1::Control control;
    control.mutable_hand_over()->set_member(member);
    control.mutable_hand_over()->set_epoch(epoch);
    FollowsControl(control);
  }
  void FollowsAckNote(const Position& acked) {
    v1::Control control;
    auto* to = control.mutable_ack_note()->add_acked();
    to->set_slot(Raw(kStock));
    to->set_sequence(acked.sequence);
    to->set_hash(acked.hash);
    FollowsControl(control);
  }
  // Was looked at: nothing new.
  void Looked(uint64_t newest = 1) { core_.OnFollowed(Epoch{newest}, false); }

  // To the point where it has paused to claim.
  void WaitsOutTheSilence() {
    Looked();
    At(1000 + kSilence);
    Looked();
  }
  // From the pause to leading epoch 2.
  void TakesOver() {
    core_.OnFollowPaused(false);
    core_.OnClaimsRead(Epoch{1}, false);
    core_.OnClaimed(absl::OkStatus());
    core_.OnSealed(absl::OkStatus());
    core_.OnLookedUp(Epoch{2});
    Recovered recovered;
    recovered.state = core_.state();
    core_.OnRecovered(std::move(recovered));
  }
};

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

class IdleLeader : public StandbyTest {
 protected:
  IdleLeader() {
    Join();
    v1::Control control;
    control.mutable_start()->set_service_name("books");
    FollowsControl(control);
    WaitsOutTheSilence();
    TakesOver();
    core_.OnFedAll();
  }
  const uint64_t began_ = 1000 + kSilence;
};

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
