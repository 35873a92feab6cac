// A standby that reaches the log directory and nobody else: it leaves a leader alone that works,
// and leads once that one is gone.
#include <gmock/gmock.h>

#include "tests/integration/members/counter_fixture.h"

namespace shop::demo {
namespace {

using testing::HasSubstr;
using testing::Not;

class CutOffTest : public CounterTest {
 protected:
  static constexpr int kNotesInASilence = 3;  // of a leader that has nothing to write
  static constexpr char kFollows[] = "standby of no known leader, ready";

  // `a` leads, b follows; the addresses that they know of each other lead nowhere.
  void StartBoth() {
    const auto start = [&](const char* key) {
      const int nobody = FindFreePort(Random() + ++ports_);
      Start(key, {"--members=127.0.0.1:" + std::to_string(nobody)});
    };
    start("a");
    ASSERT_TRUE(WaitForStanding("a", Standing::kLeads)) << Log("a");
    start("b");
    ASSERT_TRUE(WaitFor([&] { return ReadyText("b") == "following; no leader is known"; }))
        << Log("b");
    ASSERT_TRUE(WaitFor([&] { return Status("b").find(kFollows) != std::string::npos; }));
    EXPECT_THAT(Metrics("b"), HasSubstr("semper_members{state=\"connected\"} 0"));
  }
  std::string Metrics(const std::string& key) const {
    return Probe(members_.at(key).http, std::chrono::milliseconds(1000), "/metrics").text;
  }
  // Units that `a` has written in all.
  int Batches() const {
    const std::string status = Status("a");
    const size_t end = status.find(" batches");
    return std::atoi(status.substr(status.rfind(' ', end - 1) + 1).c_str());
  }
  void ExpectThatNobodyClaimed() const {
    EXPECT_FALSE(std::filesystem::exists(Claim(2))) << Log("b");
    EXPECT_EQ(StandingOf("a"), Standing::kLeads) << Log("a");
    EXPECT_THAT(Status("b"), HasSubstr(kFollows));
    EXPECT_THAT(Log("b"), Not(HasSubstr("begins anew")));
  }
};

TEST_F(CutOffTest, AStandbyLeavesALeaderAloneThatWritesAndLeadsAfterIt) {
  StartBoth();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  while (std::chrono::steady_clock::now() < end) ASSERT_TRUE(Add("a")) << Log("a");
  ExpectThatNobodyClaimed();
  Kill("a");
  ASSERT_TRUE(WaitForStanding("b", Standing::kLeads)) << Log("b");
  EXPECT_TRUE(Add("b")) << Log("b");
}

TEST_F(CutOffTest, AStandbyLeavesALeaderAloneThatIsIdleAndLeadsAfterIt) {
  StartBoth();
  ASSERT_TRUE(Add("a")) << Log("a");
  // So much time has passed by the leader's own clock, which is the only one that it writes by.
  const int enough = Batches() + 3 * kNotesInASilence;
  ASSERT_TRUE(WaitFor([&] { return Batches() >= enough; })) << Status("a");
  ExpectThatNobodyClaimed();
  Kill("a");
  ASSERT_TRUE(WaitForStanding("b", Standing::kLeads)) << Log("b");
  EXPECT_TRUE(Add("b")) << Log("b");
}

}  // namespace
}  // namespace shop::demo
