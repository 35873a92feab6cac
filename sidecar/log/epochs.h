// Epochs: the segments that are there, by epoch, and the seals found in them. What
// core::PlanHistory decides from.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/disk.h"
#include "sidecar/core/history.h"
#include "sidecar/log/history.h"
#include "sidecar/log/opened_once.h"
#include "sidecar/log/segment_reader.h"

namespace semper::log {

// The names of all segments, ascending. Other files are passed over.
absl::StatusOr<std::vector<SegmentName>> ListSegmentNames(Disk& disk, const std::string& dir);

// The newest claim. DATA_LOSS: the log has segments of an epoch that nobody claims any more.
absl::StatusOr<core::Epoch> ReadNewestClaim(Disk& disk, const std::string& dir);

// The segments in use of one epoch: numbers first .. last without a gap.
struct EpochSegments {
  core::Epoch epoch{};
  uint64_t nonce = 0;
  uint64_t first = 0;
  uint64_t last = 0;
  SegmentHeader first_header;
  SegmentHeader last_header;
  std::optional<Seal> seal;  // the valid one

  SegmentName name(uint64_t number) const { return {epoch, nonce, number}; }
};

// Looks at the files of one epoch (`names` are all of this epoch, ascending). Nothing: none is in
// use. DATA_LOSS: a segment missing in the middle, two owners, damage before or at a seal.
absl::StatusOr<std::optional<EpochSegments>> ExamineEpoch(Disk& disk, const std::string& dir,
                                                          const std::vector<SegmentName>& names,
                                                          OpenMode mode);

// The epochs below `below` that have something to say, newest first: the newest sealed one and
// those that its history stands on (unsealed ones above it too). Reads past every cache.
absl::StatusOr<std::vector<EpochSegments>> ExamineEpochs(Disk& disk, const std::string& dir,
                                                         core::Epoch below);

// Calls `f` with a disk for one look, again if a segment vanished meanwhile (NOT_FOUND): retention
// deletes below a running reader.
template <typename F>
auto RetryWhenVanished(Disk& disk, F f) -> decltype(f(disk)) {
  for (int attempt = 0;; ++attempt) {
    OpenedOnce look(disk);
    auto result = f(look);
    if (result.ok() || !absl::IsNotFound(result.status()) || attempt == 4) return result;
  }
}

// The history that these epochs hold.
absl::StatusOr<History> MakeHistory(const std::string& dir,
                                    const std::vector<EpochSegments>& examined);

core::SealSummary Summary(const Seal& seal);

}  // namespace semper::log
