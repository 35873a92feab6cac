#include "tests/campaign/edge.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

namespace campaign {

// A client. Whoever cannot take its answers is cut off: it then takes them for unknown.
class Edge::Connection {
 public:
  explicit Connection(int fd) : fd_(fd) {
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }

  // Appends what has come to `lines`, whole lines only; false at the end of the connection.
  bool Read(std::vector<std::string>& lines) {
    char buffer[65536];
    const ssize_t size = recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (size <= 0) return false;
    begun_.append(buffer, static_cast<size_t>(size));
    size_t at = 0;
    for (size_t end; (end = begun_.find('\n', at)) != std::string::npos; at = end + 1)
      lines.push_back(begun_.substr(at, end - at));
    begun_.erase(0, at);
    return true;
  }

  void Write(const Answer& answer) {
    const std::string line = FormatAnswer(answer) + "\n";
    const std::lock_guard lock(mutex_);
    const ssize_t sent = send(fd_, line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(line.size())) shutdown(fd_, SHUT_RDWR);
  }

 private:
  const int fd_;
  std::mutex mutex_;  // of writing
  std::string begun_;
};

void Edge::Open(const BooksImpulses& impulses) {
  std::thread([this, impulses] { Serve(impulses); }).detach();
}

void Edge::Tell(const Answer& answer) {
  std::shared_ptr<Connection> connection;
  {
    const std::lock_guard lock(mutex_);
    const auto found = waiting_.find(answer.id);
    if (found == waiting_.end()) return;
    connection = std::move(found->second);
    waiting_.erase(found);
  }
  connection->Write(answer);
}

int Edge::Listen() const {
  const size_t colon = address_.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(std::atoi(address_.c_str() + colon + 1)));
  inet_pton(AF_INET, address_.substr(0, colon).c_str(), &address.sin_addr);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      listen(fd, 128) == 0) {
    return fd;
  }
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

void Edge::Serve(const BooksImpulses& impulses) {
  int listener = Listen();
  for (; listener < 0; listener = Listen()) {
    // The last life of this service may still be on its way out.
    if (errno != EADDRINUSE)
      std::fprintf(stderr, "edge: cannot listen on %s: %s\n", address_.c_str(),
                   std::strerror(errno));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  std::vector<std::shared_ptr<Connection>> connections;
  for (;;) {
    std::vector<pollfd> polled{{listener, POLLIN, 0}};
    for (const auto& connection : connections) polled.push_back({connection->fd(), POLLIN, 0});
    if (poll(polled.data(), polled.size(), -1) < 0) continue;
    for (size_t i = connections.size(); i-- > 0;) {
      if (polled[i + 1].revents == 0) continue;
      std::vector<std::string> lines;
      const bool open = connections[i]->Read(lines);
      for (const std::string& line : lines) {
        const std::optional<Operation> operation = ParseOperation(line);
        if (operation) Submit(impulses, connections[i], *operation);
      }
      if (!open) connections.erase(connections.begin() + static_cast<ptrdiff_t>(i));
    }
    if (polled[0].revents == 0) continue;
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) connections.push_back(std::make_shared<Connection>(fd));
  }
}

void Edge::Submit(const BooksImpulses& impulses, const std::shared_ptr<Connection>& connection,
                  const Operation& operation) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.emplace(operation.id, connection);
  }
  Order order;
  order.set_id(operation.id);
  order.set_kind(static_cast<uint32_t>(operation.kind));
  order.set_immortal(operation.immortal);
  order.set_place(operation.place);
  order.set_to_immortal(operation.to_immortal);
  order.set_to_place(operation.to_place);
  order.set_amount(operation.amount);
  impulses.Take(order, [this, id = operation.id](const semper::ImpulseResult& result) {
    if (result.ok()) return;  // its handler tells the result
    const bool unknown = result.status().code() == semper::Code::kUnknown;
    Tell({unknown ? Fate::kUnknown : Fate::kRefused, id, 0, 0});
  });
}

}  // namespace campaign
