#include "base/socket_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/check.h"
#include "base/epoll_loop.h"
#include "base/errno_status.h"
#include "base/socket_address.h"

namespace semper {
namespace {

constexpr int kSocketBufferBytes = 4 << 20;
constexpr size_t kPiecesMax = 1024;

// What one stream may deliver before others have their turn.
constexpr size_t kTurnBytes = size_t{4} << 20;

constexpr uint32_t kReadEvents = EPOLLIN | EPOLLRDHUP | EPOLLET;

long BufferLimit(const char* path) {
  long limit = 0;
  if (FILE* const file = std::fopen(path, "re"); file != nullptr) {
    if (std::fscanf(file, "%ld", &limit) != 1) limit = 0;
    std::fclose(file);
  }
  return limit;
}

// A fixed size ends the kernel's own tuning of TCP. Where we may not have the whole size that
// tuning is the better one.
void SetBuffer(int fd, int family, int forced, int plain, long limit) {
  const int bytes = kSocketBufferBytes;
  if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) == 0) return;
  if (family == AF_UNIX || limit >= bytes) {
    setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof bytes);
  }
}

// Edge-triggered reading: a flag says whether there may be something to read, so that a Read that
// emptied the socket needs no second call of the kernel to know. EPOLLOUT is asked for only while a
// Write is waiting, because a Unix socket would report it for every buffer that the other end
// consumes.
class SocketSource final : public EventSource {
 public:
  SocketSource(EpollLoop& event_loop, int socket, std::string peer_name)
      : EventSource(event_loop, socket), peer_name_(std::move(peer_name)) {
    loop().Watch(*this, kReadEvents);
  }

  void OnEvents(uint32_t events) override;
  void OnTurn() override { Deliver(); }

  void SetHandler(Stream::Handler* handler) {
    handler_ = handler;
    if (readable_ || failed_) loop().TakeTurn(*this);
  }
  ptrdiff_t Read(std::span<std::byte> out);
  ptrdiff_t Write(std::span<const iovec> pieces);
  void PauseReading(bool paused) {
    paused_ = paused;
    if (!paused && readable_) loop().TakeTurn(*this);
  }
  const std::string& peer_name() const { return peer_name_; }

 private:
  void Deliver();
  void DeliverReadable();
  void Fail(absl::Status why);

  const std::string peer_name_;
  Stream::Handler* handler_ = nullptr;
  bool readable_ = false;  // the socket may have something
  bool half_shut_ =
      false;  // the other end writes no more; the end of the stream is behind what can be read
  bool paused_ = false;
  bool wants_write_ = false;    // OnWritable is owed
  bool writable_ = false;       // and may be given
  bool watches_write_ = false;  // EPOLLOUT is asked for
  bool ended_ = false;          // nothing can be read any more
  bool failed_ = false;         // OnClosed is owed
  bool closed_ = false;         // OnClosed was given
  size_t turn_bytes_left_ = kTurnBytes;
  absl::Status why_;
};

void SocketSource::OnEvents(uint32_t events) {
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) readable_ = true;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) half_shut_ = true;
  if ((events & EPOLLOUT) != 0) {
    writable_ = wants_write_;
    if (!wants_write_ && watches_write_) {
      watches_write_ = false;
      loop().Rewatch(*this, kReadEvents);
    }
  }
  Deliver();
}

void SocketSource::DeliverReadable() {
  turn_bytes_left_ = kTurnBytes;
  handler_->OnReadable();
}

// Every callback may destroy the stream: after each one look whether this is dead.
void SocketSource::Deliver() {
  if (handler_ == nullptr || closed_) return;
  if (readable_ && !paused_ && !ended_) {
    DeliverReadable();
    if (dead()) return;
  }
  if (wants_write_ && std::exchange(writable_, false) && !failed_) {
    wants_write_ = false;
    handler_->OnWritable();
    if (dead()) return;
  }
  // Its turn was over, or its handler left something; after a failure it gets no second chance to
  // do so.
  const bool turn_over = turn_bytes_left_ == 0;
  if (readable_ && !paused_ && !ended_ && (!failed_ || turn_over)) {
    loop().TakeTurn(*this);
  } else if (failed_) {
    closed_ = true;
    handler_->OnClosed(why_);
  }
}

