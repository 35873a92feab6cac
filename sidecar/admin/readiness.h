// Readiness: whether traffic may be sent to a member, with the memory that the answer needs.
//
// A leader is ready with its service; a standby if it follows, could lead now, and is at most
// kLagSecondsMax behind. While nobody is known to lead, a member keeps what it was, for kKept: a
// failover must not empty the set of endpoints. Threads: any.
#pragma once

#include <chrono>
#include <mutex>
#include <string>

#include "sidecar/admin/backend.h"

namespace semper::admin {

class Readiness {
 public:
  static constexpr double kLagSecondsMax = 2;
  static constexpr std::chrono::seconds kKept{15};

  struct Verdict {
    bool ready = false;
    std::string why;  // one line, also if it is ready
  };

  // `snapshot` was taken at `now`, of a steady clock.
  Verdict Judge(const StatusSnapshot& snapshot, std::chrono::nanoseconds now);

 private:
  std::mutex mutex_;
  bool was_ready_ = false;  // when it was last judged with a leader known
  std::chrono::nanoseconds judged_at_{};
};

// "replaying: 120 of 4000 inputs".
std::string PhaseText(const StatusSnapshot& snapshot);

}  // namespace semper::admin
