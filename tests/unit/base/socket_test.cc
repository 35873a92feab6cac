#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/epoll_loop.h"
#include "base/socket_address.h"
#include "tests/unit/base/loop_fixture.h"

namespace semper {
namespace {

using absl::StatusCode;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using testing::HasSubstr;
using testing::StartsWith;

struct BadAddress {
  const char* text;
  const char* complaint;
};

TEST(ParseSocketAddress, SaysWhatIsWrong) {
  const std::string long_path = "unix:/" + std::string(107, 'x');
  const BadAddress cases[] = {
      {"", "expected unix:/PATH or HOST:PORT"},
      {"localhost", "expected unix:/PATH or HOST:PORT"},
      {"localhost:80", "the host 'localhost' is no literal address"},
      {"127.0.0.1:", "the port '' is no number"},
      {"127.0.0.1:65536", "the port '65536' is no number"},
      {"127.0.0.1:80x", "the port '80x' is no number"},
      {"127.0.0.1:-1", "the port '-1' is no number"},
      {"::1:80", "is no literal address"},
      {"[::1:80", "is no literal address"},
      {"[127.0.0.1]:80", "is no literal address"},
      {"1.2.3:80", "is no literal address"},
      {"unix:", "an absolute path must follow"},
      {"unix:relative", "an absolute path must follow"},
      {long_path.c_str(), "has 108 bytes, and sockets take 107 at most"},
  };
  for (const BadAddress& bad : cases) {
    const auto address = ParseSocketAddress(bad.text);
    EXPECT_EQ(address.status().code(), StatusCode::kInvalidArgument) << bad.text;
    EXPECT_THAT(std::string(address.status().message()), HasSubstr(bad.complaint)) << bad.text;
  }
}

TEST(ParseSocketAddress, GivesBackWhatItWasGiven) {
  for (const std::string text :
       {"127.0.0.1:0", "10.0.0.7:7600", "[::1]:65535", "unix:/run/x.sock"}) {
    const auto address = ParseSocketAddress(text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->Text(), text);
  }
}

// Each test on TCP and on a Unix socket.
class SocketTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/semper-socket-XXXXXX";
    dir_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string address() const { return GetParam() ? "unix:" + dir_ + "/s" : "127.0.0.1:0"; }

