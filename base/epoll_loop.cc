#include "base/epoll_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "base/check.h"
#include "base/event_source.h"

namespace semper {
namespace {

using std::chrono::nanoseconds;

constexpr nanoseconds kLongSleep = std::chrono::hours(1);
constexpr nanoseconds kForever = std::chrono::hours(24 * 365 * 100);

}  // namespace

EventSource::EventSource(EpollLoop& loop, int fd) : loop_(loop), fd_(fd) { ++loop_.sources_; }

EventSource::~EventSource() {
  CloseFd();
  if (!dead_) --loop_.sources_;
}

void EventSource::CloseFd() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

EpollLoop::EpollLoop()
    : epoll_(epoll_create1(EPOLL_CLOEXEC)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  SEMPER_CHECK(epoll_ >= 0 && wake_ >= 0, "no epoll: ", std::strerror(errno));
  // Edge-triggered, so that the counter never needs to be read.
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.ptr = nullptr}};
  SEMPER_CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) == 0, std::strerror(errno));
}

EpollLoop::~EpollLoop() {
  // What these functions hold may include streams.
  end_of_round_.clear();
  posted_.clear();
  while (!graveyard_.empty()) std::exchange(graveyard_, {}).clear();
  SEMPER_CHECK(sources_ == 0, sources_, " streams, listeners or dials outlive their loop");
  close(wake_);
  close(epoll_);
}

void EpollLoop::Run() {
  while (!stopping_.load(std::memory_order_acquire)) RunOnce(kLongSleep);
  stopping_.store(false, std::memory_order_release);
}

void EpollLoop::Stop() {
  stopping_.store(true, std::memory_order_release);
  Wake();
}

void EpollLoop::Wake() {
  const uint64_t one = 1;
  (void)!write(wake_, &one, sizeof one);
}

void EpollLoop::RunOnce(nanoseconds longest) {
  Sleep(longest);
  RunTurns();
  timers_.RunDue(Monotonic());
  RunPosted();
  RunEndOfRound();
  // Destroying a source destroys callbacks, which may hold streams that are buried in turn.
  while (!graveyard_.empty()) std::exchange(graveyard_, {}).clear();
}

void EpollLoop::Sleep(nanoseconds longest) {
  if (!turns_.empty() || !tasks_.empty() || !end_of_round_.empty()) longest = nanoseconds(0);
  if (const auto next = timers_.Next(); next.has_value() && longest.count() > 0) {
    longest = std::clamp(*next - Monotonic(), nanoseconds(0), longest);
  }
  {
    const std::lock_guard lock(mutex_);
    if (!posted_.empty()) longest = nanoseconds(0);
    sleeping_ = longest.count() > 0;
  }
  Wait(longest);
}

// Waits for events and delivers them.
void EpollLoop::Wait(nanoseconds timeout) {
  epoll_event events[kEventsMax];
  int count = -1;
  if (has_pwait2_) {
    const timespec span{.tv_sec = static_cast<time_t>(timeout.count() / 1'000'000'000),
                        .tv_nsec = static_cast<long>(timeout.count() % 1'000'000'000)};
    count = epoll_pwait2(epoll_, events, kEventsMax, &span, nullptr);
    // Old kernels do not have it, and some containers' filters do not let it pass.
    if (count < 0 && (errno == ENOSYS || errno == EPERM)) has_pwait2_ = false;
  }
  if (!has_pwait2_) {
    const auto up = (timeout.count() + 999'999) / 1'000'000;
    count = epoll_wait(epoll_, events, kEventsMax, static_cast<int>(up));
  }
  SEMPER_CHECK(count >= 0 || errno == EINTR, "epoll_wait: ", std::strerror(errno));
  {
    const std::lock_guard lock(mutex_);
    sleeping_ = false;
    posted_running_.swap(posted_);
  }
  for (int i = 0; i < count; ++i) {
    auto* const source = static_cast<EventSource*>(events[i].data.ptr);
    if (source != nullptr && !source->dead_) source->OnEvents(events[i].events);
  }
}

void EpollLoop::RunTurns() {
  turns_running_.swap(turns_);
  for (EventSource* const source : turns_running_) {
    source->has_turn_ = false;
    if (!source->dead_) source->OnTurn();
  }
  turns_running_.clear();
}

void EpollLoop::RunPosted() {
  for (auto& f : posted_running_) std::exchange(f, nullptr)();
  posted_running_.clear();
}

void EpollLoop::RunEndOfRound() {
  RoundTasks tasks;  // what is planned meanwhile waits for the next round
  tasks.Take(tasks_);
  while (tasks.RunOne()) {
  }
  end_of_round_running_.swap(end_of_round_);
  for (auto& f : end_of_round_running_) std::exchange(f, nullptr)();
  end_of_round_running_.clear();
}

void EpollLoop::Post(std::function<void()> f) {
  bool wake;
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(f));
    wake = std::exchange(sleeping_, false);
  }
  if (wake) Wake();
}

void EpollLoop::AtEndOfRound(std::function<void()> f) { end_of_round_.push_back(std::move(f)); }

std::unique_ptr<Timer> EpollLoop::After(nanoseconds delay, std::function<void()> f) {
  delay = std::min(delay, kForever);
  return std::make_unique<HeapTimer>(timers_, Monotonic() + delay, std::move(f));
}

nanoseconds EpollLoop::Monotonic() const {
  return std::chrono::steady_clock::now().time_since_epoch();
}

UnixNanos EpollLoop::WallClock() const {
  return static_cast<UnixNanos>(
      nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
}

uint64_t EpollLoop::Random() {
  if (random_left_ == 0) {
    const ssize_t got = getrandom(random_.data(), sizeof random_, 0);  // all of it, up to 256 bytes
    SEMPER_CHECK(got == sizeof random_, "getrandom: ", std::strerror(errno));
    random_left_ = random_.size();
  }
  return std::exchange(random_[--random_left_], 0);
}

void EpollLoop::Watch(EventSource& source, uint32_t events) {
  epoll_event event{.events = events, .data = {.ptr = &source}};
  SEMPER_CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, source.fd_, &event) == 0, std::strerror(errno));
  source.watched_ = true;
}

void EpollLoop::Rewatch(EventSource& source, uint32_t events) {
  epoll_event event{.events = events, .data = {.ptr = &source}};
  SEMPER_CHECK(epoll_ctl(epoll_, EPOLL_CTL_MOD, source.fd_, &event) == 0, std::strerror(errno));
}

void EpollLoop::Unwatch(EventSource& source) {
  // Not left to close(2): a child between fork and exec keeps the socket, and its events, alive.
  if (std::exchange(source.watched_, false)) epoll_ctl(epoll_, EPOLL_CTL_DEL, source.fd_, nullptr);
}

void EpollLoop::TakeTurn(EventSource& source) {
  if (!std::exchange(source.has_turn_, true)) turns_.push_back(&source);
}

void EpollLoop::Bury(std::unique_ptr<EventSource> source) {
  Unwatch(*source);
  source->CloseFd();
  source->dead_ = true;
  --sources_;
  if (source->has_turn_) std::erase(turns_, source.get());
  graveyard_.push_back(std::move(source));
}

}  // namespace semper
