// The shop with standbys, as ./dev demo --standbys runs it.
#include "tests/integration/shop/demo_fixture.h"

namespace shop::demo {
namespace {

constexpr char kFailover[] = " failover_p50_ms=[0-9.]+ failover_p99_ms=[0-9.]+";

class StandbyTest : public DemoTest {
 protected:
  int RunWithStandbys(std::vector<std::string> flags) {
    flags.insert(flags.end(), {"--standbys=2", "--csv=" + File("gaps.csv")});
    return RunDemo(std::move(flags), std::chrono::seconds(110));
  }
  // Lines of the CSV that contain the text.
  size_t Gaps(const std::string& text) const {
    std::ifstream csv(File("gaps.csv"));
    size_t count = 0;
    for (std::string line; std::getline(csv, line);) count += line.find(text) != line.npos;
    return count;
  }
};

TEST_F(StandbyTest, KeepsItsBooksWhenLeadersAreKilled) {
  ASSERT_EQ(RunWithStandbys({"--kills=10"}), 0) << out_;
  EXPECT_TRUE(std::regex_match(last_line_, std::regex(std::string(kOk) + kFailover))) << out_;
  EXPECT_EQ(Gaps(",killed "), 10u) << ContentOf(File("gaps.csv"));
}

TEST_F(StandbyTest, KeepsItsBooksWhenALeaderHangs) {
  ASSERT_EQ(RunWithStandbys({"--kind=stop", "--kills=1"}), 0) << out_;
  EXPECT_EQ(Gaps(",leader,stopped,"), 1u) << ContentOf(File("gaps.csv"));
}

TEST_F(StandbyTest, KeepsItsBooksInSwitchovers) {
  ASSERT_EQ(RunWithStandbys({"--kind=switchover", "--kills=4"}), 0) << out_;
  EXPECT_EQ(Gaps(",leader,switchover,"), 2u) << ContentOf(File("gaps.csv"));
  EXPECT_EQ(Gaps(",leader,terminated,"), 2u) << ContentOf(File("gaps.csv"));
}

}  // namespace
}  // namespace shop::demo
