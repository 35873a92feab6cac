// ReadOnlyDisk: the machine's file systems, for looking only. Whatever would change something is
// refused, so that no verb can disturb a coordinator by mistake.
#pragma once

#include <memory>

#include "base/disk.h"

namespace semper::cli {

std::unique_ptr<Disk> MakeReadOnlyDisk();

// The directory of an immortal, by --log-dir and --name, after a look that it is there.
// INVALID_ARGUMENT: one is missing or is no name; NOT_FOUND: nothing of that name, with the names
// that there are.
absl::StatusOr<std::string> ImmortalDirectory(Disk& disk, const std::string& log_dir,
                                              const std::string& name);

}  // namespace semper::cli
