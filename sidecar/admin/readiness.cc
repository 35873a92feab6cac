#include "sidecar/admin/readiness.h"

#include "fmt/format.h"

namespace semper::admin {
namespace {

// Between two leaders. A standby that takes over because its leader hangs may still be connected to
// it, and so still names it.
bool BetweenLeaders(const StatusSnapshot& s) {
  if (s.phase == Phase::kTakingOver) return true;
  return s.leader.empty() && (s.phase == Phase::kFollowing || s.phase == Phase::kReplaying);
}

Readiness::Verdict JudgeStandby(const StatusSnapshot& s) {
  if (!s.service.connected) return {false, "following: the service is not connected"};
  if (!s.unfit.empty()) return {false, fmt::format("following, but it must not lead: {}", s.unfit)};
  const std::string behind =
      fmt::format("{}, {} inputs ({:.1f} s) behind", s.leader, s.lag_inputs, s.lag_seconds);
  if (!s.ready || s.lag_seconds > Readiness::kLagSecondsMax) {
    return {false, fmt::format("following {}: not caught up", behind)};
  }
  return {true, fmt::format("following {}", behind)};
}

}  // namespace

std::string PhaseText(const StatusSnapshot& s) {
  return s.reason.empty() ? std::string(PhaseName(s.phase))
                          : fmt::format("{}: {}", PhaseName(s.phase), s.reason);
}

Readiness::Verdict Readiness::Judge(const StatusSnapshot& s, std::chrono::nanoseconds now) {
  std::lock_guard lock(mutex_);
  if (BetweenLeaders(s)) {
    const bool kept = was_ready_ && s.service.connected && now - judged_at_ <= kKept;
    return {kept, fmt::format("{}; no leader is known{}", PhaseText(s),
                              kept ? ", it stays ready for a while" : "")};
  }
  Verdict verdict;
  if (s.phase == Phase::kFollowing) {
    verdict = JudgeStandby(s);
  } else {
    verdict = {s.phase == Phase::kLeading && s.service.connected, PhaseText(s)};
  }
  was_ready_ = verdict.ready;
  judged_at_ = now;
  return verdict;
}

}  // namespace semper::admin
