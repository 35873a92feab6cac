#include <gmock/gmock.h>

#include <future>

#include "sidecar/admin/control_server.h"
#include "tests/unit/admin/fake_backend.h"
#include "tests/unit/cli/sample_log.h"

namespace semper::cli {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

// semperctl switchover against the control server of a leader whose backend the test scripts.
class SwitchoverVerbTest : public testing::Test {
 protected:
  SwitchoverVerbTest() {
    std::string pattern = testing::TempDir() + "semper-ctl-XXXXXX";
    dir_ = mkdtemp(pattern.data());
    backend_.Set(admin::LeadingSnapshot());
    StartServer();
  }
  ~SwitchoverVerbTest() override {
    server_.reset();
    std::filesystem::remove_all(dir_);
  }
  void StartServer() {
    auto server = admin::ControlServer::Start(dir_ + "/admin.sock", backend_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  Result Run(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), "switchover");
    arguments.insert(arguments.end(), {"--admin-socket", dir_ + "/admin.sock"});
    return Semperctl(arguments);
  }
  // The hand-over ends with `after`.
  void HandOverEndsWith(const admin::StatusSnapshot& after) {
    backend_.SetSwitchover([this, after](const std::string&) {
      backend_.Set(after);
      return absl::OkStatus();
    });
  }

  std::string dir_;
  admin::FakeBackend backend_;
  std::unique_ptr<admin::ControlServer> server_;
};

TEST_F(SwitchoverVerbTest, TellsWhoLeadsNow) {
  HandOverEndsWith(admin::StandbySnapshot());
  const Result result = Run({"--to", "orders-1"});
  EXPECT_EQ(result.code, kExitOk) << result.err;
  EXPECT_THAT(result.out, MatchesRegex("switchover: orders-1 leads epoch 8 after [0-9]+ ms\n"));
}

TEST_F(SwitchoverVerbTest, TellsProgramsInJson) {
  HandOverEndsWith(admin::StandbySnapshot());
  EXPECT_THAT(Run({"-o", "json"}).out,
              MatchesRegex("\\{\"from\":\"orders-0\",\"leader\":\"orders-1\",\"epoch\":8,"
                           "\"milliseconds\":[0-9]+\\}\n"));
}

TEST_F(SwitchoverVerbTest, HandsOnWhomToAskFor) {
  std::string asked;
  backend_.SetSwitchover([&](const std::string& to) {
    asked = to;
    backend_.Set(admin::StandbySnapshot());
    return absl::OkStatus();
  });
  Run({"--to", "orders-1"});
  EXPECT_EQ(asked, "orders-1");
}

TEST_F(SwitchoverVerbTest, SaysWhyThereIsNone) {
  backend_.SetSwitchover([](const std::string&) {
    return absl::FailedPreconditionError("orders-0 does not lead (following); ask orders-1");
  });
  const Result result = Run();
  EXPECT_EQ(result.code, kExitProblem);
  EXPECT_EQ(result.err, "semperctl switchover: orders-0 does not lead (following); ask orders-1\n");
}

TEST_F(SwitchoverVerbTest, TheOldEpochIsNoNewLeader) {
  admin::StatusSnapshot s = admin::StandbySnapshot();
  s.members[0].epoch = 7;
  HandOverEndsWith(s);
  const Result result = Run({"--timeout", "1"});
  EXPECT_EQ(result.code, kExitProblem);
  EXPECT_THAT(result.err, HasSubstr("has begun to hand over epoch 7, but within 1 s it saw no new "
                                    "leader"));
}

TEST_F(SwitchoverVerbTest, TheSameMemberLeadingAgainIsAFailure) {
  admin::StatusSnapshot s = admin::LeadingSnapshot();
  s.epoch = 9;
  HandOverEndsWith(s);
  const Result result = Run();
  EXPECT_EQ(result.code, kExitProblem);
  EXPECT_THAT(result.err, HasSubstr("orders-0 leads again"));
}

TEST_F(SwitchoverVerbTest, AnotherMemberThanTheOneAskedForIsAFailure) {
  HandOverEndsWith(admin::StandbySnapshot());
  const Result result = Run({"--to", "orders-2"});
  EXPECT_EQ(result.code, kExitProblem);
  EXPECT_THAT(result.err, HasSubstr("orders-1 was faster than orders-2"));
}

TEST_F(SwitchoverVerbTest, ACoordinatorThatGoesAwayForAMomentIsWaitedFor) {
  std::promise<void> begun;
  backend_.SetSwitchover([&begun](const std::string&) {
    begun.set_value();
    return absl::OkStatus();
  });
  std::future<Result> running = std::async(std::launch::async, [this] { return Run(); });
  begun.get_future().wait();
  server_.reset();
  backend_.Set(admin::StandbySnapshot());
  StartServer();
  const Result result = running.get();
  EXPECT_EQ(result.code, kExitOk) << result.err;
  EXPECT_THAT(result.out, HasSubstr("orders-1 leads epoch 8"));
}

TEST_F(SwitchoverVerbTest, NobodyThereHasACodeOfItsOwn) {
  server_.reset();
  EXPECT_EQ(Run().code, kExitUnreachable);
}

TEST_F(SwitchoverVerbTest, TheTimeoutHasLimits) {
  EXPECT_EQ(Run({"--timeout", "0"}).code, kExitUsage);
  EXPECT_EQ(Run({"--timeout", "601"}).code, kExitUsage);
}

}  // namespace
}  // namespace semper::cli
