// Run on real sockets: connects, reconnects, starts over, ends.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <stop_token>
#include <thread>

#include "semper/v1/link.pb.h"
#include "semper/v1/log.pb.h"
#include "tests/unit/sdk/fake_coordinator.h"
#include "tests/unit/sdk/recorder.h"

namespace semper::test {
namespace {

constexpr int kPatienceMs = 20000;

// A coordinator's end of real sockets, used by one thread. Everything has a deadline and throws
// when it passes.
class SocketCoordinator {
 public:
  SocketCoordinator() {
    std::string name = ::testing::TempDir() + "semper_link_XXXXXX";
    dir_ = mkdtemp(name.data());
    path_ = dir_ + "/link";
  }
  ~SocketCoordinator() {
    Close();
    if (listener_ >= 0) close(listener_);
    std::filesystem::remove_all(dir_);
  }

  std::string link() const { return "unix:" + path_; }

  void Listen() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path_.begin(), path_.end(), address.sun_path);
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener_, 4) != 0) {
      throw std::runtime_error("cannot listen at " + path_);
    }
  }
  void Accept() {
    Await(listener_);
    fd_ = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    in_.clear();
  }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  // The next frame that is no ping; kNone when the other end has closed.
  Frame Next() {
    for (;;) {
      while (in_.size() >= core::kFrameHeaderBytes) {
        const auto header = FrameHeader::Decode(reinterpret_cast<const std::byte*>(in_.data()));
        const size_t size = core::kFrameHeaderBytes + header.bytes;
        if (in_.size() < size) break;
        Frame frame{header, in_.substr(core::kFrameHeaderBytes, header.bytes)};
        in_.erase(0, size);
        if (header.kind != FrameKind::kPing) return frame;
      }
      Await(fd_);
      char buffer[65536];
      const ssize_t n = read(fd_, buffer, sizeof buffer);
      if (n <= 0) return Frame();
      in_.append(buffer, static_cast<size_t>(n));
    }
  }
  void Say(FrameHeader header, std::string_view payload = "") {
    header.last = 7;
    const std::string bytes = Encoded(header, payload);
    if (write(fd_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      throw std::runtime_error("short write");
    }
  }
  // Hello of both, and Start.
  void BeginLink() {
    Accept();
    EXPECT_EQ(Next().header.kind, FrameKind::kServiceHello);
    v1::CoordinatorHello hello;
    hello.set_protocol_version(1);
    hello.set_name("test/self");
    hello.set_incarnation("0123456789abcdef");
    Say({.kind = FrameKind::kCoordinatorHello}, hello.SerializeAsString());
    v1::Control control;
    control.mutable_start();
    Say({.count = 1, .index = 1, .time = 5, .kind = FrameKind::kControl},
        control.SerializeAsString());
    const Frame done = Next();
    EXPECT_EQ(done.header.kind, FrameKind::kDone);
    EXPECT_EQ(done.header.index, 1u);
  }
  void Impulse(uint64_t index, const std::string& text) {
    Say({.count = 1, .first_sequence = 1, .index = index, .time = 5, .kind = FrameKind::kImpulse},
        Raw(text));
  }

 private:
  void Await(int fd) {
    pollfd poll_fd{fd, POLLIN, 0};
    if (poll(&poll_fd, 1, kPatienceMs) != 1) throw std::runtime_error("nothing came");
  }

  std::string dir_;
  std::string path_;
  std::string in_;
  int listener_ = -1;
  int fd_ = -1;
};

ServiceFactory MakeRecorder() {
  return [] { return std::make_unique<Recorder>(); };
}

TEST(Run, InProcessConnectsWhenTheCoordinatorComesAndStartsOverWhenItGoes) {
  SocketCoordinator coordinator;
  std::stop_source stop;
  std::atomic<int> made = 0;
  Options options{.link = coordinator.link(), .run_in_process = true, .stop = stop.get_token()};
  int status = -1;
  std::thread service([&] {
    status = semper::Run(options, [&] {
      ++made;
      return std::make_unique<Recorder>();
    });
  });
  coordinator.Listen();
  coordinator.BeginLink();
  EXPECT_EQ(made, 1);
  coordinator.Close();
  coordinator.BeginLink();
  EXPECT_EQ(made, 2) << "a new service object for a new link";
  stop.request_stop();
  service.join();
  EXPECT_EQ(status, 0);
}

TEST(Run, InProcessSendsImpulsesOfOtherThreads) {
  class Edge : public Recorder {
   public:
    explicit Edge(std::promise<Impulses>& live) : live_(live) {}
    void OnLive(const Impulses& handle) override { live_.set_value(handle); }

   private:
    std::promise<Impulses>& live_;
  };
  SocketCoordinator coordinator;
  std::stop_source stop;
  std::promise<Impulses> live;
  Options options{.link = coordinator.link(), .run_in_process = true, .stop = stop.get_token()};
  std::thread service(
      [&] { (void)semper::Run(options, [&] { return std::make_unique<Edge>(live); }); });
  coordinator.Listen();
  coordinator.BeginLink();
  coordinator.Say({.index = 1, .kind = FrameKind::kLive});
  const Impulses impulses = live.get_future().get();
  auto placed = impulses.Submit("hello");
  const Frame submitted = coordinator.Next();
  EXPECT_EQ(submitted.header.kind, FrameKind::kImpulseSubmit);
  EXPECT_EQ(submitted.payload, Raw("hello"));
  coordinator.Impulse(2, "hello");
  coordinator.Say({.index = 2, .kind = FrameKind::kCommitted});
  EXPECT_EQ(placed.get().value(), 2u);
  auto lost = impulses.Submit("lost");
  EXPECT_EQ(coordinator.Next().header.kind, FrameKind::kDone);
  EXPECT_EQ(coordinator.Next().header.kind, FrameKind::kImpulseSubmit);
  stop.request_stop();
  service.join();
  EXPECT_EQ(lost.get().status().code(), Code::kUnknown);
}

