// Retention: deleting segments that no kept checkpoint needs. Only a committed leader calls this (core.md, 8).
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/disk.h"
#include "sidecar/core/types.h"
#include "sidecar/log/history.h"

namespace semper::log {

struct SegmentInfo {
  std::string file;
  core::Epoch epoch{};
  uint64_t nonce = 0;
  uint64_t number = 0;
  core::Index next_index{};  // of the first input in it
  uint64_t bytes = 0;
  bool used = false;         // has a valid header
};

// All segments, by (epoch, number). For people and for deciding.
absl::StatusOr<std::vector<SegmentInfo>> ListSegments(Disk& disk, const std::string& dir);

// Pure: the segments that can go when the oldest kept checkpoint is at `oldest`: all their inputs are <= oldest, they
// are not the newest of the newest epoch, and they belong to epochs below `own` or closed segments of `own`.
std::vector<SegmentInfo> PlanTruncation(const std::vector<SegmentInfo>& segments, const History& history,
                                        core::Epoch own, core::Index oldest);

// Removes them, oldest first, and syncs the directory. Returns how many bytes were freed.
absl::StatusOr<uint64_t> Truncate(Disk& disk, const std::string& dir, const std::vector<SegmentInfo>& segments);

}  // namespace semper::log
