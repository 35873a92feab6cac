// EpollLoop::Listen.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/epoll_loop.h"
#include "base/errno_status.h"
#include "base/event_source.h"
#include "base/log.h"
#include "base/socket_address.h"
#include "base/socket_stream.h"

namespace semper {
namespace {

constexpr int kBacklog = 512;
constexpr int kAcceptsInARow = 16;

// How long to wait when there are no descriptors left; others may be closed meanwhile.
constexpr std::chrono::milliseconds kShortageWait(100);

// Which file a Unix listener made, so that it removes no other.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileIdentity&) const = default;
};

FileIdentity IdentityOf(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return {};
  return {.device = status.st_dev, .inode = status.st_ino};
}

bool IsAllowed(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    SEMPER_LOG(kWarning, "refused a connection: who it is cannot be read: {}", TextOfErrno(errno));
    return false;
  }
  if (peer.uid == geteuid() || peer.uid == 0) return true;
  SEMPER_LOG(kWarning, "refused the connection of pid {}, uid {}: only uid {} and root may connect",
             peer.pid, peer.uid, geteuid());
  return false;
}

class ListenerSource final : public EventSource {
 public:
  ListenerSource(EpollLoop& event_loop, int socket, SocketAddress address,
                 std::function<void(std::unique_ptr<Stream>)> accept)
      : EventSource(event_loop, socket), address_(address), accept_(std::move(accept)) {
    if (address_.is_unix()) file_ = IdentityOf(path());
    loop().Watch(*this, EPOLLIN);
  }

  void OnEvents(uint32_t) override {
    for (int i = 0; i < kAcceptsInARow && !dead(); ++i) {
      if (!AcceptOne()) return;
    }
  }
  void OnTurn() override {}

  void RemoveFile() {
    if (address_.is_unix() && file_ == IdentityOf(path())) unlink(path().c_str());
  }
  const SocketAddress& address() const { return address_; }

 private:
  std::string path() const { return std::string(address_.unix_path()); }

  // False when there is nothing more to accept now.
  bool AcceptOne() {
    const int socket = accept4(fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) {
      const int error = errno;
      if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
        SEMPER_LOG(kError, "cannot accept at {}: {}; raise the limit of open files",
                   address_.Text(), TextOfErrno(error));
        loop().Rewatch(*this, 0);
        retry_ = loop().After(kShortageWait, [this] {
          if (!dead()) loop().Rewatch(*this, EPOLLIN);
        });
        return false;
      }
      return error != EAGAIN && error != EWOULDBLOCK;  // others concern one connection that is gone
    }
    if (address_.is_unix() && !IsAllowed(socket)) {
      close(socket);
      return true;
    }
    TuneSocket(socket, address_.family());
    accept_(MakeSocketStream(loop(), socket, PeerNameOf(socket)));
    return true;
  }

  const SocketAddress address_;
  const std::function<void(std::unique_ptr<Stream>)> accept_;
  FileIdentity file_;
  std::unique_ptr<Timer> retry_;
};

class SocketListener final : public Listener {
 public:
  SocketListener(EpollLoop& loop, std::unique_ptr<ListenerSource> source)
      : loop_(loop), source_(std::move(source)) {}
  ~SocketListener() override {
    source_->RemoveFile();
    loop_.Bury(std::move(source_));
  }
  std::string Address() const override { return source_->address().Text(); }

 private:
  EpollLoop& loop_;
  std::unique_ptr<ListenerSource> source_;
};

// Closes what it holds unless it is released.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// Removes a socket file that a dead process left behind; refuses when it is anything else.
absl::Status RemoveStale(const SocketAddress& address) {
  const std::string path(address.unix_path());
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, "look at ", path);
  }
  if (!S_ISSOCK(status.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("listen at ", path, ": a file that is no socket has this name; remove it"));
  }
  const Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (probe.get() < 0) return ErrnoStatus(errno, "make a socket");
  const int result = connect(probe.get(), address.get(), address.size);
  if (result == 0 || errno != ECONNREFUSED) {
    return absl::AlreadyExistsError(
        absl::StrCat("listen at ", path, ": another process listens there already; stop it or ",
                     "choose another path"));
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, "remove the left-over socket ", path);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> EpollLoop::Listen(
    const std::string& text, std::function<void(std::unique_ptr<Stream>)> accept) {
  auto parsed = ParseSocketAddress(text);
  if (!parsed.ok()) return parsed.status();
  SocketAddress address = *parsed;
  if (address.is_unix()) {
    if (absl::Status status = RemoveStale(address); !status.ok()) return status;
  }
  Fd fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return ErrnoStatus(errno, "make a socket for ", text);
  if (!address.is_unix()) {
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  }
  TuneSocket(fd.get(), address.family());
  if (bind(fd.get(), address.get(), address.size) != 0) {
    if (errno == ENOENT) {
      return absl::NotFoundError(absl::StrCat(
          "listen at ", text, ": its directory does not exist; make it, or choose another path"));
    }
    return ErrnoStatus(errno, "listen at ", text);
  }
  // Nobody can connect between these two: the socket does not listen yet.
  if (address.is_unix() && chmod(std::string(address.unix_path()).c_str(), 0600) != 0) {
    return ErrnoStatus(errno, "set the mode of ", text);
  }
  if (listen(fd.get(), kBacklog) != 0) return ErrnoStatus(errno, "listen at ", text);
  if (!address.is_unix()) getsockname(fd.get(), address.get(), &address.size);  // the real port
  return std::make_unique<SocketListener>(
      *this, std::make_unique<ListenerSource>(*this, fd.Release(), address, std::move(accept)));
}

}  // namespace semper