TEST(Run, InProcessWritesMoreThanTheSocketHoldsWhileTheOtherEndDoes) {
  SocketCoordinator coordinator;
  std::stop_source stop;
  Options options{.link = coordinator.link(), .run_in_process = true, .stop = stop.get_token()};
  std::thread service([&] { (void)semper::Run(options, MakeRecorder()); });
  coordinator.Listen();
  coordinator.BeginLink();
  coordinator.Impulse(2, "big far/x 16000000");
  EXPECT_EQ(coordinator.Next().header.kind, FrameKind::kDestination);
  EXPECT_EQ(coordinator.Next().payload.size(), 16000004u);
  EXPECT_EQ(coordinator.Next().header.index, 2u);
  stop.request_stop();
  service.join();
}

TEST(Run, RefusesALinkThatIsNone) {
  EXPECT_EQ(semper::Run({.link = ""}, MakeRecorder()), 64);
  EXPECT_EQ(semper::Run({.link = "tcp:1.2.3.4"}, MakeRecorder()), 64);
  EXPECT_EQ(semper::Run({.link = "unix:" + std::string(200, 'x')}, MakeRecorder()), 64);
}

TEST(Run, RefusesToForkAProcessThatHasThreads) {
  std::promise<void> end;
  std::thread other([&] { end.get_future().wait(); });
  EXPECT_EQ(semper::Run({.link = "unix:/nowhere"}, MakeRecorder()), 64);
  end.set_value();
  other.join();
}

// A service process with its parent, forked before the test has threads.
class Forked {
 public:
  explicit Forked(const std::string& link, const ServiceFactory& factory = MakeRecorder())
      : pid_(fork()) {
    if (pid_ == 0) _exit(semper::Run({.link = link}, factory));
  }
  ~Forked() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  // SIGTERM, and the exit status; -1 if it died otherwise.
  int Stop() {
    kill(pid_, SIGTERM);
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_;
};

TEST(RunForked, BeginsEachLinkInANewProcessAndEndsOrderlyOnSigterm) {
  SocketCoordinator coordinator;
  coordinator.Listen();
  Forked service(coordinator.link());
  coordinator.BeginLink();
  coordinator.Close();
  coordinator.BeginLink();
  EXPECT_EQ(service.Stop(), 0);
  EXPECT_EQ(coordinator.Next().header.kind, FrameKind::kNone) << "the child is gone too";
}

TEST(RunForked, BeginsAnewAfterTheServiceFailed) {
  SocketCoordinator coordinator;
  coordinator.Listen();
  Forked service(coordinator.link());
  coordinator.BeginLink();
  coordinator.Impulse(2, "throw");
  EXPECT_EQ(coordinator.Next().header.kind, FrameKind::kServiceFailed);
  EXPECT_EQ(coordinator.Next().header.kind, FrameKind::kNone);
  coordinator.BeginLink();
  EXPECT_EQ(service.Stop(), 0);
}

// Its edge reads standard input, which never ends, and its destructor waits for that.
class Listening : public Recorder {
 public:
  ~Listening() override {
    if (reader_.joinable()) reader_.join();
  }
  void OnLive(const Impulses& handle) override {
    reader_ = std::thread([handle] {
      handle.Submit("listening", [](const ImpulseResult&) {});
      while (std::getchar() != EOF) {
      }
    });
  }

 private:
  std::thread reader_;
};

TEST(RunForked, BeginsAnewWhateverTheThreadsOfTheEdgeWaitFor) {
  SocketCoordinator coordinator;
  coordinator.Listen();
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const int standard_input = dup(STDIN_FILENO);
  dup2(pipe_ends[0], STDIN_FILENO);
  Forked service(coordinator.link(), [] { return std::make_unique<Listening>(); });
  dup2(standard_input, STDIN_FILENO);
  coordinator.BeginLink();
  coordinator.Say({.index = 1, .kind = FrameKind::kLive});
  EXPECT_EQ(coordinator.Next().header.kind, FrameKind::kImpulseSubmit);
  coordinator.Close();
  coordinator.BeginLink();
  EXPECT_EQ(service.Stop(), 0);
  for (const int fd : {pipe_ends[0], pipe_ends[1], standard_input}) close(fd);
}

TEST(RunForked, TakesItsChildWithItWhenItIsKilled) {
  SocketCoordinator coordinator;
  coordinator.Listen();
  {
    Forked service(coordinator.link());
    coordinator.BeginLink();
  }
  EXPECT_EQ(coordinator.Next().header.kind, FrameKind::kNone);
}

}  // namespace
}  // namespace semper::test
