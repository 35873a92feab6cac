// A standby is stopped while it takes the checkpoint that is its turn: the leader goes on without
// it, and when it wakes nothing is harmed.
#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>

#include "tests/integration/members/counter_fixture.h"

namespace shop::demo {
namespace {

using testing::HasSubstr;

class StoppedFellowTest : public CounterTest {
 protected:
  static constexpr uint64_t kInputs = 20;  // from one checkpoint to the next

  // `a` leads and b has taken one checkpoint; it is asked for the next one, but its service is
  // stopped. A turn lasts 30 of the leader's silence limits; b itself is in no hurry to lead.
  void StopInItsTurn() {
    const std::string every = "--checkpoint-every-inputs=" + std::to_string(kInputs);
    Start("a", {"--silence-limit=200ms", every});
    ASSERT_TRUE(WaitForStanding("a", Standing::kLeads)) << Log("a");
    Start("b", {"--silence-limit=10s", every});
    ASSERT_TRUE(WaitForStanding("b", Standing::kReady)) << Log("b");
    const auto taken = [&] { return Log("b").find("checkpoint at index ") != std::string::npos; };
    ASSERT_TRUE(WaitFor([&] { return Add("a") && taken(); })) << Log("a");
    first_ = Newest();
    service_ = ServiceOf("b");
    ASSERT_GT(service_, 0);
    kill(service_, SIGSTOP);
    for (uint64_t i = 0; i < 2 * kInputs; ++i) ASSERT_TRUE(Add("a")) << Log("a");
    // It has passed these on to its service, and with them that a checkpoint is to be taken.
    const std::string passed_on = ", delivered " + std::to_string(total_ + 1) + ", done ";
    ASSERT_TRUE(WaitFor([&] { return Status("b").find(passed_on) != std::string::npos; }));
    ASSERT_EQ(Newest(), first_);
  }
  // Index of the newest checkpoint, of whomever.
  uint64_t Newest() const {
    uint64_t newest = 0;
    const std::string dir = File("logs/demo/counter/checkpoints");
    for (const auto& file : std::filesystem::directory_iterator(dir)) {
      const std::string name = file.path().filename();
      if (!name.ends_with(".ckpt")) continue;
      newest = std::max<uint64_t>(newest, std::stoull(name.substr(17), nullptr, 16));
    }
    return newest;
  }
  void ExpectACheckpointOfTheLeader() {
    EXPECT_TRUE(WaitFor([&] { return Add("a") && Newest() > first_ + kInputs; })) << Log("a");
    EXPECT_TRUE(WaitForLog("a", "checkpoint at index " + std::to_string(Newest()))) << Log("a");
  }
  // Nothing is lost, and the one that was stopped can lead.
  void ExpectThatNothingIsHarmed() {
    ASSERT_TRUE(WaitForStanding("b", Standing::kReady)) << Log("b");
    EXPECT_TRUE(Add("a")) << Log("a");
    EXPECT_FALSE(std::filesystem::exists(Claim(2))) << Log("b");
    Kill("a");
    ASSERT_TRUE(WaitForStanding("b", Standing::kLeads)) << Log("b");
    EXPECT_TRUE(Add("b")) << Log("b");
  }

  uint64_t first_ = 0;
  pid_t service_ = 0;
};

TEST_F(StoppedFellowTest, WhoseServiceHangsLosesItsTurnAndWhatItTakesLateCounts) {
  StopInItsTurn();
  EXPECT_TRUE(WaitForLog("a", "a checkpoint is due, but member b took none in 6 s")) << Log("a");
  EXPECT_THAT(Log("a"), HasSubstr("; it is the turn of member a"));
  ExpectACheckpointOfTheLeader();
  const size_t before = Log("b").rfind("checkpoint at index ");
  kill(service_, SIGCONT);
  EXPECT_TRUE(WaitFor([&] { return Log("b").rfind("checkpoint at index ") > before; })) << Log("b");
  ExpectThatNothingIsHarmed();
}

TEST_F(StoppedFellowTest, ThatHangsAltogetherIsNotWaitedFor) {
  StopInItsTurn();
  members_["b"].process->Signal(SIGSTOP);
  EXPECT_TRUE(WaitForLog("a", "lost member b")) << Log("a");
  ExpectACheckpointOfTheLeader();
  kill(service_, SIGCONT);
  members_["b"].process->Signal(SIGCONT);
  ExpectThatNothingIsHarmed();
}

}  // namespace
}  // namespace shop::demo
