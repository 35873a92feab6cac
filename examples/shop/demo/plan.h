// KillPlan: which process dies next, and at which moment. A function of the seed and of what was
// killed so far. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <random>

#include "examples/shop/demo/stack.h"

namespace shop::demo {

enum class Moment {
  kAnytime,     // at a random time
  kRecovery,    // a few milliseconds after another kill, before that one has been recovered from
  kCheckpoint,  // while a checkpoint is being written
  kSegment,     // when a file of the log has just been begun
  kTogether,    // both coordinators within a millisecond
};
inline constexpr size_t kMoments = 5;
const char* NameOf(Moment moment);

// What is asked for; the plan ends when all of it is there.
struct Quota {
  uint64_t kills = 60;
  uint64_t each = 0;      // of each process
  uint64_t together = 0;  // pairs of coordinators within a millisecond
};

// What was done. A kill counts when calls were under way that nobody had answered yet.
struct KillCounts {
  std::array<uint64_t, kRoles.size()> role{};
  std::array<uint64_t, kMoments> moment{};
  uint64_t kills = 0;
  uint64_t together = 0;
};

struct PlannedKill {
  Role role{};
  Moment moment{};
  bool whole = false;  // a service's parent, too
  std::chrono::microseconds
      delay;  // before it, or for a moment of the log: after what was waited for
};

class KillPlan {
 public:
  KillPlan(uint64_t seed, const Quota& quota) : random_(seed), quota_(quota) {}

  bool Complete(const KillCounts& done) const;
  PlannedKill Next(const KillCounts& done);

  // 0..1, for the progress bar.
  double Progress(const KillCounts& done) const;

 private:
  uint64_t Draw(uint64_t bound) { return random_() % bound; }
  Role DrawRole(const KillCounts& done);

  std::mt19937_64 random_;
  const Quota quota_;
};

}  // namespace shop::demo
