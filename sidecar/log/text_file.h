// The small text files of an immortal's directory: genesis and claims.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/disk.h"

namespace semper::log {

// The whole file, past every cache. NOT_FOUND: there is none. DATA_LOSS: longer than any of ours.
absl::StatusOr<std::string> ReadTextFile(Disk& disk, const std::string& path);

// Writes `text` from the beginning and syncs the file.
absl::Status WriteTextFile(File& file, std::string_view text);

}  // namespace semper::log
