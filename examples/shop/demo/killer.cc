#include "examples/shop/demo/killer.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>

namespace shop::demo {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr milliseconds kMomentLimit{
    400};  // a checkpoint or segment that does not come by then is not waited for
constexpr milliseconds kTogetherLimit{1};

}  // namespace

uint64_t Killer::CallsUnderWay() const {
  const ServiceCounts& orders = stack_.page().orders;
  const uint64_t taken = orders.taken.load();
  const uint64_t confirmed = orders.confirmed.load();
  return taken > confirmed ? taken - confirmed : 0;
}

void Killer::Log(const std::string& text) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  // Like the coordinators' lines. Flushed at once: the file is for failures.
  log_ << fmt::format("{:%FT%T}.{:06}Z {}", fmt::gmtime(micros / 1'000'000), micros % 1'000'000,
                      text)
       << std::endl;
}

bool Killer::Idle(nanoseconds time) {
  const auto end = Clock::now() + time;
  do {
    const auto left = std::clamp<nanoseconds>(end - Clock::now(), nanoseconds(0), milliseconds(1));
    const timespec wait{0, static_cast<long>(left.count())};
    pollfd fds[2] = {{stack_.watch(true).descriptor(), POLLIN, 0},
                     {stack_.watch(false).descriptor(), POLLIN, 0}};
    const bool news = ppoll(fds, 2, &wait, nullptr) > 0;
    if (fds[0].revents != 0) stack_.watch(true).Read();
    if (fds[1].revents != 0) stack_.watch(false).Read();
    NoteRecoveries();
    if (!stack_.RestartDead(why_)) return false;
    if (!on_idle_()) {
      why_ = "interrupted";
      return false;
    }
    if (news) return true;
  } while (Clock::now() < end);
  return true;
}

void Killer::NoteRecoveries() {
  const uint64_t settled = stack_.page().orders.settled.load();
  const auto now = Clock::now();
  std::erase_if(open_, [&](const Open& open) {
    if (settled <= open.submitted) return false;
    recoveries_.push_back(std::chrono::duration<double, std::milli>(now - open.at).count());
    Log(fmt::format("recovered in {:.1f} ms: {}; {} confirmed", recoveries_.back(), open.what,
                    settled));
    return true;
  });
}

bool Killer::WaitUntil(const std::function<bool()>& met, const char* what) {
  uint64_t settled = stack_.page().orders.settled.load();
  auto moved = Clock::now();
  while (!met()) {
    if (!Idle(milliseconds(1))) return false;
    if (const uint64_t now = stack_.page().orders.settled.load(); now != settled) {
      settled = now;
      moved = Clock::now();
    } else if (Clock::now() - moved > patience_) {
      why_ =
          fmt::format("no order was confirmed for {} s while waiting for {}; the last kill was {}",
                      patience_.count(), what, last_);
      return false;
    }
  }
  return true;
}

bool Killer::WaitForFirst() {
  return WaitUntil([this] { return stack_.page().orders.settled.load() > 0; }, "the first order");
}

bool Killer::WaitForSettled(uint64_t orders) {
  return WaitUntil([&] { return stack_.page().orders.settled.load() >= orders; },
                   "the last orders");
}

bool Killer::WaitForRecovery() {
  return WaitUntil([this] { return open_.empty(); }, "recovery");
}

bool Killer::WaitForMoment(PlannedKill& kill) {
  const LogWatch& watch = stack_.watch(IsOrders(kill.role));
  if (kill.moment == Moment::kCheckpoint || kill.moment == Moment::kSegment) {
    const auto count = [&] {
      return kill.moment == Moment::kCheckpoint ? watch.checkpoints() : watch.segments();
    };
    const uint64_t before = count();
    const auto end = Clock::now() + kMomentLimit;
    while (count() == before && Clock::now() < end) {
      if (!Idle(milliseconds(1))) return false;
    }
    if (count() == before) kill.moment = Moment::kAnytime;
  }
  const auto end = Clock::now() + kill.delay;
  while (Clock::now() < end) {
    if (!Idle(std::min<nanoseconds>(end - Clock::now(), milliseconds(1)))) return false;
  }
  return true;
}

bool Killer::KillOne(Role role, bool whole, Moment moment) {
  const uint64_t submitted = stack_.page().orders.submitted.load();
  const bool counts = CallsUnderWay() > 0;
  const auto now = Clock::now();
  if (!stack_.Kill(role, whole)) return false;
  last_ = fmt::format("{} {}", NameOf(role), NameOf(moment));
  open_.push_back({now, last_, submitted});
  Log(fmt::format("{}{}, {} submitted, {} unanswered", last_, counts ? "" : " (does not count)",
                  submitted, CallsUnderWay()));
  if (counts) {
    ++counts_.kills;
    ++counts_.role[static_cast<size_t>(role)];
    ++counts_.moment[static_cast<size_t>(moment)];
  }
  return counts;
}

void Killer::Kill(const PlannedKill& kill) {
  if (kill.moment != Moment::kTogether) {
    const bool too_late = kill.moment == Moment::kRecovery && open_.empty();
    KillOne(kill.role, kill.whole, too_late ? Moment::kAnytime : kill.moment);
    return;
  }
  const auto begin = Clock::now();
  const bool first = KillOne(Role::kOrdersCoordinator, false, kill.moment);
  const bool second = KillOne(Role::kStockCoordinator, false, kill.moment);
  const nanoseconds gap = Clock::now() - begin;
  if (first && second && gap < kTogetherLimit) {
    ++counts_.together;
    together_gap_max_ = std::max(together_gap_max_, gap);
  }
}

bool Killer::Run() {
  while (!plan_.Complete(counts_)) {
    PlannedKill kill = plan_.Next(counts_);
    // Every kill hits a shop that works, but those that hit a recovery.
    if (kill.moment != Moment::kRecovery && !WaitForRecovery()) return false;
    if (!WaitUntil([this] { return CallsUnderWay() > 0; }, "calls under way")) return false;
    if (!WaitForMoment(kill)) return false;
    Kill(kill);
    if (!stack_.RestartDead(why_)) return false;
  }
  return WaitForRecovery();
}

}  // namespace shop::demo
