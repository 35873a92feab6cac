// Reports of standbys that others reach, but that do not reach who leads (docs/formats/log.md):
// empty files whose names say all. They decide nothing; nobody relies on their being durable.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/disk.h"
#include "sidecar/core/reach.h"

namespace semper::log {

// Makes this report and removes older ones of the same member.
absl::Status WriteReachReport(Disk& disk, const std::string& dir, const core::ReachReport& report);

// All that are there, in the order of their names; of any epoch.
absl::StatusOr<std::vector<core::ReachReport>> ReadReachReports(Disk& disk, const std::string& dir);

}  // namespace semper::log
