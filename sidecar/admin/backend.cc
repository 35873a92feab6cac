#include "sidecar/admin/backend.h"

#include <iterator>

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

void AddTotals(const StatusSnapshot& from, StatusSnapshot& to) {
  constexpr uint64_t Counters::*kAll[] = {
      &Counters::inputs,       &Counters::input_bytes,       &Counters::batches,
      &Counters::syncs,        &Counters::look_ups,          &Counters::outputs,
      &Counters::output_bytes, &Counters::duplicates_cut,    &Counters::reconnects,
      &Counters::generations,  &Counters::checkpoints_taken, &Counters::checkpoints_failed,
      &Counters::takeovers};
  static_assert(sizeof(Counters) == std::size(kAll) * sizeof(uint64_t), "a counter is forgotten");
  for (uint64_t Counters::*one : kAll) to.counters.*one += from.counters.*one;
  to.sync += from.sync;
  to.look_up += from.look_up;
  to.commit += from.commit;
}

}  // namespace semper::admin
