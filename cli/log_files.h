// What the verbs of log and checkpoint have in common: finding an immortal's files and its history
// in them.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/disk.h"
#include "cli/invocation.h"
#include "sidecar/log/claims.h"
#include "sidecar/log/genesis.h"
#include "sidecar/log/history.h"
#include "sidecar/log/retention.h"

namespace semper::cli {

// --log-dir and --name.
std::vector<Option> LogFileOptions();

struct LogFiles {
  std::string dir;  // of the immortal
  log::Genesis genesis;
  core::Epoch newest_claim{};
  log::History history;
};

// Resolves the history as it is now. A leader may remove old segments meanwhile: then it is read
// again, a few times.
absl::StatusOr<LogFiles> OpenLogFiles(Disk& disk, const Invocation& call);

// What lies behind the last record of a log.
struct TornTail {
  std::string file;
  uint64_t offset = 0;  // of the first byte after the last record
  uint64_t bytes = 0;   // up to the last byte that is not zero; 0: nothing
};

// Looks behind `file`'s record that ends at `offset`. A write that is under way looks like a torn
// one.
absl::StatusOr<TornTail> FindTornTail(Disk& disk, const std::string& file, uint64_t offset);

}  // namespace semper::cli
