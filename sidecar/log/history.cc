#include "sidecar/log/history.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "sidecar/core/history.h"
#include "sidecar/log/epochs.h"
#include "sidecar/log/history_segments.h"

namespace semper::log {

absl::StatusOr<History> MakeHistory(const std::string& dir,
                                    const std::vector<EpochSegments>& examined) {
  std::vector<core::EpochSummary> summaries;
  for (const EpochSegments& e : examined) {
    summaries.push_back(
        {.epoch = e.epoch,
         .seal = e.seal.has_value() ? std::optional(Summary(*e.seal)) : std::nullopt});
  }
  auto plan = core::PlanHistory(summaries);
  if (!plan.ok())
    return absl::Status(plan.status().code(), absl::StrCat(dir, "/log: ", plan.status().message()));
  History history;
  for (const core::PlannedRange& range : plan->ranges) {
    const auto& e = *std::find_if(examined.begin(), examined.end(),
                                  [&](const EpochSegments& x) { return x.epoch == range.epoch; });
    // Retention may have removed all that counts of an epoch, and not yet what its end, which does
    // not count, left.
    const bool is_gone = e.first_header.first_batch >= range.batches_end;
    const bool is_oldest = history.ranges.empty();
    if (!is_oldest && e.first != 0) {
      return absl::DataLossError(absl::StrCat("segment ", e.name(0).Path(dir),
                                              " is missing, but older ones are there; "
                                              "restore the log directory from a backup"));
    }
    if (is_gone) continue;
    if (is_oldest) {
      history.first_index = e.first_header.next_index;
      history.first_chain = e.first_header.chain;
    }
    history.ranges.push_back(
        {.epoch = e.epoch, .nonce = e.nonce, .batches_end = range.batches_end});
  }
  return history;
}

absl::StatusOr<History> ResolveHistory(Disk& disk, const std::string& dir, core::Epoch below) {
  return RetryWhenVanished(disk, [&](Disk& look) -> absl::StatusOr<History> {
    auto examined = ExamineEpochs(look, dir, below);
    if (!examined.ok()) return examined.status();
    return MakeHistory(dir, *examined);
  });
}

History History::SealedBy(const Seal& seal) const {
  History sealed = *this;
  std::erase_if(sealed.ranges, [&](const EpochRange& r) { return r.epoch > seal.base_epoch; });
  if (!sealed.ranges.empty() && sealed.ranges.back().epoch == seal.base_epoch) {
    sealed.ranges.back().batches_end = seal.base_batches;
  }
  sealed.ranges.push_back({.epoch = seal.epoch, .nonce = seal.nonce});
  return sealed;
}

absl::StatusOr<Chain> ChainAt(Disk& disk, const std::string& dir, const History& history,
                              core::Index index) {
  const auto not_found = [&](std::string_view why) {
    return absl::NotFoundError(absl::StrCat("no chain at index ", Raw(index), " in ", dir,
                                            "/log: ", absl::string_view(why.data(), why.size())));
  };
  if (index + 1 == history.first_index) return history.first_chain;
  OpenedOnce look(disk);
  auto segments = HistorySegments::List(look, dir, history, OpenMode::kReadFresh);
  if (!segments.ok()) return segments.status();
  auto place = segments->FindLast(index);
  if (!place.ok()) return place.status();
  auto reader = SegmentReader::Open(look, dir, segments->name(*place), OpenMode::kReadFresh);
  if (!reader.ok()) return reader.status();
  const uint64_t batches_end = history.ranges[segments->range(*place)].batches_end;
  while ((*reader)->next_batch() < batches_end) {
    auto record = (*reader)->Next(SegmentReader::Body::kSkip);
    if (!record.ok()) return record.status();
    if (!record->has_value()) break;
    const core::Index next = (*reader)->next_index();
    if ((*record)->header.inputs == 0 || next <= index) continue;
    if (next == index + 1) return (*reader)->chain();
    return not_found("it lies within a record, which no checkpoint of this history does");
  }
  return not_found("it lies beyond the last record");
}

}  // namespace semper::log
