#include "sdk/cpp/src/link_driver.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

namespace semper::internal {

namespace {

constexpr std::string_view kScheme = "unix:";
// The wait for a coordinator is made longer by at most this share of it, and ends by at most that
// late.
constexpr int kRetryShare = 8;
constexpr std::chrono::milliseconds kFirstRetry{1};
constexpr std::chrono::milliseconds kLastRetry{200};
constexpr std::chrono::seconds kPingAfter{1};
constexpr int kSocketBufferBytes = 2 << 20;

// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

// Wakes a poll from any thread. Shared with the impulse queue, which may outlive the driver.
class Waker {
 public:
  Waker() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  int fd() const { return fd_.get(); }
  void Wake() {
    const uint64_t one = 1;
    (void)!write(fd_.get(), &one, sizeof one);
  }
  void Clear() {
    uint64_t count;
    (void)!read(fd_.get(), &count, sizeof count);
  }

 private:
  Descriptor fd_;
};

class LinkDriver final : public EnginePort {
 public:
  LinkDriver(const Options& options, std::shared_ptr<Waker> waker)
      : options_(options), waker_(std::move(waker)) {}

  LifeEnd Run(const ServiceFactory& factory);

  void Write(std::span<const iovec> pieces) override;
  size_t Read(std::span<std::byte> space) override;
  void Warn(std::string_view text) override { LogLine(std::string(text)); }

 private:
  int Connect();
  // Waits until the socket can be read (or written); false when the time is over. Sets stop_ when
  // that is requested.
  bool Wait(short events, std::chrono::milliseconds timeout);
  ssize_t ReadSome(std::span<std::byte> space);  // 0: nothing now; -1: the link is lost
  void Lose(std::string_view doing, int error);

