#include "sidecar/admin/control_server.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "semper/v1/admin.grpc.pb.h"
#include "tests/unit/admin/fake_backend.h"

namespace semper::admin {
namespace {

using testing::HasSubstr;

class ControlServerTest : public testing::Test {
 protected:
  ControlServerTest() {
    std::string pattern = testing::TempDir() + "semper-admin-XXXXXX";
    dir_ = mkdtemp(pattern.data());
    path_ = dir_ + "/admin.sock";
  }
  ~ControlServerTest() override { std::filesystem::remove_all(dir_); }

  std::unique_ptr<v1::Admin::Stub> Connect() {
    return v1::Admin::NewStub(
        grpc::CreateChannel("unix:" + path_, grpc::InsecureChannelCredentials()));
  }
  static void SetDeadline(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  }

  FakeBackend backend_;
  std::string dir_;
  std::string path_;
};

TEST_F(ControlServerTest, TellsTheStatus) {
  backend_.Set(LeadingSnapshot());
  auto server = ControlServer::Start(path_, backend_);
  ASSERT_TRUE(server.ok()) << server.status();
  for (int i = 0; i < 2; ++i) {  // the second connection finds gRPC running
    grpc::ClientContext context;
    SetDeadline(context);
    v1::GetStatusResponse response;
    const grpc::Status status = Connect()->GetStatus(&context, {}, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.status().name(), "shop/orders");
    EXPECT_EQ(response.status().phase(), v1::Status::LEADING);
    EXPECT_EQ(response.status().destinations(0).quarantine(), "histories differ at sequence 40");
  }
}

TEST_F(ControlServerTest, NamesTheDirectoryThatIsMissing) {
  const auto server = ControlServer::Start(dir_ + "/nowhere/admin.sock", backend_);
  EXPECT_THAT(std::string(server.status().message()),
              HasSubstr("/nowhere/admin.sock: its directory does not exist; make it, or choose"));
}

TEST_F(ControlServerTest, TakesACheckpoint) {
  backend_.SetCheckpoint(CheckpointRef{7, 118});
  auto server = ControlServer::Start(path_, backend_);
  ASSERT_TRUE(server.ok()) << server.status();
  grpc::ClientContext context;
  SetDeadline(context);
  v1::TakeCheckpointRequest request;
  request.set_timeout_ms(1234);
  v1::TakeCheckpointResponse response;
  ASSERT_TRUE(Connect()->TakeCheckpoint(&context, request, &response).ok());
  EXPECT_EQ(response.checkpoint().index(), 118u);
  EXPECT_EQ(backend_.last_timeout(), std::chrono::milliseconds(1234));
}

TEST_F(ControlServerTest, HandsOnWhyACheckpointFailed) {
  backend_.SetCheckpoint(absl::FailedPreconditionError("replaying: not leading yet"));
  auto server = ControlServer::Start(path_, backend_);
  ASSERT_TRUE(server.ok()) << server.status();
  grpc::ClientContext context;
  SetDeadline(context);
  v1::TakeCheckpointResponse response;
  const grpc::Status status = Connect()->TakeCheckpoint(&context, {}, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(status.error_message(), "replaying: not leading yet");
}

TEST_F(ControlServerTest, ACallersDeadlineBoundsTheWait) {
  auto server = ControlServer::Start(path_, backend_);
  ASSERT_TRUE(server.ok()) << server.status();
  grpc::ClientContext context;
  SetDeadline(context);
  v1::TakeCheckpointRequest request;
  request.set_timeout_ms(3'600'000);
  v1::TakeCheckpointResponse response;
  ASSERT_TRUE(Connect()->TakeCheckpoint(&context, request, &response).ok());
  EXPECT_LE(backend_.last_timeout(), std::chrono::seconds(30));
}

TEST_F(ControlServerTest, TellsFellowMembersApartFromPeers) {
  backend_.Set(StandbySnapshot());
  auto server = ControlServer::Start(path_, backend_);
  ASSERT_TRUE(server.ok()) << server.status();
  grpc::ClientContext context;
  SetDeadline(context);
  v1::GetStatusResponse response;
  ASSERT_TRUE(Connect()->GetStatus(&context, {}, &response).ok());
  const v1::Status& s = response.status();
  EXPECT_EQ(s.phase(), v1::Status::FOLLOWING);
  EXPECT_EQ(s.role(), "standby");
  EXPECT_EQ(s.leader(), "orders-1");
  EXPECT_TRUE(s.ready());
  EXPECT_EQ(s.lag_inputs(), 12u);
  EXPECT_DOUBLE_EQ(s.lag_seconds(), 0.1);
  ASSERT_EQ(s.members_size(), 1);
  EXPECT_EQ(s.members(0).ShortDebugString(),
            "name: \"orders-1\" role: \"leader\" ready: true epoch: 8 index: 130");
  EXPECT_EQ(s.sources(0).name(), "shop/stock");
}

TEST_F(ControlServerTest, BeginsASwitchover) {
  std::string asked;
  backend_.SetSwitchover([&asked](const std::string& to) {
    asked = to;
    return absl::OkStatus();
  });
  auto server = ControlServer::Start(path_, backend_);
  ASSERT_TRUE(server.ok()) << server.status();
  grpc::ClientContext context;
  SetDeadline(context);
  v1::SwitchoverRequest request;
  request.set_to("orders-1");
  v1::SwitchoverResponse response;
  ASSERT_TRUE(Connect()->Switchover(&context, request, &response).ok());
  EXPECT_EQ(asked, "orders-1");
  EXPECT_EQ(backend_.last_timeout(), std::chrono::seconds(5));
}

TEST_F(ControlServerTest, HandsOnWhyThereIsNoSwitchover) {
  backend_.SetSwitchover([](const std::string&) { return absl::NotFoundError("no member x"); });
  auto server = ControlServer::Start(path_, backend_);
  ASSERT_TRUE(server.ok()) << server.status();
  grpc::ClientContext context;
  SetDeadline(context);
  v1::SwitchoverResponse response;
  const grpc::Status status = Connect()->Switchover(&context, {}, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "no member x");
}

TEST_F(ControlServerTest, Drains) {
  auto server = ControlServer::Start(path_, backend_);
  ASSERT_TRUE(server.ok()) << server.status();
  grpc::ClientContext context;
  SetDeadline(context);
  v1::DrainResponse response;
  ASSERT_TRUE(Connect()->Drain(&context, {}, &response).ok());
  EXPECT_EQ(backend_.drains, 1);
}

TEST_F(ControlServerTest, TheSocketIsTheOwnersAlone) {
  auto server = ControlServer::Start(path_, backend_);
  ASSERT_TRUE(server.ok()) << server.status();
  struct stat found {};
  ASSERT_EQ(stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
}

TEST_F(ControlServerTest, ReplacesASocketThatNobodyServes) {
  {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path_.c_str());
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    close(fd);
  }
  EXPECT_TRUE(ControlServer::Start(path_, backend_).ok());
}

TEST_F(ControlServerTest, LeavesALivingServerAlone) {
  auto first = ControlServer::Start(path_, backend_);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = ControlServer::Start(path_, backend_);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().message(), HasSubstr("another process serves it"));
}

TEST_F(ControlServerTest, NeverRemovesAFile) {
  std::ofstream(path_) << "mine";
  EXPECT_EQ(ControlServer::Start(path_, backend_).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(ControlServerTest, RefusesAPathThatIsTooLong) {
  const auto server = ControlServer::Start(dir_ + "/" + std::string(120, 'x'), backend_);
  EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ControlServerTest, RemovesItsSocketAtTheEnd) {
  auto server = ControlServer::Start(path_, backend_);
  ASSERT_TRUE(server.ok()) << server.status();
  server->reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace semper::admin
