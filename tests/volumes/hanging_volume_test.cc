// A volume that hangs for one of two members, or takes no writes of it: the other one leads without
// waiting for it, and what the first one still writes afterwards counts for nothing.
#include <fcntl.h>
#include <gmock/gmock.h>

#include <cerrno>
#include <csignal>
#include <sstream>

#include "tests/integration/members/counter_fixture.h"
#include "tests/volumes/fuse_mount.h"

namespace semper::volumes {
namespace {

using shop::demo::ContentOf;
using shop::demo::Probe;
using shop::demo::SleepFor;
using shop::demo::Standing;
using shop::demo::WaitFor;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::HasSubstr;

class HangingVolumeTest : public shop::demo::CounterTest {
 protected:
  void SetUp() override {
    std::string why;
    if (!FuseMount::Possible(why)) GTEST_SKIP() << why;
    for (const char* key : {"a", "b"}) {
      mounts_[key] = std::make_unique<FuseMount>("none", File("logs"), File(key) + ".mount");
      Start(key, {"--log-dir=" + mounts_[key]->point(), "--log-profile=shared"});
      ASSERT_TRUE(WaitForStanding(key, mounts_.size() == 1 ? Standing::kLeads : Standing::kReady))
          << Log(key);
    }
  }
  void TearDown() override {
    for (auto& [key, mount] : mounts_) kill(mount->pid(), SIGCONT);
    for (auto& [key, member] : members_) member.process.reset();
  }

  void Feed(const std::string& key, int numbers) {
    for (; numbers > 0; --numbers) ASSERT_EQ(write(members_[key].numbers, "1\n", 2), 2);
  }
  // What the counter of `key` told its clients so far: index and total of each input.
  std::vector<std::pair<uint64_t, uint64_t>> Told(const std::string& key) const {
    std::istringstream in(ContentOf(members_.at(key).file + ".totals"));
    std::vector<std::pair<uint64_t, uint64_t>> told;
    std::string word;
    uint64_t index = 0;
    uint64_t total = 0;
    while (in >> word >> index >> word >> word >> total) told.emplace_back(index, total);
    return told;
  }
  bool WaitForTold(const std::string& key, size_t more) const {
    const size_t before = Told(key).size();
    return WaitFor([&] { return Told(key).size() >= before + more; });
  }
  // Status and probes of a member whose volume hangs.
  void ExpectAnswers(const std::string& key) {
    EXPECT_EQ(Probe(members_[key].http, seconds(1), "/livez").text, "ok");
    EXPECT_NE(ReadyText(key), "");
    EXPECT_THAT(Status(key), HasSubstr("demo/counter"));
  }

  void HangFor(seconds time) {
    Feed("a", 3000);
    ASSERT_TRUE(WaitForTold("a", 100)) << Log("a");
    const auto begin = steady_clock::now();
    kill(mounts_["a"]->pid(), SIGSTOP);
    ASSERT_TRUE(WaitForStanding("b", Standing::kLeads)) << Log("b");
    // Their connection stood until the old leader heard of the new one.
    EXPECT_LT(Log("b").find("claimed epoch 2"), Log("b").find("lost member a")) << Log("b");
    Feed("b", 100);
    EXPECT_TRUE(WaitForTold("b", 100)) << Log("b");
    while (steady_clock::now() < begin + time) {
      ExpectAnswers("a");
      SleepFor(milliseconds(500));
    }
    kill(mounts_["a"]->pid(), SIGCONT);
  }
  // Each total once, in the order of the log: nothing lost, nothing twice, nothing of another
  // history.
  void ExpectOneHistory() const {
    auto told = Told("a");
    const auto of_b = Told("b");
    told.insert(told.end(), of_b.begin(), of_b.end());
    std::sort(told.begin(), told.end());
    // What was under way when the volume hung: its client was told nothing, and it may count.
    uint64_t untold = 0;
    for (size_t i = 1; i < told.size(); ++i) {
      EXPECT_LT(told[i - 1].first, told[i].first);
      EXPECT_LT(told[i - 1].second, told[i].second);
      untold += told[i].second - told[i - 1].second - 1;
    }
    EXPECT_LE(untold, 2u);  // one of each that led
  }

  // Makes the mount of `key` read-only, or ends that.
  void SwitchWrites(const std::string& key, bool on) {
    kill(mounts_[key]->pid(), SIGUSR1);
    const std::string genesis = mounts_[key]->point() + "/demo/counter/genesis";
    EXPECT_TRUE(WaitFor([&] {
      const int fd = open(genesis.c_str(), O_WRONLY | O_CLOEXEC);
      const bool refused = fd < 0 && errno == EROFS;
      if (fd >= 0) close(fd);
      return on ? fd >= 0 : refused;
    }));
  }

  std::map<std::string, std::unique_ptr<FuseMount>> mounts_;
};

using ReadOnlyMountTest = HangingVolumeTest;

TEST_F(HangingVolumeTest, AnotherMemberLeadsAndNothingOfTheLateWritesCounts) {
  HangFor(seconds(SEMPER_HANGS_FOR_SECONDS));
  EXPECT_TRUE(WaitForStanding("a", Standing::kReady)) << Log("a");
  EXPECT_THAT(Log("a"), HasSubstr("begins anew: "));
  EXPECT_EQ(StandingOf("b"), Standing::kLeads) << Log("b");
  EXPECT_EQ(Run({"semperctl", "log", "verify", "--log-dir", File("logs"), "--name", "demo/counter"},
                "verify"),
            0)
      << ContentOf(File("verify"));
  members_["b"].process->Kill();
  ASSERT_TRUE(WaitForStanding("a", Standing::kLeads)) << Log("a");
  Feed("a", 1);
  EXPECT_TRUE(WaitForTold("a", 1)) << Log("a");
  ExpectOneHistory();
}

TEST_F(ReadOnlyMountTest, OfTheLeaderLetsAnotherMemberLeadUntilThatOneIsGone) {
  ASSERT_TRUE(Add("a")) << Log("a");
  SwitchWrites("a", false);
  EXPECT_TRUE(WaitForLog("a", "Read-only file system (EROFS)")) << Log("a");
  ASSERT_TRUE(WaitForStanding("b", Standing::kLeads)) << Log("b");
  ASSERT_TRUE(Add("b")) << Log("b");
  EXPECT_TRUE(WaitForStanding("a", Standing::kReady)) << Log("a");  // it follows by what it reads
  SwitchWrites("a", true);
  Kill("b");
  ASSERT_TRUE(WaitForStanding("a", Standing::kLeads)) << Log("a");
  EXPECT_TRUE(Add("a")) << Log("a");
}

TEST_F(ReadOnlyMountTest, OfAStandbyIsFoundOutWhenItIsToLead) {
  SwitchWrites("b", false);
  ASSERT_TRUE(Add("a")) << Log("a");
  EXPECT_EQ(StandingOf("b"), Standing::kReady) << Log("b");
  Kill("a");
  EXPECT_TRUE(WaitFor([&] { return ReadyText("b").starts_with("refused: "); })) << Log("b");
  EXPECT_THAT(Status("b"), HasSubstr("(a read-only mount: mount it with rw), then start it again"));
  Start("a", {"--log-dir=" + mounts_["a"]->point(), "--log-profile=shared"});
  ASSERT_TRUE(WaitForStanding("a", Standing::kLeads)) << Log("a");
  EXPECT_TRUE(Add("a")) << Log("a");
}

}  // namespace
}  // namespace semper::volumes
