#include "examples/shop/demo/drill.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>

namespace shop::demo {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kProbeLimit{200};
constexpr milliseconds kLookEvery{15};
constexpr milliseconds kStopTime{3000};
constexpr milliseconds kToolLimit{20'000};
constexpr milliseconds kToolLimitOfCheckpoint{300'000};
// Between two blows: the first part is always waited, so that their gaps are told apart.
constexpr milliseconds kPause{150};
constexpr uint64_t kPauseRandomMs = 500;
// Between two blows to one immortal: a member that handed over, or lost an epoch, does not claim
// for about as long as the silence limit.
constexpr milliseconds kSettle{1200};
// Customers who still wait do not count as a backlog if they came that recently, or as recently as
// the one who waited longest in so long a time without a blow.
constexpr milliseconds kBacklog{20};
constexpr milliseconds kCalm{1000};

// Of 100 kills.
constexpr uint64_t kStandbyShare = 15;
constexpr uint64_t kServiceShare = 40;
constexpr uint64_t kWholeOneIn = 6;

}  // namespace

void Drill::Look() {
  for (const bool orders : {true, false}) {
    std::vector<ProbeAnswer>& members = members_[orders];
    members.resize(stack_.members());
    for (size_t i = 0; i < members.size(); ++i) {
      members[i] = Probe(stack_.http_port(orders, i), kProbeLimit);
    }
  }
}

Drill::Target Drill::TargetOf(bool orders) const {
  Target target{.orders = orders, .leader = stack_.members(), .ready = {}};
  const std::vector<ProbeAnswer>& members = members_[orders];
  size_t leaders = 0;
  for (size_t i = 0; i < members.size(); ++i) {
    if (members[i].standing == Standing::kLeads) {
      ++leaders;
      target.leader = i;
    } else if (members[i].standing == Standing::kReady) {
      target.ready.push_back(i);
    }
  }
  // A leader that was deposed may not know it yet.
  if (leaders > 1) target.leader = stack_.members();
  return target;
}

bool Drill::AllUp() const {
  for (const bool orders : {true, false}) {
    const Target target = TargetOf(orders);
    if (target.leader == stack_.members() || target.ready.size() + 1 < stack_.members())
      return false;
  }
  return true;
}

bool Drill::MayStrike(bool orders) const {
  const Target target = TargetOf(orders);
  if (target.leader == stack_.members() || target.ready.empty()) return false;
  if (TargetOf(!orders).leader == stack_.members()) return false;
  if (Clock::now() < struck_[orders] + kSettle) return false;
  const std::chrono::duration<double> recent =
      std::max<std::chrono::duration<double>>(kBacklog, usual_wait_);
  const auto backlog =
      static_cast<uint64_t>(static_cast<double>(options_.rate) * recent.count()) + 2;
  return stack_.page().orders.settled.load() + backlog >= Due();
}

bool Drill::Wait(milliseconds time) {
  for (const auto end = Clock::now() + time; Clock::now() < end;) {
    if (!pulse_.Idle(milliseconds(1))) return false;
  }
  return true;
}

bool Drill::WaitForMembers(const std::function<bool()>& met, const char* what) {
  const auto end = Clock::now() + options_.patience;
  for (Look(); !met(); Look()) {
    if (Clock::now() > end) {
      std::string texts;
      for (const bool orders : {true, false}) {
        for (size_t i = 0; i < stack_.members(); ++i) {
          texts += fmt::format(
              "; {}: {}", stack_.MemberName(orders, i),
              members_[orders][i].text.empty() ? "no answer" : members_[orders][i].text);
        }
      }
      return pulse_.Fail(fmt::format("waited {} s for {}; the last kill was {}{}",
                                     options_.patience.count(), what, pulse_.last(), texts));
    }
    if (!Wait(kLookEvery)) return false;
  }
  return true;
}

bool Drill::RunTool(std::vector<std::string> arguments) {
  const std::string said = fmt::format("{}/semperctl.log", stack_.options().dir);
  const std::string verb = arguments[0] + " " + arguments[1];
  const bool checkpoint = arguments[0] == "checkpoint";
  arguments.insert(arguments.begin(), stack_.options().bin + "/semperctl");
  Process tool(std::move(arguments), said);
  if (!tool.Start()) return pulse_.Fail("cannot start semperctl");
  const auto end = Clock::now() + (checkpoint ? kToolLimitOfCheckpoint : kToolLimit);
  for (;;) {
    if (!pulse_.Idle(milliseconds(1))) return false;
    const std::optional<int> status = tool.Reap();
    if (status && *status == 0) return true;
    if (!status && Clock::now() < end) continue;
    return pulse_.Fail(fmt::format("semperctl {} {}; it says in {} why", verb,
                                   status ? DescribeStatus(*status) : "does not end", said));
  }
}

bool Drill::Begin() {
  Page& page = stack_.page();
  const auto nanos = static_cast<int64_t>(1'000'000'000 / options_.rate);
  page.clock_every = nanos;
  if (!WaitForMembers([this] { return AllUp(); }, "all members")) return false;
  page.clock_begin = MonotonicNanos();
  page.limit = UINT64_MAX;
  if (!pulse_.WaitForFirst() || !Wait(kCalm)) return false;
  page.longest_wait = 0;
  if (!Wait(kCalm)) return false;
  usual_wait_ = std::chrono::nanoseconds(page.longest_wait);
  if (stack_.options().ballast_mb > 0) {
    // So that a member that joins has all of it to read.
    if (!WaitForMembers([this] { return MayStrike(false); }, "the ballast") ||
        !RunTool({"checkpoint", "take", "--admin-socket",
                  stack_.AdminSocket(false, TargetOf(false).leader), "--timeout", "300"})) {
      return false;
    }
  }
  begin_ = Clock::now();
  page.longest_wait = 0;
  return true;
}

void Drill::Open(const Target& target, bool leader, size_t member, Blow blow) {
  const std::string name = stack_.MemberName(target.orders, member);
  pulse_.set_last(
      fmt::format("{} of {}, {}", NameOf(blow), name, leader ? "which led" : "a standby"));
  pulse_.Log(pulse_.last());
  open_ = {.seconds = std::chrono::duration<double>(Clock::now() - begin_).count(),
           .orders = target.orders,
           .leader = leader,
           .blow = blow};
  ++blows_;
  struck_[target.orders] = Clock::now();
  // What was waited before has nothing to do with it.
  stack_.page().longest_wait = 0;
}

void Drill::Close() {
  open_.gap_ms = static_cast<double>(stack_.page().longest_wait.exchange(0)) / 1e6;
  gaps_.Add(open_);
  pulse_.Log(fmt::format("longest wait {:.2f} ms: {}", open_.gap_ms, pulse_.last()));
}

bool Drill::WaitForRecovery(Clock::time_point struck, uint64_t due) {
  const auto& settled = stack_.page().orders.settled;
  if (!pulse_.WaitUntil([&] { return settled.load() > due; }, "recovery")) return false;
  recoveries_.push_back(std::chrono::duration<double, std::milli>(Clock::now() - struck).count());
  return true;
}

bool Drill::Kill(const Target& target) {
  const bool standby = Draw(100) < kStandbyShare;
  const size_t member = standby ? target.ready[Draw(target.ready.size())] : target.leader;
  const bool service = Draw(100) < kServiceShare;
  const bool whole = Draw(kWholeOneIn) == 0;
  const Role role = service ? ServiceOf(target.orders) : CoordinatorOf(target.orders);
  // Between two lives a service has no process.
  if (stack_.Victim(role, whole, member) == 0) return Wait(kLookEvery);
  Open(target, !standby, member, service ? Blow::kServiceKilled : Blow::kCoordinatorKilled);
  const uint64_t due = Due();
  const auto now = Clock::now();
  stack_.Kill(role, whole, member);
  return pulse_.RestartDead() && (standby || WaitForRecovery(now, due));
}

bool Drill::Stop(const Target& target) {
  Open(target, true, target.leader, Blow::kStopped);
  const uint64_t due = Due();
  const auto now = Clock::now();
  stack_.Freeze(target.orders, target.leader);
  const bool recovered = WaitForRecovery(now, due) && Wait(kStopTime);
  stack_.Thaw(target.orders, target.leader);
  return recovered;
}

bool Drill::Switch(const Target& target) {
  const bool tool = switchovers_++ % 2 == 0;
  Open(target, true, target.leader, tool ? Blow::kSwitchover : Blow::kTerminated);
  const uint64_t due = Due();
  const auto now = Clock::now();
  if (!tool) {
    stack_.Terminate(target.orders, target.leader);
  } else if (!RunTool({"switchover", "--admin-socket",
                       stack_.AdminSocket(target.orders, target.leader)})) {
    return false;
  }
  return WaitForRecovery(now, due);
}

bool Drill::Strike(const Target& target) {
  switch (options_.kinds[Draw(options_.kinds.size())]) {
    case BlowKind::kKill:
      return Kill(target);
    case BlowKind::kStop:
      return Stop(target);
    case BlowKind::kSwitchover:
      return Switch(target);
  }
  return false;
}

bool Drill::Run() {
  while (blows_ < options_.blows) {
    const bool orders = Draw(2) == 0;
    const milliseconds pause = kPause + milliseconds(Draw(kPauseRandomMs));
    const char* what = "a leader and a ready standby";
    if (!WaitForMembers([&] { return MayStrike(orders); }, what) || !Wait(pause) ||
        !WaitForMembers([&] { return MayStrike(orders); }, what)) {
      return false;
    }
    const uint64_t before = blows_;
    if (before > gaps_.all().size()) Close();
    if (!Strike(TargetOf(orders))) return false;
  }
  // What the return of the last victims costs belongs to the last blow.
  if (!WaitForMembers([this] { return AllUp(); }, "all members")) return false;
  if (blows_ > gaps_.all().size()) Close();
  return true;
}

}  // namespace shop::demo
