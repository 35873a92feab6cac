// Retention: deleting segments that no kept checkpoint needs. Only a committed leader calls this
// (core.md, 8).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/disk.h"
#include "sidecar/core/types.h"
#include "sidecar/log/history.h"

namespace semper::log {

// What a writer takes back of its own segments, instead of having them removed.
struct ReusePolicy {
  core::Epoch epoch{};
  uint64_t nonce = 0;
  uint64_t segment_bytes = 0;  // smaller ones are not worth it
  size_t files_max = 0;        // set aside at any time
};

struct SegmentInfo {
  std::string file;
  core::Epoch epoch{};
  uint64_t nonce = 0;
  uint64_t number = 0;
  core::Index next_index{};  // of the first input in it
  uint64_t bytes = 0;
  bool used = false;         // has a valid header
  uint64_t first_batch = 0;  // of the first record in it that is not copied
  std::string problem;       // why its header cannot be read; it stays, and all behind it
};

// All segments, by (epoch, number). For people and for deciding.
absl::StatusOr<std::vector<SegmentInfo>> ListSegments(Disk& disk, const std::string& dir);

// Pure: the segments that can go when the oldest kept checkpoint is at `oldest`, in the order of
// removal: all their inputs are <= oldest, and they are of epochs below `own` or closed segments of
// `own`; with them what void epochs left, and unused spares and ends that do not count of older
// epochs of which nothing stays. Requires that `own` is the newest range of `history` (its seal,
// which must be committed, says what is void).
std::vector<SegmentInfo> PlanTruncation(const std::vector<SegmentInfo>& segments,
                                        const History& history, core::Epoch own,
                                        core::Index oldest);

// Removes them one by one, each durably before the next, so that what remains has no gaps after a
// crash. With `reuse` those that fit it are set aside instead (sidecar/log/recycling.h). Returns
// how many bytes were freed.
absl::StatusOr<uint64_t> Truncate(Disk& disk, const std::string& dir,
                                  const std::vector<SegmentInfo>& segments,
                                  const std::optional<ReusePolicy>& reuse = std::nullopt);

}  // namespace semper::log
