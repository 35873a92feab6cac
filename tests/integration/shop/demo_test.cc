// The whole shop under SIGKILL, as ./dev demo runs it.
#include "tests/integration/shop/demo_fixture.h"

namespace shop::demo {
namespace {

TEST_F(DemoTest, KeepsItsBooksWhenNobodyIsKilled) {
  ASSERT_EQ(RunDemo({"--kills=0", "--orders=20000"}, std::chrono::seconds(60)), 0) << out_;
  EXPECT_TRUE(std::regex_match(last_line_, std::regex(kOk))) << out_;
}

TEST_F(DemoTest, KeepsItsBooksUnderAFewKillsOfEachProcess) {
  ASSERT_EQ(RunDemo({"--kills=24", "--each=4", "--together=3"}, std::chrono::seconds(110)), 0)
      << out_;
  EXPECT_TRUE(std::regex_match(last_line_, std::regex(kOk))) << out_;
  EXPECT_GE(LeastKills(), 4u) << out_;
  EXPECT_GE(Figure("together"), 3u) << out_;
}

TEST_F(DemoTest, FailsWithoutSuppressionOfDuplicates) {
  ASSERT_EQ(RunDemo({"--sabotage", "--kills=24", "--patience=6"}, std::chrono::seconds(110)), 1)
      << out_;
  EXPECT_EQ(last_line_.rfind("demo: FAILED orders=", 0), 0u) << out_;
  EXPECT_GT(Figure("lost") + Figure("duplicated"), 0u) << out_;
}

TEST_F(DemoTest, FailsWithoutSuppressionOfDuplicatesAtFailovers) {
  ASSERT_EQ(RunDemo({"--sabotage", "--standbys=1", "--kills=3", "--rate=200", "--orders=1000",
                     "--patience=6"},
                    std::chrono::seconds(60)),
            1)
      << out_;
  EXPECT_EQ(last_line_.rfind("demo: FAILED orders=", 0), 0u) << out_;
  EXPECT_GT(Figure("duplicated"), 0u) << out_;
}

}  // namespace
}  // namespace shop::demo
