// PlanHistory: which epochs count and how far, decided from their seals alone (docs/formats/log.md,
// "History").
//
// Pure functions. The log room gathers the summaries from the files; a test writes them by hand.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "sidecar/core/types.h"

namespace semper::core {

// What a valid seal says about the epochs below its own.
struct SealSummary {
  Epoch base_epoch{};         // 0: nothing lies below
  uint64_t base_batches = 0;  // batches 0 .. n - 1 of the base epoch are history
  Epoch first_void{};         // epochs from here to its own are void
};

// One epoch of which there is at least one segment with a valid header.
struct EpochSummary {
  Epoch epoch{};
  std::optional<SealSummary> seal;  // nothing: it has no valid seal
};

struct PlannedRange {
  Epoch epoch{};
  uint64_t batches_end = UINT64_MAX;  // unlimited in the newest
  bool operator==(const PlannedRange&) const = default;
};

struct HistoryPlan {
  std::vector<PlannedRange> ranges;  // oldest first; empty: nothing was ever sealed
  std::vector<Epoch> void_epochs;    // of those given, all that hold no history; ascending
  // The epoch that the oldest range stands on, if its segments are no longer there (retention).
  std::optional<Epoch> gone;
};

// Decides from the epochs that have files, in any order, each at most once. DATA_LOSS: the seals
// contradict each other (a base that is not below, that is void for the one above, or that has
// files and no valid seal).
absl::StatusOr<HistoryPlan> PlanHistory(std::span<const EpochSummary> epochs);

// Where the next epoch begins, given the newest sealed epoch and its proven batches P: behind P,
// or, if nothing of it was proven, on that epoch's own base, the whole epoch being copied.
struct BasePlan {
  Epoch base_epoch{};
  uint64_t base_batches = 0;
  Epoch first_void{};
  bool copy_whole_epoch = false;
};
BasePlan PlanBase(Epoch newest_sealed, const SealSummary& seal, uint64_t proven);

}  // namespace semper::core
