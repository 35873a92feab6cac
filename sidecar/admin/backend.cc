#include "sidecar/admin/backend.h"

namespace semper::admin {

const char* PhaseName(Phase phase) {
  switch (phase) {
    case Phase::kStarting:
      return "starting";
    case Phase::kWaitingForService:
      return "waiting-for-service";
    case Phase::kTakingOver:
      return "taking-over";
    case Phase::kFollowing:
      return "following";
    case Phase::kReplaying:
      return "replaying";
    case Phase::kLeading:
      return "leading";
    case Phase::kDraining:
      return "draining";
    case Phase::kStopped:
      return "stopped";
    case Phase::kRefused:
      return "refused";
  }
  return "unknown";
}

}  // namespace semper::admin