// What was sent before the failure can still be read: it may say why.
void SocketSource::Fail(absl::Status why) {
  if (failed_) return;
  failed_ = true;
  why_ = std::move(why);
  loop().TakeTurn(*this);
}

ptrdiff_t SocketSource::Read(std::span<std::byte> out) {
  if (ended_ || closed_) return -1;
  if (!readable_ || out.empty()) return 0;
  if (turn_bytes_left_ == 0) {
    if (!paused_) loop().TakeTurn(*this);
    return 0;
  }
  while (true) {
    const ssize_t got = recv(fd(), out.data(), out.size(), 0);
    if (got > 0) {
      const auto bytes = static_cast<size_t>(got);
      // A short read emptied the socket; what comes later is a new event.
      if (bytes < out.size() && !half_shut_) readable_ = false;
      turn_bytes_left_ -= std::min(turn_bytes_left_, bytes);
      return got;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      readable_ = false;
      return 0;
    }
    ended_ = true;
    if (got == 0) {
      Fail(absl::UnavailableError(absl::StrCat(peer_name_, " closed the connection")));
    } else {
      Fail(ErrnoStatus(errno, "receive from ", peer_name_));
    }
    return -1;
  }
}

ptrdiff_t SocketSource::Write(std::span<const iovec> pieces) {
  SEMPER_CHECK(pieces.size() <= kPiecesMax, pieces.size(), " pieces in one write");
  if (failed_) return -1;
  size_t total = 0;
  for (const iovec& piece : pieces) total += piece.iov_len;
  if (wants_write_ || total == 0) return 0;
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = pieces.size();
  ssize_t sent;
  do {
    sent = sendmsg(fd(), &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
    Fail(ErrnoStatus(errno, "send to ", peer_name_));
    readable_ = true;
    return -1;
  }
  sent = std::max<ssize_t>(sent, 0);
  if (static_cast<size_t>(sent) < total) {
    wants_write_ = true;
    if (!std::exchange(watches_write_, true)) loop().Rewatch(*this, kReadEvents | EPOLLOUT);
  }
  return sent;
}

class SocketStream final : public Stream {
 public:
  SocketStream(EpollLoop& loop, int fd, std::string peer_name)
      : loop_(loop), source_(std::make_unique<SocketSource>(loop, fd, std::move(peer_name))) {}
  ~SocketStream() override { loop_.Bury(std::move(source_)); }

  void SetHandler(Handler* handler) override { source_->SetHandler(handler); }
  ptrdiff_t Read(std::span<std::byte> out) override { return source_->Read(out); }
  ptrdiff_t Write(std::span<const iovec> pieces) override { return source_->Write(pieces); }
  void PauseReading(bool paused) override { source_->PauseReading(paused); }
  std::string PeerName() const override { return source_->peer_name(); }

 private:
  EpollLoop& loop_;
  std::unique_ptr<SocketSource> source_;
};

}  // namespace

void TuneSocket(int fd, int family) {
  static const long send_limit = BufferLimit("/proc/sys/net/core/wmem_max");
  static const long receive_limit = BufferLimit("/proc/sys/net/core/rmem_max");
  SetBuffer(fd, family, SO_SNDBUFFORCE, SO_SNDBUF, send_limit);
  SetBuffer(fd, family, SO_RCVBUFFORCE, SO_RCVBUF, receive_limit);
  if (family != AF_UNIX) {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
}

std::unique_ptr<Stream> MakeSocketStream(EpollLoop& loop, int fd, std::string peer_name) {
  return std::make_unique<SocketStream>(loop, fd, std::move(peer_name));
}

std::string PeerNameOf(int fd) {
  SocketAddress address{};
  address.size = sizeof address.storage;
  if (getpeername(fd, address.get(), &address.size) != 0) return "?";
  if (!address.is_unix()) return address.Text();
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return "unix:?";
  return absl::StrCat("unix:pid=", peer.pid, ",uid=", peer.uid);
}

}  // namespace semper
