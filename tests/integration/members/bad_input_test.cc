// Real members of one counter, and what people do to them: nothing is lost, and each says what is
// wrong.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <map>

#include "examples/shop/demo/probe.h"
#include "tests/integration/shop/shop_fixture.h"

namespace shop::demo {
namespace {

using testing::HasSubstr;

class BadInputTest : public WorkDirTest {
 protected:
  struct Member {
    std::string file;  // what it has begins with this
    int peer = 0;
    int http = 0;
    int numbers = -1;
    std::unique_ptr<Process> process;
  };

  BadInputTest() {
    std::filesystem::create_directory(File("logs"));
    for (const char* key : {"a", "b"}) {
      Member& member = members_[key];
      member.file = File(key);
      member.peer = FindFreePort(Random() + ++ports_);
      member.http = FindFreePort(Random() + ++ports_);
      mkfifo((member.file + ".numbers").c_str(), 0600);
      member.numbers = open((member.file + ".numbers").c_str(), O_RDWR | O_CLOEXEC);
    }
  }
  ~BadInputTest() override {
    for (auto& [key, member] : members_) close(member.numbers);
  }

  void Start(const std::string& key, const std::vector<std::string>& more = {}) {
    Member& member = members_[key];
    std::vector<std::string> command = {BinDirectory() + "/semper-sidecar",
                                        "--name=demo/counter",
                                        "--log-dir=" + File("logs"),
                                        "--genesis=create",
                                        "--member=" + key,
                                        "--members=" + Addresses(),
                                        "--peer-listen=127.0.0.1:" + std::to_string(member.peer),
                                        "--admin-http=127.0.0.1:" + std::to_string(member.http),
                                        "--admin-socket=" + member.file + ".admin",
                                        "--service-socket=" + member.file + ".link"};
    for (const std::string& flag : more) {
      std::erase_if(command, [&](const std::string& one) {
        return one.starts_with(flag.substr(0, flag.find('=') + 1));
      });
      command.push_back(flag);
    }
    command.insert(command.end(), {"--", "/bin/sh", "-c",
                                   "exec '" + BinDirectory() + "/semper-counter' <'" + member.file +
                                       ".numbers' >>'" + member.file + ".totals'"});
    member.process = std::make_unique<Process>(std::move(command), member.file + ".log");
    ASSERT_TRUE(member.process->Start());
  }
  std::string Addresses() const {
    return "127.0.0.1:" + std::to_string(members_.at("a").peer) +
           ",127.0.0.1:" + std::to_string(members_.at("b").peer);
  }

  Standing StandingOf(const std::string& key) const {
    return Probe(members_.at(key).http, std::chrono::milliseconds(1000)).standing;
  }
  std::string ReadyText(const std::string& key) const {
    return Probe(members_.at(key).http, std::chrono::milliseconds(1000)).text;
  }
  bool WaitForStanding(const std::string& key, Standing standing) const {
    return WaitFor([&] { return StandingOf(key) == standing; });
  }
  bool WaitForLog(const std::string& key, const std::string& text) const {
    return WaitFor([&] { return Log(key).find(text) != std::string::npos; });
  }
  std::string Log(const std::string& key) const {
    return ContentOf(members_.at(key).file + ".log");
  }
  std::string Status(const std::string& key) const {
    EXPECT_EQ(
        Run({"semperctl", "status", "--admin-socket", members_.at(key).file + ".admin"}, "status"),
        0);
    const std::string text = ContentOf(File("status"));
    std::filesystem::remove(File("status"));
    return text;
  }

  // Adds one at the leader `key`. The counter says the new total once that is committed.
  bool Add(const std::string& key) {
    ++total_;
    const std::string said = ": total " + std::to_string(total_) + "\n";
    return write(members_[key].numbers, "1\n", 2) == 2 && WaitFor([&] {
             return ContentOf(members_[key].file + ".totals").find(said) != std::string::npos;
           });
  }
  std::string Claim(int epoch) const {
    return File("logs/demo/counter/claims/0/" + std::to_string(epoch));
  }
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
  // After the remedy, started again: nothing that was counted is lost.
  void ExpectThatBothCountOn() {
    for (auto& [key, member] : members_) member.process->Kill();
    Start("a");
    ASSERT_TRUE(WaitForStanding("a", Standing::kLeads)) << Log("a");
    Start("b");
    EXPECT_TRUE(WaitForStanding("b", Standing::kReady)) << Log("b");
    EXPECT_TRUE(Add("a")) << Log("a");
  }

  std::map<std::string, Member> members_;
  uint64_t ports_ = 0;
  int total_ = 0;
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

}  // namespace
}  // namespace shop::demo