  const Options& options_;
  const std::shared_ptr<Waker> waker_;
  int fd_ = -1;
  bool lost_ = false;
  bool stop_ = false;
  bool wrote_ = false;  // since the last ping
  std::string why_lost_;
  std::vector<iovec> unwritten_;
};

void LinkDriver::Lose(std::string_view doing, int error) {
  if (lost_) return;
  lost_ = true;
  why_lost_ =
      error == 0 ? "the coordinator closed it" : std::string(doing) + ": " + std::strerror(error);
}

// One try. The descriptor, or -1 with errno.
int LinkDriver::Connect() {
  const std::string path = options_.link.substr(kScheme.size());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  for (const int option : {SO_SNDBUF, SO_RCVBUF}) {
    setsockopt(fd, SOL_SOCKET, option, &kSocketBufferBytes, sizeof kSocketBufferBytes);
  }
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

bool LinkDriver::Wait(short events, std::chrono::milliseconds timeout) {
  pollfd fds[2] = {{waker_->fd(), POLLIN, 0}, {fd_, events, 0}};
  const int n = poll(fds, fd_ < 0 ? 1 : 2, static_cast<int>(timeout.count()));
  if (n < 0 && errno != EINTR) Lose("waiting", errno);
  if (n > 0 && fds[0].revents != 0) waker_->Clear();
  if (options_.stop.stop_requested()) stop_ = true;
  return n > 0;
}

ssize_t LinkDriver::ReadSome(std::span<std::byte> space) {
  const ssize_t n = read(fd_, space.data(), space.size());
  if (n > 0) return n;
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  Lose("reading", n == 0 ? 0 : errno);
  return -1;
}

size_t LinkDriver::Read(std::span<std::byte> space) {
  while (!lost_ && !stop_) {
    const ssize_t n = ReadSome(space);
    if (n > 0) return static_cast<size_t>(n);
    if (n == 0) Wait(POLLIN, std::chrono::milliseconds(1000));
  }
  return 0;
}

// Blocks until all is written: the coordinator always reads, whatever it writes meanwhile.
void LinkDriver::Write(std::span<const iovec> pieces) {
  wrote_ = true;
  unwritten_.assign(pieces.begin(), pieces.end());
  size_t first = 0;
  while (first < unwritten_.size() && !lost_ && !stop_) {
    msghdr message{};
    message.msg_iov = unwritten_.data() + first;
    message.msg_iovlen = unwritten_.size() - first;
    ssize_t n = sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EAGAIN) {
        Wait(POLLOUT, std::chrono::milliseconds(1000));
      } else if (errno != EINTR) {
        Lose("writing", errno);
      }
      continue;
    }
    while (first < unwritten_.size() && static_cast<size_t>(n) >= unwritten_[first].iov_len) {
      n -= static_cast<ssize_t>(unwritten_[first++].iov_len);
    }
    if (n > 0) {
      unwritten_[first].iov_base = static_cast<std::byte*>(unwritten_[first].iov_base) + n;
      unwritten_[first].iov_len -= static_cast<size_t>(n);
    }
  }
}

LifeEnd LinkDriver::Run(const ServiceFactory& factory) {
  const std::stop_callback wake_on_stop(options_.stop, [this] { waker_->Wake(); });
  const auto begin = std::chrono::steady_clock::now();
  bool told = false;
  while ((fd_ = Connect()) < 0) {
    const int error = errno;
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - begin);
    const auto retry = std::clamp(waited / kRetryShare, kFirstRetry, kLastRetry);
    if (!told && retry >= kLastRetry) {  // not worth a line while the coordinator merely starts
      LogLine("waiting for the coordinator at " + options_.link + ": " + std::strerror(error));
      told = true;
    }
    Wait(0, retry);
    if (stop_) return LifeEnd::kStopped;
  }
  const Descriptor closes(fd_);
  // The queue outlives this object when a thread of the edge keeps a handle, therefore it gets its
  // own share.
  auto impulses = std::make_shared<ImpulseQueue>(options_.impulses_outstanding_max,
                                                 [waker = waker_] { waker->Wake(); });
  auto engine = std::make_unique<Engine>(
      factory(), *this, std::move(impulses),
      EngineOptions{.read_buffer_bytes = options_.read_buffer_bytes, .blocking_reads = true});
  engine->Start();
  Status status;
  while (status.ok() && !lost_ && !stop_) {
    const ssize_t n = ReadSome(engine->ReadSpace());
    if (n > 0) {
      status = engine->OnRead(static_cast<size_t>(n));
    } else if (n == 0 && !Wait(POLLIN, kPingAfter)) {
      if (!std::exchange(wrote_, false)) {
        engine->SendPing();
        wrote_ = false;
      }
    } else if (n == 0) {
      engine->SendImpulses();
    }
  }
  const uint64_t index = engine->index();
  // A process that ends now does not tidy up: a destructor could wait for a thread of the edge that
  // waits for ever.
  if (!options_.run_in_process) (void)engine.release();
  if (stop_) return LifeEnd::kStopped;
  LogLine("link " + options_.link + " lost after input " + std::to_string(index) + ": " +
          (status.ok() ? why_lost_ : status.message()));
  return status.code() == Code::kAborted || status.code() == Code::kFailedPrecondition
             ? LifeEnd::kServiceFailed
             : LifeEnd::kLinkLost;
}

}  // namespace

void LogLine(const std::string& text) {
  // One write, so that lines of several processes do not mix.
  const std::string line = "semper: " + text + "\n";
  (void)!write(STDERR_FILENO, line.data(), line.size());
}

std::string CheckLink(const std::string& link) {
  if (link.empty()) {
    return "no link to the coordinator: give --semper-link=unix:/path or set SEMPER_LINK";
  }
  if (link.substr(0, kScheme.size()) != kScheme || link.size() == kScheme.size()) {
    return "the link '" + link + "' is not of the form unix:/path (--semper-link or SEMPER_LINK)";
  }
  const size_t path_max = sizeof(sockaddr_un::sun_path) - 1;
  if (link.size() - kScheme.size() > path_max) {
    return "the path of the link '" + link + "' has more than the " + std::to_string(path_max) +
           " bytes that a Unix socket allows; use a shorter one";
  }
  return "";
}

LifeEnd RunOneLife(const Options& options, const ServiceFactory& factory) {
  LinkDriver driver(options, std::make_shared<Waker>());
  return driver.Run(factory);
}

}  // namespace semper::internal
