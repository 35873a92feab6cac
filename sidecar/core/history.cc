#include "sidecar/core/history.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace semper::core {
namespace {

absl::Status Contradiction(Epoch epoch, const SealSummary& seal, std::string_view why) {
  return absl::DataLossError(
      absl::StrCat("the seal of epoch ", Raw(epoch), " names base epoch ", Raw(seal.base_epoch),
                   " with ", seal.base_batches, " batches and void epochs from ",
                   Raw(seal.first_void), " on, but ", absl::string_view(why.data(), why.size()),
                   "; the log directory is damaged or mixed from two, restore it from a backup"));
}

absl::Status CheckSeal(Epoch epoch, const SealSummary& seal) {
  if (seal.base_epoch >= epoch) return Contradiction(epoch, seal, "a base lies below");
  if (seal.first_void != Epoch{Raw(seal.base_epoch) + 1}) {
    return Contradiction(epoch, seal, "all that lies between base and seal is void");
  }
  if ((seal.base_epoch == Epoch{}) != (seal.base_batches == 0)) {
    return Contradiction(epoch, seal, "a base has at least its seal, and no base has nothing");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<HistoryPlan> PlanHistory(std::span<const EpochSummary> epochs) {
  std::vector<EpochSummary> newest_first(epochs.begin(), epochs.end());
  std::sort(newest_first.begin(), newest_first.end(),
            [](const EpochSummary& a, const EpochSummary& b) { return a.epoch > b.epoch; });
  HistoryPlan plan;
  // What the range above stands on; nothing as long as no seal was found, when any sealed epoch
  // will do.
  std::optional<PlannedRange> base;
  for (const EpochSummary& e : newest_first) {
    const bool counts = base.has_value() ? e.epoch == base->epoch : e.seal.has_value();
    if (!counts) {
      plan.void_epochs.push_back(e.epoch);
      continue;
    }
    if (!e.seal.has_value()) {
      return absl::DataLossError(absl::StrCat(
          "epoch ", Raw(e.epoch), " is the base of a later seal, with ", base->batches_end,
          " batches, but has no valid seal itself; its segments are damaged"));
    }
    if (absl::Status s = CheckSeal(e.epoch, *e.seal); !s.ok()) return s;
    plan.ranges.push_back(base.value_or(PlannedRange{.epoch = e.epoch}));
    base = PlannedRange{.epoch = e.seal->base_epoch, .batches_end = e.seal->base_batches};
  }
  if (base.has_value() && base->epoch != Epoch{}) plan.gone = base->epoch;
  std::reverse(plan.ranges.begin(), plan.ranges.end());
  std::reverse(plan.void_epochs.begin(), plan.void_epochs.end());
  return plan;
}

BasePlan PlanBase(Epoch newest_sealed, const SealSummary& seal, uint64_t proven) {
  if (proven == 0) {
    return {.base_epoch = seal.base_epoch,
            .base_batches = seal.base_batches,
            .first_void = Epoch{Raw(seal.base_epoch) + 1},
            .copy_whole_epoch = true};
  }
  return {.base_epoch = newest_sealed,
          .base_batches = proven,
          .first_void = Epoch{Raw(newest_sealed) + 1},
          .copy_whole_epoch = false};
}

}  // namespace semper::core
