// Verifying checkpoint files by their path, published or not. Private to this room. Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "base/disk.h"
#include "sidecar/checkpoint/checkpoint.h"
#include "sidecar/checkpoint/format.h"

namespace semper::checkpoint {

// What a file must hold to be the one that was written.
struct Written {
  uint64_t bytes = 0;
  Trailer trailer;
  bool operator==(const Written&) const = default;
};

// Reads the whole file past every cache. OK if it is a whole checkpoint of this id and, if
// `expected` is given, the expected one: an older file in its place would be whole, too.
absl::Status VerifyFile(Disk& disk, const std::string& path, CheckpointId id,
                        const std::optional<Written>& expected);

}  // namespace semper::checkpoint
