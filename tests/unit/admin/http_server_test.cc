#include "sidecar/admin/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/unit/admin/fake_backend.h"

namespace semper::admin {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// Sends `request` to 127.0.0.1 and returns all that comes back.
std::string Exchange(const std::string& address, const std::string& request) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t got; (got = read(fd, buffer, sizeof buffer)) > 0;) answer.append(buffer, got);
  close(fd);
  return answer;
}

std::string Get(const HttpServer& server, const std::string& path) {
  return Exchange(server.address(), "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
}

// One server for all tests of it, never stopped: civetweb takes up to two seconds for that.
struct Running {
  FakeBackend backend;
  std::unique_ptr<HttpServer> server;
};
Running& Server() {
  static Running& running = *new Running;
  if (running.server == nullptr) {
    running.backend.Set(LeadingSnapshot());
    auto server = HttpServer::Start("localhost:0", running.backend);
    EXPECT_TRUE(server.ok()) << server.status();
    running.server = *std::move(server);
  }
  return running;
}

TEST(HttpServer, AnswersOnAFreePort) {
  EXPECT_THAT(Get(*Server().server, "/livez"), StartsWith("HTTP/1.1 200 OK"));
  EXPECT_THAT(Get(*Server().server, "/metrics"), HasSubstr("semper_index_committed 118"));
}

TEST(HttpServer, ServesNoFiles) {
  EXPECT_THAT(Get(*Server().server, "/"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Get(*Server().server, "/etc/passwd"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Exchange(Server().server->address(),
                       "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
              StartsWith("HTTP/1.1 405"));
}

TEST(HttpServer, HeadHasNoBody) {
  const std::string answer =
      Exchange(Server().server->address(), "HEAD /livez HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
}

TEST(HttpServer, StopsListening) {
  FakeBackend backend;
  auto server = HttpServer::Start("127.0.0.1:0", backend);
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string address = (*server)->address();
  server->reset();
  EXPECT_TRUE(HttpServer::Start(address, backend).ok());
}

TEST(HttpServer, NamesTheAddressThatItCannotBind) {
  FakeBackend backend;
  const std::string& taken = Server().server->address();
  const auto second = HttpServer::Start(taken, backend);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().message(), HasSubstr(taken));
}

TEST(HttpServer, RefusesWhatIsNoAddress) {
  FakeBackend backend;
  for (const char* address : {"7601", ":7601", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000"}) {
    EXPECT_EQ(HttpServer::Start(address, backend).status().code(),
              absl::StatusCode::kInvalidArgument)
        << address;
  }
}

struct ProbeCase {
  const char* what;
  Phase phase;
  bool connected;
  bool fresh;
  int livez, startupz, readyz;
};

TEST(AnswerHttp, ProbesFollowThePhase) {
  const std::vector<ProbeCase> cases = {
      {"starting", Phase::kStarting, false, true, 200, 503, 503},
      {"waiting", Phase::kWaitingForService, false, true, 200, 200, 503},
      {"replaying", Phase::kReplaying, true, true, 200, 200, 503},
      {"leading", Phase::kLeading, true, true, 200, 200, 200},
      {"leading without its service", Phase::kLeading, false, true, 200, 200, 503},
      {"a loop that hangs", Phase::kLeading, true, false, 503, 200, 503},
      {"following, not ready yet", Phase::kFollowing, true, true, 200, 200, 503},
      {"draining", Phase::kDraining, true, true, 200, 200, 503},
      {"refused", Phase::kRefused, false, true, 200, 503, 503},
  };
  for (const ProbeCase& c : cases) {
    FakeBackend backend;
    HttpSite site{backend};
    StatusSnapshot s = LeadingSnapshot();
    s.phase = c.phase;
    s.service.connected = c.connected;
    s.fresh = c.fresh;
    backend.Set(s);
    EXPECT_EQ(AnswerHttp("GET", "/livez", site).code, c.livez) << c.what;
    EXPECT_EQ(AnswerHttp("GET", "/startupz", site).code, c.startupz) << c.what;
    EXPECT_EQ(AnswerHttp("GET", "/readyz", site).code, c.readyz) << c.what;
  }
}

TEST(AnswerHttp, SaysWhyItIsNotReady) {
  FakeBackend backend;
  HttpSite site{backend};
  StatusSnapshot s = LeadingSnapshot();
  s.phase = Phase::kRefused;
  s.reason = "no genesis in /log/shop/orders";
  backend.Set(s);
  EXPECT_EQ(AnswerHttp("GET", "/readyz", site).body, "refused: no genesis in /log/shop/orders\n");
}

TEST(AnswerHttp, AStandbyThatFollowsIsReady) {
  FakeBackend backend;
  HttpSite site{backend};
  backend.Set(StandbySnapshot());
  const HttpAnswer answer = AnswerHttp("GET", "/readyz", site);
  EXPECT_EQ(answer.code, 200);
  EXPECT_EQ(answer.body, "following orders-1, 12 inputs (0.1 s) behind\n");
}

TEST(AnswerHttp, ReadinessIsRememberedBetweenRequests) {
  FakeBackend backend;
  HttpSite site{backend};
  StatusSnapshot s = StandbySnapshot();
  backend.Set(s);
  AnswerHttp("GET", "/readyz", site);
  s.leader.clear();
  backend.Set(s);
  EXPECT_EQ(AnswerHttp("GET", "/readyz", site).code, 200);
}

}  // namespace
}  // namespace semper::admin
