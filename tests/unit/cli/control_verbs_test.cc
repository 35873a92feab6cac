#include <gmock/gmock.h>

#include "sidecar/admin/control_server.h"
#include "tests/unit/admin/fake_backend.h"
#include "tests/unit/cli/sample_log.h"

namespace semper::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// semperctl against a control server with a backend that the test fills.
class ControlVerbs : public testing::Test {
 protected:
  ControlVerbs() {
    std::string pattern = testing::TempDir() + "semper-ctl-XXXXXX";
    dir_ = mkdtemp(pattern.data());
    backend_.Set(admin::LeadingSnapshot());
    auto server = admin::ControlServer::Start(dir_ + "/admin.sock", backend_);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  ~ControlVerbs() override {
    server_.reset();
    std::filesystem::remove_all(dir_);
  }
  Result Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--admin-socket", dir_ + "/admin.sock"});
    return Semperctl(arguments);
  }

  std::string dir_;
  admin::FakeBackend backend_;
  std::unique_ptr<admin::ControlServer> server_;
};

TEST_F(ControlVerbs, NamesTheSocketThatNobodyServes) {
  const Result result = Semperctl({"status", "--admin-socket", dir_ + "/none.sock"});
  EXPECT_NE(result.code, kExitOk);
  EXPECT_THAT(result.err,
              HasSubstr(dir_ + "/none.sock: No such file or directory. No coordinator"));
}

TEST_F(ControlVerbs, StatusIsReadable) {
  const Result result = Run({"status"});
  EXPECT_EQ(result.code, kExitOk) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("phase        leading\n"),
                                HasSubstr("appended 120, committed 118, delivered 119, done 117"),
                                HasSubstr("quarantined: histories differ at sequence 40")));
}

TEST_F(ControlVerbs, StatusInJsonHasNumbers) {
  const Result result = Run({"status", "-o", "json"});
  EXPECT_THAT(result.out, AllOf(HasSubstr("\"phase\":\"leading\""),
                                HasSubstr("\"index\":{\"appended\":120,\"committed\":118")));
}

TEST_F(ControlVerbs, StatusSaysWhenItIsStale) {
  admin::StatusSnapshot s = admin::LeadingSnapshot();
  s.fresh = false;
  s.age = std::chrono::seconds(7);
  backend_.Set(s);
  EXPECT_THAT(Run({"status"}).out, HasSubstr("this is 7.00 s old"));
}

TEST_F(ControlVerbs, StatusShowsFellowMembersApartFromPeers) {
  const Result result = Run({"status"});
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("role         leader\n"),
                    HasSubstr("FELLOW MEMBER  ROLE     READY  EPOCH  INDEX  REASON\n"
                              "orders-1       standby  yes        7    117  -\n"
                              "orders-2       unfit    no         7     90  outputs differ\n"),
                    HasSubstr("\nSOURCE PEER  "), HasSubstr("\nDESTINATION PEER  ")));
}

TEST_F(ControlVerbs, StatusOfAStandbySaysWhomItFollowsAndHowFarBehind) {
  backend_.Set(admin::StandbySnapshot());
  EXPECT_THAT(Run({"status"}).out,
              HasSubstr("role         standby of orders-1, ready, 12 inputs (100.0 ms) behind\n"));
  EXPECT_THAT(Run({"status", "-o", "json"}).out,
              AllOf(HasSubstr("\"role\":\"standby\",\"leader\":\"orders-1\""),
                    HasSubstr("\"members\":[{\"name\":\"orders-1\",\"role\":\"leader\"")));
}

TEST_F(ControlVerbs, StatusSaysWhyAMemberNeverLeads) {
  admin::StatusSnapshot s = admin::StandbySnapshot();
  s.role = "unfit";
  s.unfit = "outputs differ at index 40";
  backend_.Set(s);
  EXPECT_THAT(Run({"status"}).out,
              HasSubstr("role         unfit, never leads: outputs differ at index 40\n"));
}

TEST_F(ControlVerbs, CheckpointTakeNamesTheCheckpoint) {
  backend_.SetCheckpoint(admin::CheckpointRef{7, 118});
  EXPECT_EQ(Run({"checkpoint", "take"}).out, "checkpoint 7-118 is published\n");
}

TEST_F(ControlVerbs, CheckpointTakeSaysWhyNot) {
  backend_.SetCheckpoint(absl::FailedPreconditionError("not leading"));
  const Result result = Run({"checkpoint", "take"});
  EXPECT_EQ(result.code, kExitProblem);
  EXPECT_EQ(result.err, "semperctl checkpoint take: not leading\n");
}

TEST_F(ControlVerbs, ARequestThatTheCoordinatorRefusesIsNoMistakeInTheCommandLine) {
  backend_.SetCheckpoint(absl::InvalidArgumentError("no"));
  EXPECT_EQ(Run({"checkpoint", "take"}).code, kExitProblem);
}

TEST_F(ControlVerbs, NobodyThereHasACodeOfItsOwn) {
  server_.reset();
  const Result result = Run({"status"});
  EXPECT_EQ(result.code, kExitUnreachable);
  EXPECT_THAT(result.err, HasSubstr(dir_ + "/admin.sock"));
}

TEST_F(ControlVerbs, TheTimeoutHasLimits) {
  EXPECT_EQ(Run({"checkpoint", "take", "--timeout", "0"}).code, kExitUsage);
  EXPECT_EQ(Run({"checkpoint", "take", "--timeout", "601"}).code, kExitUsage);
}

}  // namespace
}  // namespace semper::cli
