// Genesis: the file that holds the identity of one life of a name (docs/formats/log.md).
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/disk.h"
#include "sidecar/core/types.h"

namespace semper::log {

inline constexpr size_t kGenesisTextBytesMax = 1024;  // of cluster and name each

struct Genesis {
  std::string cluster;
  std::string name;  // namespace/name
  core::Incarnation incarnation{};
  uint64_t created = 0;  // UnixNanos
};

// Reads `<dir>/genesis`. NOT_FOUND: no genesis, or only an unfinished creation; DATA_LOSS: damaged;
// FAILED_PRECONDITION: written by a newer version.
absl::StatusOr<Genesis> ReadGenesis(Disk& disk, const std::string& dir);

// The genesis, durable. As long as nothing is claimed it may be one whose creator was killed before
// its sync, and that a power loss of the server takes from who has read it: its bytes are written
// once more, since a sync makes durable only what this machine wrote. Errors as ReadGenesis, and of
// the disk.
absl::StatusOr<Genesis> SettleGenesis(Disk& disk, const std::string& dir);

// Makes `dir` (<log directory>/<namespace>/<name>, of which the log directory exists), claims/0,
// log, checkpoints and the genesis, durably. Exactly one of several concurrent creators succeeds;
// the others get ALREADY_EXISTS. Finishes or replaces an unfinished creation.
absl::Status CreateGenesis(Disk& disk, const std::string& dir, const Genesis& genesis);

}  // namespace semper::log
