#include "cli/log_files.h"

#include <algorithm>

#include "cli/read_only_disk.h"

namespace semper::cli {

std::vector<Option> LogFileOptions() {
  return {{"--log-dir", "DIR", "The log directory, as the coordinator's key log-dir.",
           "SEMPER_LOG_DIR"},
          {"--name", "NAMESPACE/NAME", "The immortal.", "SEMPER_NAME"}};
}

absl::StatusOr<LogFiles> OpenLogFiles(Disk& disk, const Invocation& call) {
  absl::StatusOr<std::string> dir =
      ImmortalDirectory(disk, call.Value("--log-dir"), call.Value("--name"));
  if (!dir.ok()) return dir.status();
  LogFiles files;
  files.dir = *std::move(dir);
  absl::StatusOr<log::Genesis> genesis = log::ReadGenesis(disk, files.dir);
  if (!genesis.ok()) return genesis.status();
  files.genesis = *std::move(genesis);
  constexpr int kAttempts = 5;
  for (int attempt = 1;; ++attempt) {
    const absl::StatusOr<core::Epoch> newest = log::NewestClaim(disk, files.dir);
    if (!newest.ok()) return newest.status();
    files.newest_claim = *newest;
    absl::StatusOr<log::History> history =
        log::ResolveHistory(disk, files.dir, core::Epoch{core::Raw(*newest) + 1});
    if (history.ok()) {
      files.history = *std::move(history);
      return files;
    }
    if (!absl::IsNotFound(history.status()) || attempt == kAttempts) return history.status();
  }
}

absl::StatusOr<TornTail> FindTornTail(Disk& disk, const std::string& file, uint64_t offset) {
  TornTail tail{.file = file, .offset = offset};
  absl::StatusOr<std::unique_ptr<File>> opened = disk.Open(file, OpenMode::kRead);
  if (!opened.ok()) return opened.status();
  std::vector<std::byte> buffer(1 << 20);
  for (uint64_t at = offset;;) {
    const absl::StatusOr<size_t> got = (*opened)->ReadAt(at, buffer);
    if (!got.ok()) return got.status();
    for (size_t i = *got; i > 0; --i) {
      if (buffer[i - 1] != std::byte{0}) {
        tail.bytes = at + i - offset;
        break;
      }
    }
    if (*got < buffer.size()) return tail;
    at += *got;
  }
}

}  // namespace semper::cli
