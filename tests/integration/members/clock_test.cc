// The clock of one of two real members is set back by a day: nobody is deposed, nothing is lost,
// and it takes over as ever.
#include <gmock/gmock.h>

#include "tests/integration/members/counter_fixture.h"

namespace shop::demo {
namespace {

using testing::HasSubstr;

// Also of the processes that it starts. Waits are counted by another clock, which nobody sets.
class ClockTest : public CounterTest {
 protected:
  void SetUp() override {
    std::string library;
    std::error_code none;
    for (const auto& machine : std::filesystem::directory_iterator("/usr/lib", none)) {
      const auto path = machine.path() / "faketime/libfaketime.so.1";
      if (std::filesystem::exists(path, none)) library = path;
    }
    if (library.empty()) GTEST_SKIP() << "libfaketime is not installed";
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer wants to be the first library";
#endif
    for (auto& [key, member] : members_) {
      member.before = {"env",
                       "LD_PRELOAD=" + library,
                       "FAKETIME_TIMESTAMP_FILE=" + member.file + ".clock",
                       "FAKETIME_CACHE_DURATION=1",
                       "FAKETIME_DONT_FAKE_MONOTONIC=1",
                       "NO_FAKE_STAT=1"};
      SetClock(key, "+0");
    }
  }

  void SetClock(const std::string& key, const std::string& seconds) {
    const std::string path = members_[key].file + ".clock";
    std::ofstream(path + ".new") << seconds << "\n";
    std::filesystem::rename(path + ".new", path);
  }
  void StartBoth() {
    Start("a");
    ASSERT_TRUE(WaitForStanding("a", Standing::kLeads)) << Log("a");
    Start("b");
    ASSERT_TRUE(WaitForStanding("b", Standing::kReady)) << Log("b");
    ASSERT_TRUE(Add("a")) << Log("a");
  }
  // What it logs is of yesterday: it reads its configuration again whenever it is told to.
  void SetBackByADay(const std::string& key) {
    const std::string day = Day(Log(key), Log(key).rfind("\n2"));
    SetClock(key, "-86400");
    EXPECT_TRUE(WaitFor([&] {
      members_[key].process->Signal(SIGHUP);
      const std::string log = Log(key);
      return Day(log, log.rfind("\n2")) < day;
    })) << Log(key);
  }
  static std::string Day(const std::string& log, size_t line) { return log.substr(line + 1, 10); }

  // That nobody claimed, and that b leads after a.
  void ExpectThatBFollowsA() {
    EXPECT_TRUE(Add("a")) << Log("a");
    EXPECT_FALSE(std::filesystem::exists(Claim(2)));
    ASSERT_TRUE(WaitForStanding("b", Standing::kReady)) << Log("b");
    Kill("a");
    ASSERT_TRUE(WaitForStanding("b", Standing::kLeads)) << Log("b");
    EXPECT_TRUE(Add("b")) << Log("b");
    for (const char* key : {"a", "b"}) {
      EXPECT_THAT(Log(key), testing::Not(HasSubstr("begins anew"))) << key;
    }
    const std::vector<std::string> verify = {"semperctl",  "log",    "verify",      "--log-dir",
                                             File("logs"), "--name", "demo/counter"};
    EXPECT_EQ(Run(verify, "verify"), 0) << ContentOf(File("verify"));
  }
};

TEST_F(ClockTest, SetBackUnderALeaderChangesNothing) {
  StartBoth();
  SetBackByADay("a");
  ExpectThatBFollowsA();
}

TEST_F(ClockTest, SetBackUnderAStandbyChangesNothing) {
  StartBoth();
  SetBackByADay("b");
  ExpectThatBFollowsA();
}

TEST_F(ClockTest, SetBackBeforeAMemberStartsChangesNothing) {
  StartBoth();
  Kill("b");
  SetClock("b", "-86400");
  Start("b");
  ASSERT_TRUE(WaitForStanding("b", Standing::kReady)) << Log("b");
  const std::string log = Log("b");
  EXPECT_LT(Day(log, log.rfind("\n2")), Day(log, -1));
  ExpectThatBFollowsA();
}

}  // namespace
}  // namespace shop::demo
