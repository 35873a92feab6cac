#include "examples/shop/demo/plan.h"

#include <algorithm>
#include <vector>

namespace shop::demo {

namespace {

using std::chrono::microseconds;

// Of 100 kills. The rest comes at any time.
constexpr uint64_t kRecoveryShare = 18;
constexpr uint64_t kCheckpointShare = 12;
constexpr uint64_t kSegmentShare = 12;
constexpr uint64_t kTogetherShare = 8;
constexpr uint64_t kWholeOneIn = 6;

// Recovery takes some tens of milliseconds; these delays fall before, into and after its steps.
constexpr uint64_t kAnytimeMicros = 40'000;
constexpr uint64_t kRecoveryMicros = 45'000;
constexpr uint64_t kLogMicros = 3'000;

}  // namespace

const char* NameOf(Moment moment) {
  switch (moment) {
    case Moment::kAnytime:
      return "at any time";
    case Moment::kRecovery:
      return "in recovery";
    case Moment::kCheckpoint:
      return "in a checkpoint";
    case Moment::kSegment:
      return "at a new segment";
    case Moment::kTogether:
      return "both coordinators";
  }
  return "";
}

bool KillPlan::Complete(const KillCounts& done) const {
  return done.kills >= quota_.kills && done.together >= quota_.together &&
         *std::min_element(done.role.begin(), done.role.end()) >= quota_.each;
}

double KillPlan::Progress(const KillCounts& done) const {
  const auto share = [](uint64_t is, uint64_t wanted) {
    return wanted == 0 ? 1.0 : std::min(1.0, static_cast<double>(is) / static_cast<double>(wanted));
  };
  double least = std::min(share(done.kills, quota_.kills), share(done.together, quota_.together));
  for (const uint64_t count : done.role) least = std::min(least, share(count, quota_.each));
  return least;
}

// Any of those that are still short of their quota; any at all if none is.
Role KillPlan::DrawRole(const KillCounts& done) {
  std::vector<Role> candidates;
  for (const Role role : kRoles) {
    if (done.role[static_cast<size_t>(role)] < quota_.each) candidates.push_back(role);
  }
  if (candidates.empty()) candidates.assign(kRoles.begin(), kRoles.end());
  return candidates[Draw(candidates.size())];
}

PlannedKill KillPlan::Next(const KillCounts& done) {
  PlannedKill next;
  next.role = DrawRole(done);
  next.whole = Draw(kWholeOneIn) == 0;
  uint64_t dice = Draw(100);
  // Pairs cost no more time than others; when they are asked for, they come first.
  if (done.together < quota_.together) dice = Draw(2) == 0 ? 0 : dice;
  const auto falls = [&dice](uint64_t share) {
    const bool hit = dice < share;
    dice -= hit ? 0 : share;
    return hit;
  };
  uint64_t delay_max = kAnytimeMicros;
  if (falls(kTogetherShare)) {
    next.moment = Moment::kTogether;
    next.role = Role::kOrdersCoordinator;
  } else if (falls(kRecoveryShare)) {
    next.moment = Moment::kRecovery;
    delay_max = kRecoveryMicros;
  } else if (falls(kCheckpointShare)) {
    next.moment = Moment::kCheckpoint;
    delay_max = kLogMicros;
  } else if (falls(kSegmentShare)) {
    next.moment = Moment::kSegment;
    delay_max = kLogMicros;
  } else {
    next.moment = Moment::kAnytime;
  }
  next.delay = microseconds(Draw(delay_max));
  return next;
}

}  // namespace shop::demo
