#include "examples/shop/demo/killer.h"

#include <fmt/format.h>

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

void Killer::NoteRecoveries() {
  const uint64_t settled = stack_.page().orders.settled.load();
  const auto now = Clock::now();
  std::erase_if(open_, [&](const Open& open) {
    if (settled <= open.submitted) return false;
    recoveries_.push_back(std::chrono::duration<double, std::milli>(now - open.at).count());
    pulse_.Log(fmt::format("recovered in {:.1f} ms: {}; {} confirmed", recoveries_.back(),
                           open.what, settled));
    return true;
  });
}

bool Killer::WaitForRecovery() {
  return pulse_.WaitUntil([this] { return open_.empty(); }, "recovery");
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
      if (!pulse_.Idle(milliseconds(1))) return false;
    }
    if (count() == before) kill.moment = Moment::kAnytime;
  }
  const auto end = Clock::now() + kill.delay;
  while (Clock::now() < end) {
    if (!pulse_.Idle(std::min<nanoseconds>(end - Clock::now(), milliseconds(1)))) return false;
  }
  return true;
}

bool Killer::KillOne(Role role, bool whole, Moment moment) {
  const uint64_t submitted = stack_.page().orders.submitted.load();
  const bool counts = CallsUnderWay() > 0;
  const auto now = Clock::now();
  if (!stack_.Kill(role, whole)) return false;
  const std::string what = fmt::format("{} {}", NameOf(role), NameOf(moment));
  pulse_.set_last(what);
  open_.push_back({now, what, submitted});
  pulse_.Log(fmt::format("{}{}, {} submitted, {} unanswered", what,
                         counts ? "" : " (does not count)", submitted, CallsUnderWay()));
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
    if (!pulse_.WaitUntil([this] { return CallsUnderWay() > 0; }, "calls under way")) return false;
    if (!WaitForMoment(kill)) return false;
    Kill(kill);
    if (!pulse_.RestartDead()) return false;
  }
  return WaitForRecovery();
}

}  // namespace shop::demo
