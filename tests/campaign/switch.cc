#include "tests/campaign/switch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "examples/shop/demo/process.h"

namespace campaign {

namespace {

constexpr size_t kFrameMax = 2048;
constexpr size_t kLateMax = 100'000;  // more than this is lost
constexpr char kInterface[] = "eth0";

// In a new network namespace of the calling thread: opens its interface. -1 with errno.
int OpenTap() {
  const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return -1;
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  std::strcpy(request.ifr_name, kInterface);
  if (ioctl(fd, TUNSETIFF, &request) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

}  // namespace

absl::StatusOr<size_t> Switch::AddHost() {
  Port port;
  int error = 0;
  // A namespace belongs to a thread until a descriptor holds it.
  std::thread([&] {
    if (unshare(CLONE_NEWNET) != 0) {
      error = errno;
      return;
    }
    port.network = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    port.tap = OpenTap();
    if (port.network < 0 || port.tap < 0) error = errno;
  }).join();
  if (error != 0) {
    return absl::ErrnoToStatus(
        error,
        "cannot make a network namespace with a tap device; are you root, is /dev/net/tun there?");
  }
  const size_t number = ports_.size();
  ports_.push_back(port);
  std::string why;
  const std::string set_up =
      fmt::format("ip link set lo up && ip addr add {}/24 dev {} && ip link set {} up",
                  Address(number), kInterface, kInterface);
  if (!shop::demo::RunProgram({"nsenter", "--net=" + NetworkOf(number), "sh", "-c", set_up},
                              "/dev/null", std::chrono::seconds(10), why)) {
    return absl::InternalError("cannot set the address of a host up: " + why);
  }
  return number;
}

std::string Switch::NetworkOf(size_t port) const {
  return fmt::format("/proc/{}/fd/{}", getpid(), ports_[port].network);
}

absl::Status Switch::Enter(size_t port) const {
  if (setns(ports_[port].network, CLONE_NEWNET) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, "cannot enter a host's network namespace");
}

void Switch::Start() {
  wires_.assign(ports_.size(), std::vector<Wire>(ports_.size()));
  wake_ = eventfd(0, EFD_CLOEXEC);
  thread_ = std::jthread([this](std::stop_token stop) { Run(std::move(stop)); });
}

Switch::~Switch() {
  if (thread_.joinable()) {
    thread_.request_stop();
    const uint64_t one = 1;
    (void)!write(wake_, &one, sizeof one);
    thread_.join();
    close(wake_);
  }
  for (const Port& port : ports_) {
    close(port.tap);
    close(port.network);
  }
}

void Switch::Set(size_t from, size_t to, const Wire& wire) {
  const std::lock_guard lock(mutex_);
  wires_[from][to] = wire;
}

void Switch::SetBothWays(size_t a, size_t b, const Wire& wire) {
  Set(a, b, wire);
  Set(b, a, wire);
}

void Switch::SetPort(size_t port, const Wire& wire) {
  for (size_t other = 0; other < ports_.size(); ++other) SetBothWays(port, other, wire);
}

void Switch::Run(std::stop_token stop) {
  std::vector<pollfd> polled;
  for (const Port& port : ports_) polled.push_back({port.tap, POLLIN, 0});
  polled.push_back({wake_, POLLIN, 0});
  while (!stop.stop_requested()) {
    timespec limit{1, 0};
    if (!late_.empty()) {
      const auto left = std::max(late_.begin()->first - Clock::now(), Clock::duration(0));
      limit = {static_cast<time_t>(left / std::chrono::seconds(1)),
               static_cast<long>((left % std::chrono::seconds(1)).count())};
    }
    ppoll(polled.data(), polled.size(), &limit, nullptr);
    for (size_t i = 0; i < ports_.size(); ++i) {
      if (polled[i].revents != 0) Receive(i);
    }
    DeliverDue(Clock::now());
  }
}

void Switch::Receive(size_t from) {
  char buffer[kFrameMax];
  // A bound, so that one busy host does not keep the others from being heard.
  for (int i = 0; i < 64; ++i) {
    const ssize_t size = read(ports_[from].tap, buffer, sizeof buffer);
    if (size < 14) return;
    const bool ip6 = buffer[12] == '\x86' && buffer[13] == '\xdd';
    if (ip6) continue;
    std::array<char, 6> target, source;
    std::copy_n(buffer, 6, target.begin());
    std::copy_n(buffer + 6, 6, source.begin());
    learned_[source] = from;
    const Frame frame(buffer, buffer + size);
    const auto found = learned_.find(target);
    if (found != learned_.end() && (target[0] & 1) == 0) {
      Forward(from, found->second, frame);
    } else {
      for (size_t to = 0; to < ports_.size(); ++to) {
        if (to != from) Forward(from, to, frame);
      }
    }
  }
}

void Switch::Forward(size_t from, size_t to, const Frame& frame) {
  Wire wire;
  {
    const std::lock_guard lock(mutex_);
    wire = wires_[from][to];
  }
  if (wire.cut || (wire.loss_permille > 0 && Permille() < wire.loss_permille)) {
    ++dropped_;
    return;
  }
  ++passed_;
  const int copies = wire.doubled_permille > 0 && Permille() < wire.doubled_permille ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    if (wire.delay.count() == 0 && wire.jitter.count() == 0) {
      (void)!write(ports_[to].tap, frame.data(), frame.size());
      continue;
    }
    auto delay = wire.delay;
    if (wire.jitter.count() > 0) {
      delay += std::chrono::microseconds(
          static_cast<int64_t>(random_() % static_cast<uint64_t>(wire.jitter.count())));
    }
    if (late_.size() < kLateMax) late_.emplace(Clock::now() + delay, Late{to, frame});
  }
}

void Switch::DeliverDue(Clock::time_point now) {
  while (!late_.empty() && late_.begin()->first <= now) {
    const Late& late = late_.begin()->second;
    (void)!write(ports_[late.to].tap, late.frame.data(), late.frame.size());
    late_.erase(late_.begin());
  }
}

}  // namespace campaign
