// EpollLoop::Dial.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/epoll_loop.h"
#include "base/errno_status.h"
#include "base/event_source.h"
#include "base/socket_address.h"
#include "base/socket_stream.h"

namespace semper {
namespace {

using Connected = std::function<void(absl::StatusOr<std::unique_ptr<Stream>>)>;

class DialSource final : public EventSource {
 public:
  DialSource(EpollLoop& event_loop, std::string address, Connected connected)
      : EventSource(event_loop, -1),
        address_(std::move(address)),
        connected_(std::move(connected)) {}

  // The result, also one that is known at once, comes from the loop later.
  void Start(std::chrono::nanoseconds timeout) {
    early_ = Connect();
    if (!early_.ok() || fd() < 0) {
      loop().TakeTurn(*this);
      return;
    }
    loop().Watch(*this, EPOLLOUT);
    timeout_ = loop().After(timeout, [this, timeout] {
      const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
      Finish(absl::DeadlineExceededError(
          absl::StrCat("connect to ", address_, ": no answer within ", waited, " ms")));
    });
  }

  void OnTurn() override { Finish(early_); }

  void OnEvents(uint32_t) override {
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    if (error == 0 && ConnectedToItself()) error = ECONNREFUSED;
    Finish(error == 0 ? absl::OkStatus() : ErrnoStatus(error, "connect to ", address_));
  }

 private:
  absl::Status Connect() {
    const auto address = ParseSocketAddress(address_);
    if (!address.ok()) return address.status();
    AdoptFd(socket(address->family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (fd() < 0) return ErrnoStatus(errno, "make a socket for ", address_);
    TuneSocket(fd(), address->family());
    if (connect(fd(), address->get(), address->size) != 0 && errno != EINPROGRESS) {
      return ErrnoStatus(errno, "connect to ", address_);
    }
    return absl::OkStatus();
  }

  // On one machine a port that nobody listens at can be the one that the kernel chose for this very
  // socket.
  bool ConnectedToItself() const {
    SocketAddress here{};
    SocketAddress there{};
    here.size = there.size = sizeof here.storage;
    return getsockname(fd(), here.get(), &here.size) == 0 && here.family() != AF_UNIX &&
           getpeername(fd(), there.get(), &there.size) == 0 && here.size == there.size &&
           std::memcmp(here.get(), there.get(), here.size) == 0;
  }

  void Finish(const absl::Status& status) {
    if (dead() || connected_ == nullptr) return;
    // The callback may drop this dial, and with it the function that is running.
    const Connected connected = std::exchange(connected_, nullptr);
    timeout_.reset();
    loop().Unwatch(*this);
    if (!status.ok()) {
      CloseFd();
      connected(status);
      return;
    }
    std::string peer_name = PeerNameOf(fd());
    if (peer_name.compare(0, 5, "unix:") != 0) peer_name = address_;
    connected(MakeSocketStream(loop(), ReleaseFd(), std::move(peer_name)));
  }

  const std::string address_;
  Connected connected_;
  absl::Status early_;
  std::unique_ptr<Timer> timeout_;
};

class Dialing final : public Timer {
 public:
  Dialing(EpollLoop& loop, std::unique_ptr<DialSource> source)
      : loop_(loop), source_(std::move(source)) {}
  ~Dialing() override { loop_.Bury(std::move(source_)); }

 private:
  EpollLoop& loop_;
  std::unique_ptr<DialSource> source_;
};

}  // namespace

std::unique_ptr<Timer> EpollLoop::Dial(const std::string& address, std::chrono::nanoseconds timeout,
                                       Connected connected) {
  auto source = std::make_unique<DialSource>(*this, address, std::move(connected));
  source->Start(timeout);
  return std::make_unique<Dialing>(*this, std::move(source));
}

}  // namespace semper
