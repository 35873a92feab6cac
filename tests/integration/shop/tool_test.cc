// semperctl beside running coordinators: it sees, and nobody notices.
#include "tests/integration/shop/shop_fixture.h"

namespace shop::demo {
namespace {

class ToolTest : public ShopTest {
 protected:
  // The output if semperctl ended well.
  std::string Ask(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "semperctl");
    const std::string out = "semperctl." + std::to_string(++asked_);
    EXPECT_EQ(Run(arguments, out), 0) << ContentOf(File(out));
    return ContentOf(File(out));
  }
  std::string OnLog(const std::string& noun, const std::string& verb) {
    return Ask({noun, verb, "--log-dir=" + File("logs"), "--name=demo/stock"});
  }

  int asked_ = 0;
};

TEST_F(ToolTest, ReadsALogThatGrows) {
  ASSERT_TRUE(WaitForOrders(60'000));  // some segments, and a checkpoint
  EXPECT_NE(OnLog("log", "list"), "");
  EXPECT_NE(OnLog("log", "verify"), "");
  EXPECT_NE(OnLog("checkpoint", "list"), "");
  EXPECT_TRUE(WaitForOrders(1000));
  EXPECT_TRUE(AllRunning());
}

TEST_F(ToolTest, ShowsTheStatusOfALeader) {
  ASSERT_TRUE(WaitForOrders(1000));
  const std::string status = Ask({"status", "--admin-socket=" + File("orders.admin")});
  EXPECT_NE(status.find("demo/orders"), std::string::npos) << status;
  EXPECT_NE(status.find("demo/stock"), std::string::npos) << status;
}

TEST_F(ToolTest, HasACheckpointTaken) {
  ASSERT_TRUE(WaitForOrders(1000));
  Ask({"checkpoint", "take", "--admin-socket=" + File("stock.admin")});
  EXPECT_NE(OnLog("checkpoint", "verify"), "");
  EXPECT_TRUE(WaitForOrders(1000));
}

}  // namespace
}  // namespace shop::demo
