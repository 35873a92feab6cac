#include "tests/campaign/client.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace campaign {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kConnectLimit{300};
constexpr milliseconds kDialPause{5};
constexpr milliseconds kSilenceLimit{500};   // then the other members are tried
constexpr milliseconds kWaitingLimit{5000};  // for a connection at all
constexpr milliseconds kOldLimit{20'000};    // how long an old connection may still answer
constexpr milliseconds kDrainLimit{20'000};

// A socket that connects; -1 if that failed at once.
int StartConnect(const std::string& ip, uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  inet_pton(AF_INET, ip.c_str(), &address.sin_addr);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno == EINPROGRESS) {
    return fd;
  }
  close(fd);
  return -1;
}

bool IsConnected(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

}  // namespace

struct Client::Connection {
  Connection(int descriptor, uint32_t to, Clock::time_point now)
      : fd(descriptor), member(to), opened(now), heard(now) {}
  ~Connection() { close(fd); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const int fd;
  const uint32_t member;
  const Clock::time_point opened;
  Clock::time_point heard;  // something came, or nothing was owed
  bool connected = false;
  std::string out;
  std::string begun;
  std::unordered_map<uint64_t, Clock::time_point> owed;  // id -> when invoked
};

Client::Client(ClientOptions options)
    : options_(std::move(options)), random_(options_.seed * 1000 + options_.number) {}
Client::~Client() = default;

int64_t Client::Micros(Clock::time_point time) const {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

Operation Client::Invent() {
  Operation operation;
  operation.id = (static_cast<uint64_t>(options_.number) + 1) << 40 | ++next_id_;
  operation.immortal = operation.to_immortal = options_.immortal;
  operation.place = static_cast<uint32_t>(random_() % kPlaces);
  const uint64_t kind = random_() % 4;
  if (kind < 2) {
    operation.kind = kind == 0 ? Kind::kAdd : Kind::kAppend;
    return operation;
  }
  operation.kind = Kind::kTransfer;
  operation.to_place = static_cast<uint32_t>(random_() % kPlaces);
  operation.amount = static_cast<int64_t>(1 + random_() % 9);
  if (kind == 3) {
    operation.to_immortal =
        (options_.immortal + 1 + static_cast<uint32_t>(random_() % (kImmortals - 1))) % kImmortals;
  }
  return operation;
}

void Client::InvokeDue(Clock::time_point now) {
  for (; next_due_ <= now;
       next_due_ += std::chrono::nanoseconds(static_cast<int64_t>(1e9 / options_.rate))) {
    const Operation operation = Invent();
    history_.Invoked(Micros(now), operation);
    waiting_.push_back({operation, now});
    ++counts_.invoked;
  }
  while (!waiting_.empty() && now - waiting_.front().invoked > kWaitingLimit) {
    End({Fate::kRefused, waiting_.front().operation.id, 0, 0}, waiting_.front().invoked);
    waiting_.pop_front();
  }
}

void Client::End(const Answer& answer, Clock::time_point invoked) {
  const Clock::time_point now = Clock::now();
  history_.Ended(Micros(now), answer);
  if (answer.fate == Fate::kRefused) ++counts_.refused;
  if (answer.fate == Fate::kUnknown) ++counts_.unknown;
  if (answer.fate != Fate::kOk) return;
  ++counts_.ok;
  const auto wait = static_cast<uint64_t>(Micros(now) - Micros(invoked));
  counts_.sum_us += wait;
  if (wait > counts_.longest_us) counts_.longest_us = wait;
}

void Client::Break(Connection& connection) {
  for (const auto& [id, invoked] : connection.owed) End({Fate::kUnknown, id, 0, 0}, invoked);
  connection.owed.clear();
}

void Client::Dial(Clock::time_point now) {
  if (now < dial_again_) return;
  const auto member = static_cast<uint32_t>(member_++ % options_.addresses.size());
  const int fd = StartConnect(options_.addresses[member], options_.port);
  if (fd >= 0) current_ = std::make_unique<Connection>(fd, member, now);
  dial_again_ = now + kDialPause;
}

void Client::Attend(Clock::time_point now) {
  if (current_ != nullptr) {
    const bool late = current_->connected ? now - current_->heard > kSilenceLimit
                                          : now - current_->opened > kConnectLimit;
    if (late && current_->owed.empty()) current_.reset();
    if (late && current_ != nullptr) old_.push_back(std::move(current_));
  }
  std::erase_if(old_, [&](const std::unique_ptr<Connection>& connection) {
    if (!connection->owed.empty() && now - connection->opened < kOldLimit) return false;
    Break(*connection);
    return true;
  });
  if (current_ == nullptr) Dial(now);
}

void Client::SendWaiting() {
  if (current_ == nullptr || !current_->connected) return;
  for (const Asked& asked : waiting_) {
    if (current_->owed.empty()) current_->heard = Clock::now();
    current_->out += FormatOperation(asked.operation) + "\n";
    current_->owed.emplace(asked.operation.id, asked.invoked);
  }
  waiting_.clear();
}

bool Client::Flush(Connection& connection) {
  if (!connection.connected) {
    if (!IsConnected(connection.fd)) return false;
    connection.connected = true;
    connection.heard = Clock::now();
  }
  if (connection.out.empty()) return true;
  const ssize_t sent = send(connection.fd, connection.out.data(), connection.out.size(),
                            MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent > 0) connection.out.erase(0, static_cast<size_t>(sent));
  return sent >= 0 || errno == EAGAIN || errno == EINTR;
}

bool Client::Read(Connection& connection) {
  char buffer[65536];
  const ssize_t size = recv(connection.fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (size <= 0) return false;
  connection.heard = Clock::now();
  connection.begun.append(buffer, static_cast<size_t>(size));
  size_t at = 0;
  for (size_t end; (end = connection.begun.find('\n', at)) != std::string::npos; at = end + 1) {
    const std::optional<Answer> answer = ParseAnswer(connection.begun.substr(at, end - at));
    if (answer) OnAnswer(connection, *answer);
  }
  connection.begun.erase(0, at);
  return true;
}

void Client::OnAnswer(Connection& connection, const Answer& answer) {
  const auto found = connection.owed.find(answer.id);
  if (found == connection.owed.end()) return;
  End(answer, found->second);
  connection.owed.erase(found);
  if (answer.fate == Fate::kOk) counts_.leader = connection.member;
}

void Client::Exchange(milliseconds limit) {
  std::vector<Connection*> connections;
  if (current_ != nullptr) connections.push_back(current_.get());
  for (const auto& connection : old_) connections.push_back(connection.get());
  std::vector<pollfd> polled;
  for (const Connection* connection : connections) {
    const bool write = !connection->connected || !connection->out.empty();
    polled.push_back({connection->fd, static_cast<short>(write ? POLLIN | POLLOUT : POLLIN), 0});
  }
  poll(polled.data(), polled.size(), static_cast<int>(limit.count()));
  std::vector<Connection*> broken;
  for (size_t i = 0; i < connections.size(); ++i) {
    if (polled[i].revents == 0) continue;
    Connection& connection = *connections[i];
    bool well = true;
    if ((polled[i].revents & (POLLOUT | POLLERR)) != 0) well = Flush(connection);
    if (well && (polled[i].revents & (POLLIN | POLLHUP)) != 0) well = Read(connection);
    if (!well) broken.push_back(&connection);
  }
  for (Connection* connection : broken) {
    Break(*connection);
    if (connection == current_.get()) current_.reset();
    std::erase_if(old_, [&](const auto& one) { return one.get() == connection; });
  }
}

absl::Status Client::Run(std::stop_token stop) {
  if (absl::Status opened = history_.Open(options_.history); !opened.ok()) return opened;
  next_due_ = dial_again_ = Clock::now();
  while (!stop.stop_requested()) {
    const Clock::time_point now = Clock::now();
    InvokeDue(now);
    Attend(now);
    SendWaiting();
    if (current_ != nullptr && current_->connected && !current_->out.empty() && !Flush(*current_)) {
      Break(*current_);
      current_.reset();
    }
    const auto until_due = std::chrono::duration_cast<milliseconds>(next_due_ - Clock::now());
    Exchange(std::clamp(until_due + milliseconds(1), milliseconds(1), kDialPause));
  }
  const Clock::time_point end = Clock::now() + kDrainLimit;
  while (Clock::now() < end) {
    bool owed = current_ != nullptr && !current_->owed.empty();
    for (const auto& connection : old_) owed = owed || !connection->owed.empty();
    if (!owed) break;
    Exchange(kDialPause);
  }
  if (current_ != nullptr) Break(*current_);
  for (const auto& connection : old_) Break(*connection);
  for (const Asked& asked : waiting_)
    End({Fate::kRefused, asked.operation.id, 0, 0}, asked.invoked);
  return history_.Close();
}

bool AskOnce(const std::vector<std::string>& addresses, uint16_t port, const Operation& operation,
             milliseconds limit, Answer& answer) {
  for (const std::string& address : addresses) {
    const int fd = StartConnect(address, port);
    if (fd < 0) continue;
    pollfd polled{fd, POLLOUT, 0};
    std::string got;
    const std::string line = FormatOperation(operation) + "\n";
    bool told = poll(&polled, 1, static_cast<int>(kConnectLimit.count())) == 1 && IsConnected(fd) &&
                send(fd, line.data(), line.size(), MSG_NOSIGNAL) > 0;
    polled.events = POLLIN;
    while (told && got.find('\n') == std::string::npos) {
      char buffer[256];
      told = poll(&polled, 1, static_cast<int>(limit.count())) == 1;
      const ssize_t size = told ? recv(fd, buffer, sizeof buffer, 0) : 0;
      if (size <= 0) told = false;
      if (size > 0) got.append(buffer, static_cast<size_t>(size));
    }
    close(fd);
    const std::optional<Answer> parsed = ParseAnswer(got.substr(0, got.find('\n')));
    if (told && parsed && parsed->fate == Fate::kOk && parsed->id == operation.id) {
      answer = *parsed;
      return true;
    }
  }
  return false;
}

}  // namespace campaign
