// Tier 2: the figures that a release has to show.
#include "tests/integration/shop/demo_fixture.h"

namespace shop::demo {
namespace {

TEST_F(DemoTest, KeepsItsBooksUnderFortyKillsOfEachProcess) {
  ASSERT_EQ(
      RunDemo({"--kills=200", "--each=40", "--together=20", "--seed=7"}, std::chrono::seconds(900)),
      0)
      << out_;
  EXPECT_GE(LeastKills(), 40u) << out_;
  EXPECT_GE(Figure("together"), 20u) << out_;
}

}  // namespace
}  // namespace shop::demo