  std::string dir_;
  EpollLoop loop_;
};

INSTANTIATE_TEST_SUITE_P(Over, SocketTest, testing::Bool(),
                         [](const auto& kind) { return kind.param ? "Unix" : "Tcp"; });

TEST_P(SocketTest, CarriesBytesBothWays) {
  Connection pair(loop_, address());
  EXPECT_EQ(pair.client->Write("question"), 8);
  EXPECT_TRUE(RunUntil(loop_, [&] { return pair.server->text == "question"; }));
  EXPECT_EQ(pair.server->Write("answer"), 6);
  EXPECT_TRUE(RunUntil(loop_, [&] { return pair.client->text == "answer"; }));
}

TEST_P(SocketTest, WritesPiecesInOrder) {
  Connection pair(loop_, address());
  std::vector<std::string> texts(1024);
  std::vector<iovec> pieces;
  std::string all;
  for (size_t i = 0; i < texts.size(); ++i) {
    texts[i] = std::to_string(i) + " ";
    all += texts[i];
    pieces.push_back({.iov_base = texts[i].data(), .iov_len = texts[i].size()});
  }
  EXPECT_EQ(pair.client->stream().Write(pieces), static_cast<ptrdiff_t>(all.size()));
  EXPECT_TRUE(RunUntil(loop_, [&] { return pair.server->text.size() == all.size(); }));
  EXPECT_EQ(pair.server->text, all);
}

TEST_P(SocketTest, SaysWhenItCanWriteAgainAndLosesNothing) {
  Connection pair(loop_, address());
  std::string all;
  const std::string piece(300'000, 'p');
  const auto write_more = [&] {
    while (all.size() < 30'000'000) {
      const std::string marked = piece + std::to_string(all.size());
      const ptrdiff_t taken = pair.client->Write(marked);
      ASSERT_GE(taken, 0);
      all += marked.substr(0, static_cast<size_t>(taken));
      if (static_cast<size_t>(taken) < marked.size()) return;
    }
  };
  pair.client->on_writable = write_more;
  pair.server->stream().PauseReading(true);
  write_more();
  EXPECT_LT(all.size(), 30'000'000u);
  EXPECT_EQ(pair.client->Write("more"), 0);
  pair.server->stream().PauseReading(false);
  EXPECT_TRUE(RunUntil(loop_, [&] { return pair.server->text.size() >= 30'000'000; }));
  EXPECT_TRUE(RunUntil(loop_, [&] { return pair.server->text.size() == all.size(); }));
  EXPECT_EQ(pair.server->text, all);
  EXPECT_GT(pair.client->writable, 0);
}

TEST_P(SocketTest, DeliversNothingWhilePaused) {
  Connection pair(loop_, address());
  pair.server->stream().PauseReading(true);
  pair.client->Write("x");
  for (int i = 0; i < 5; ++i) loop_.RunOnce(milliseconds(1));
  EXPECT_EQ(pair.server->readable, 0);
  pair.server->stream().PauseReading(false);
  EXPECT_EQ(pair.server->readable, 0) << "a callback ran inside a call";
  EXPECT_TRUE(RunUntil(loop_, [&] { return pair.server->text == "x"; }));
}

TEST_P(SocketTest, SleepsWhenEverythingIsRead) {
  Connection pair(loop_, address());
  pair.client->Write("x");
  EXPECT_TRUE(RunUntil(loop_, [&] { return pair.server->text == "x"; }));
  const int before = pair.server->readable;
  const auto timer = loop_.After(milliseconds(20), [] {});
  int rounds = 0;
  const nanoseconds end = loop_.Monotonic() + milliseconds(20);
  for (; loop_.Monotonic() < end; ++rounds) loop_.RunOnce(kTooLong);
  EXPECT_LE(rounds, 3);
  EXPECT_EQ(pair.server->readable, before);
}

TEST_P(SocketTest, CallsAgainWhenAHandlerLeftSomething) {
  Connection pair(loop_, address());
  pair.server->on_readable = [&] {
    std::byte one[1];
    if (pair.server->stream().Read(one) == 1) pair.server->text += static_cast<char>(one[0]);
  };
  pair.client->Write("bit by bit");
  EXPECT_TRUE(RunUntil(loop_, [&] { return pair.server->text == "bit by bit"; }));
}

TEST_P(SocketTest, DeliversWhatWasSentBeforeTheEnd) {
  Connection pair(loop_, address());
  const std::string all(200'000, 'x');
  EXPECT_EQ(pair.client->Write(all), static_cast<ptrdiff_t>(all.size()));
  pair.client->Drop();
  EXPECT_TRUE(RunUntil(loop_, [&] { return pair.server->closed == 1; }));
  EXPECT_EQ(pair.server->text, all);
  EXPECT_EQ(pair.server->last_read, -1);
  EXPECT_EQ(pair.server->why.code(), StatusCode::kUnavailable);
  EXPECT_THAT(std::string(pair.server->why.message()), HasSubstr("closed the connection"));
}

TEST_P(SocketTest, DeliversAfterAPauseWhatWasSentBeforeTheEnd) {
  Connection pair(loop_, address());
  pair.server->stream().PauseReading(true);
  pair.client->Write("last words");
  pair.client->Drop();
  for (int i = 0; i < 5; ++i) loop_.RunOnce(milliseconds(1));
  pair.server->stream().PauseReading(false);
  EXPECT_TRUE(RunUntil(loop_, [&] { return pair.server->closed == 1; }));
  EXPECT_EQ(pair.server->text, "last words");
}

TEST_P(SocketTest, ReadsTheReasonAlthoughAWriteFailed) {
  Connection pair(loop_, address());
  pair.server->stream().PauseReading(true);
  pair.client->Write("refused: wrong incarnation");
  pair.client->Drop();
  // The first write may still be taken; the second finds the other end gone.
  while (pair.server->Write("x") >= 0) loop_.RunOnce(milliseconds(1));
  pair.server->stream().PauseReading(false);
  EXPECT_TRUE(RunUntil(loop_, [&] { return pair.server->closed == 1; }));
  if (GetParam()) {
    EXPECT_EQ(pair.server->text, "refused: wrong incarnation");
  }
  EXPECT_EQ(pair.server->Write("x"), -1);
}

TEST_P(SocketTest, ClosesOnceEvenIfTheHandlerIgnoresIt) {
  Connection pair(loop_, address());
  pair.server->on_readable = [] {};
  pair.client->Write("x");
  pair.client->Drop();
  while (pair.server->Write("x") >= 0) loop_.RunOnce(milliseconds(1));
  EXPECT_TRUE(RunUntil(loop_, [&] { return pair.server->closed == 1; }));
  loop_.RunOnce(nanoseconds(0));
  EXPECT_EQ(pair.server->closed, 1);
}

TEST_P(SocketTest, LetsAStreamBeDestroyedInEachOfItsCallbacks) {
  for (const int which : {0, 1, 2}) {
    Connection pair(loop_, address());
    bool gone = false;
    const auto drop = [&] {
      pair.server->Drop();
      gone = true;
    };
    if (which == 0) pair.server->on_readable = drop;
    if (which == 1) {
      pair.server->on_writable = drop;
      while (pair.server->Write(std::string(1'000'000, 'x')) == 1'000'000) {
      }
    }
    if (which == 2) {
      pair.server->on_closed = drop;
      pair.client->Drop();
    } else {
      pair.client->Write("x");
    }
    EXPECT_TRUE(RunUntil(loop_, [&] { return gone; })) << which;
    loop_.RunOnce(nanoseconds(0));
  }
}

TEST_P(SocketTest, LetsOneCallbackDestroyAnotherStreamWithEventsWaiting) {
  Connection first(loop_, address());
  const std::string second_address = GetParam() ? address() + "2" : address();
  Connection second(loop_, second_address);
  int calls = 0;
  first.server->on_readable = [&] {
    ++calls;
    second.server->Drop();
    first.server->Drop();
  };
  second.server->on_readable = first.server->on_readable;
  first.client->Write("x");
  second.client->Write("x");
  EXPECT_TRUE(RunUntil(loop_, [&] { return calls > 0; }));
  loop_.RunOnce(nanoseconds(0));
  EXPECT_EQ(calls, 1);
}

TEST_P(SocketTest, LetsAStreamBeDestroyedByATimerWhileItsTurnIsPending) {
  Connection pair(loop_, address());
  pair.server->on_readable = [] {};  // leaves it there, so that it has a turn in each round
  pair.client->Write("x");
  EXPECT_TRUE(RunUntil(loop_, [&] { return pair.server->readable > 1; }));
  bool dropped = false;
  const auto timer = loop_.After(nanoseconds(0), [&] {
    pair.server->Drop();
    dropped = true;
  });
  EXPECT_TRUE(RunUntil(loop_, [&] { return dropped; }));
  const int before = pair.server->readable;
  loop_.RunOnce(nanoseconds(0));
  EXPECT_EQ(pair.server->readable, before);
}

TEST_P(SocketTest, LetsTheListenerBeDestroyedWhileItAccepts) {
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Stream> accepted;
  listener = *loop_.Listen(address(), [&](std::unique_ptr<Stream> stream) {
    accepted = std::move(stream);
    listener.reset();
  });
  const auto dial =
      loop_.Dial(listener->Address(), kTooLong, [](absl::StatusOr<std::unique_ptr<Stream>>) {});
  EXPECT_TRUE(RunUntil(loop_, [&] { return accepted != nullptr; }));
}

TEST_P(SocketTest, LetsADialBeDroppedInItsCallback) {
  auto listener = *loop_.Listen(address(), [](std::unique_ptr<Stream>) {});
  std::unique_ptr<Timer> dial;
  std::unique_ptr<Stream> stream;
  dial = loop_.Dial(listener->Address(), kTooLong,
                    [&](absl::StatusOr<std::unique_ptr<Stream>> result) {
                      dial.reset();
                      stream = *std::move(result);
                    });
  EXPECT_TRUE(RunUntil(loop_, [&] { return stream != nullptr; }));
}

TEST_P(SocketTest, CallsNobodyAfterADialWasDropped) {
  auto listener = *loop_.Listen(address(), [](std::unique_ptr<Stream>) {});
  auto dial = loop_.Dial(listener->Address(), kTooLong,
                         [](absl::StatusOr<std::unique_ptr<Stream>>) { FAIL(); });
  dial.reset();
  for (int i = 0; i < 5; ++i) loop_.RunOnce(milliseconds(1));
}

TEST_P(SocketTest, SaysThatNobodyListens) {
  auto listener = *loop_.Listen(address(), [](std::unique_ptr<Stream>) {});
  const std::string gone = listener->Address();
  listener.reset();
  absl::Status status;
  const auto dial = loop_.Dial(gone, kTooLong, [&](absl::StatusOr<std::unique_ptr<Stream>> stream) {
    status = stream.status();
  });
  EXPECT_TRUE(status.ok()) << "the callback ran inside the call";
  EXPECT_TRUE(RunUntil(loop_, [&] { return !status.ok(); }));
  EXPECT_THAT(std::string(status.message()), StartsWith("connect to " + gone + ": "));
}

TEST_P(SocketTest, NamesThePeer) {
  Connection pair(loop_, address());
  if (GetParam()) {
    const std::string name =
        "unix:pid=" + std::to_string(getpid()) + ",uid=" + std::to_string(getuid());
    EXPECT_EQ(pair.server->stream().PeerName(), name);
    EXPECT_EQ(pair.client->stream().PeerName(), name);
  } else {
    EXPECT_EQ(pair.client->stream().PeerName(), pair.listener->Address());
    EXPECT_THAT(pair.server->stream().PeerName(), StartsWith("127.0.0.1:"));
  }
}

TEST_P(SocketTest, SharesTheLoopWithAStreamThatNeverStops) {
  std::unique_ptr<Recorder> server;
  const auto listener = *loop_.Listen(address(), [&](std::unique_ptr<Stream> stream) {
    server = std::make_unique<Recorder>(std::move(stream));
  });
  // A client outside the loop: there is always something to read, because every reading is followed
  // by a refill.
  const auto target = *ParseSocketAddress(listener->Address());
  const int client = socket(target.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(connect(client, target.get(), target.size), 0);
  EXPECT_TRUE(RunUntil(loop_, [&] { return server != nullptr; }));
  const std::string much(1'000'000, 'x');
  constexpr size_t kGiveUpBytes = 64'000'000;
  size_t in_one_call = 0;
  server->on_readable = [&] {
    in_one_call = 0;
    std::vector<std::byte> buffer(100'000);
    ptrdiff_t got;
    while (in_one_call < kGiveUpBytes && (got = server->stream().Read(buffer)) > 0) {
      in_one_call += static_cast<size_t>(got);
      send(client, much.data(), much.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
  };
  send(client, much.data(), much.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  EXPECT_TRUE(RunUntil(loop_, [&] { return in_one_call > 0; }));
  EXPECT_LT(in_one_call, kGiveUpBytes);
  EXPECT_EQ(server->closed, 0);
  // And it goes on where it had to stop.
  in_one_call = 0;
  EXPECT_TRUE(RunUntil(loop_, [&] { return in_one_call > 0; }));
  close(client);
}

TEST_P(SocketTest, RefusesAnAddressInUse) {
  auto first = *loop_.Listen(address(), [](std::unique_ptr<Stream>) {});
  const auto second = loop_.Listen(first->Address(), [](std::unique_ptr<Stream>) {});
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), StartsWith("listen at "));
}

TEST(SocketListener, NamesTheDirectoryThatIsMissing) {
  EpollLoop loop;
  const auto listener = loop.Listen("unix:/nowhere/s", [](std::unique_ptr<Stream>) {});
  EXPECT_EQ(listener.status().message(),
            "listen at unix:/nowhere/s: its directory does not exist; make it, or choose another "
            "path");
}

TEST_P(SocketTest, AcceptsAgainAfterAShortageOfDescriptors) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "the undefined behaviour sanitizer needs descriptors of its own";
#endif
  testing::internal::CaptureStderr();
  Connection pair(loop_, address());
  int accepted = 0;
  std::vector<std::unique_ptr<Stream>> streams;
  const std::string other = GetParam() ? address() + "2" : address();
  auto listener = *loop_.Listen(other, [&](std::unique_ptr<Stream> stream) {
    streams.push_back(std::move(stream));
    ++accepted;
  });
  bool connected = false;
  std::unique_ptr<Stream> client;
  const auto dial = loop_.Dial(listener->Address(), kTooLong,
                               [&](absl::StatusOr<std::unique_ptr<Stream>> stream) {
                                 client = *std::move(stream);
                                 connected = true;
                               });
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit none = before;
  none.rlim_cur = 3;
  setrlimit(RLIMIT_NOFILE, &none);
  EXPECT_TRUE(RunUntil(loop_, [&] { return connected; }));
  loop_.RunOnce(nanoseconds(0));
  EXPECT_EQ(accepted, 0);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(RunUntil(loop_, [&] { return accepted == 1; }));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("raise the limit of open files"));
}

class UnixListenerTest : public SocketTest {};
INSTANTIATE_TEST_SUITE_P(Over, UnixListenerTest, testing::Values(true),
                         [](const auto&) { return "Unix"; });

TEST_P(UnixListenerTest, MakesItsSocketForTheOwnerOnlyAndRemovesIt) {
  auto listener = *loop_.Listen(address(), [](std::unique_ptr<Stream>) {});
  struct stat status {};
  ASSERT_EQ(stat((dir_ + "/s").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  listener.reset();
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/s"));
}

TEST_P(UnixListenerTest, ReplacesTheSocketOfADeadProcess) {
  const auto address_of = ParseSocketAddress(address());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(bind(fd, address_of->get(), address_of->size), 0);
  close(fd);
  EXPECT_TRUE(loop_.Listen(address(), [](std::unique_ptr<Stream>) {}).ok());
}

TEST_P(UnixListenerTest, RemovesNoFileThatIsNoSocket) {
  std::ofstream(dir_ + "/s") << "precious";
  const auto listener = loop_.Listen(address(), [](std::unique_ptr<Stream>) {});
  EXPECT_EQ(listener.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(std::filesystem::exists(dir_ + "/s"));
}

TEST_P(UnixListenerTest, LeavesTheSocketOfItsSuccessor) {
  auto listener = *loop_.Listen(address(), [](std::unique_ptr<Stream>) {});
  std::filesystem::remove(dir_ + "/s");
  auto successor = *loop_.Listen(address(), [](std::unique_ptr<Stream>) {});
  listener.reset();
  EXPECT_TRUE(std::filesystem::exists(dir_ + "/s"));
}

TEST_P(UnixListenerTest, RefusesOtherUsers) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  testing::internal::CaptureStderr();
  int accepted = 0;
  auto listener = *loop_.Listen(address(), [&](std::unique_ptr<Stream>) { ++accepted; });
  // root may connect to anything; so let everybody in, and let the credentials decide.
  ASSERT_EQ(chmod((dir_ + "/s").c_str(), 0666), 0);
  ASSERT_EQ(chmod(dir_.c_str(), 0755), 0);
  const auto target = ParseSocketAddress(address());
  const pid_t child = fork();
  if (child == 0) {
    if (setuid(65534) != 0) _exit(2);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, target->get(), target->size) != 0) _exit(3);
    char byte;
    _exit(read(fd, &byte, 1) == 0 ? 0 : 4);  // the end: we were turned away
  }
  int status = -1;
  EXPECT_TRUE(RunUntil(loop_, [&] { return waitpid(child, &status, WNOHANG) == child; }));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(accepted, 0);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("uid 65534"));
}

TEST(Dial, GivesUpAfterItsTimeout) {
  EpollLoop loop;
  // A full backlog: further connections get no answer.
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = *ParseSocketAddress("127.0.0.1:0");
  ASSERT_EQ(bind(fd, address.get(), address.size), 0);
  ASSERT_EQ(listen(fd, 0), 0);
  ASSERT_EQ(getsockname(fd, address.get(), &address.size), 0);
  std::vector<std::unique_ptr<Timer>> dials;
  dials.reserve(8);
  std::vector<std::unique_ptr<Stream>> streams;
  int timeouts = 0;
  for (int i = 0; i < 8; ++i) {
    dials.push_back(loop.Dial(
        address.Text(), milliseconds(100), [&](absl::StatusOr<std::unique_ptr<Stream>> stream) {
          if (stream.ok()) {
            streams.push_back(*std::move(stream));
            return;
          }
          EXPECT_EQ(stream.status().code(), StatusCode::kDeadlineExceeded);
          EXPECT_THAT(std::string(stream.status().message()), HasSubstr("no answer within 100 ms"));
          ++timeouts;
        }));
  }
  EXPECT_TRUE(RunUntil(loop, [&] { return timeouts > 0; }));
  close(fd);
}

TEST(Dial, ReportsABadAddressLater) {
  EpollLoop loop;
  absl::Status status;
  const auto dial = loop.Dial("nowhere", kTooLong, [&](auto stream) { status = stream.status(); });
  EXPECT_TRUE(status.ok());
  EXPECT_TRUE(RunUntil(loop, [&] { return !status.ok(); }));
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace semper
