#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "sidecar/checkpoint/checkpoint.h"
#include "sidecar/checkpoint/format.h"

namespace semper::checkpoint {

absl::StatusOr<std::vector<CheckpointId>> ListCheckpoints(Disk& disk, const std::string& dir) {
  auto names = disk.List(CheckpointFolder(dir));
  if (!names.ok()) return names.status();
  std::vector<CheckpointId> ids;
  for (const std::string& name : *names) {
    if (auto id = ParsePublishedName(name)) ids.push_back(*id);
  }
  std::sort(ids.begin(), ids.end(), [](const auto& a, const auto& b) { return b < a; });
  return ids;
}

absl::Status RemoveUnfinished(Disk& disk, const std::string& dir) {
  const std::string folder = CheckpointFolder(dir);
  auto names = disk.List(folder);
  if (!names.ok()) return names.status();
  std::sort(names->begin(), names->end());  // the same order in every run of the simulator
  for (const std::string& name : *names) {
    if (!IsTemporaryName(name)) continue;
    if (auto removed = disk.Remove(absl::StrCat(folder, "/", name)); !removed.ok()) return removed;
  }
  // Not synced: a temporary file that comes back is removed by the next start.
  return absl::OkStatus();
}

absl::Status RemoveAbandoned(Disk& disk, const std::string& dir,
                             std::map<std::string, uint64_t>& seen) {
  const std::string folder = CheckpointFolder(dir);
  auto names = disk.List(folder);
  if (!names.ok()) return names.status();
  std::sort(names->begin(), names->end());
  std::map<std::string, uint64_t> there;
  for (const std::string& name : *names) {
    if (!IsTemporaryName(name)) continue;
    const std::string path = absl::StrCat(folder, "/", name);
    auto file = disk.Open(path, OpenMode::kReadFresh);
    if (absl::IsNotFound(file.status())) continue;  // published, or removed by its writer
    if (!file.ok()) return file.status();
    auto bytes = (*file)->Size();
    if (!bytes.ok()) return bytes.status();
    const auto before = seen.find(name);
    if (before == seen.end() || before->second != *bytes) {
      there[name] = *bytes;
    } else if (auto removed = disk.Remove(path); !removed.ok() && !absl::IsNotFound(removed)) {
      return removed;
    }
  }
  seen = std::move(there);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<CheckpointId>> RemoveOld(Disk& disk, const std::string& dir, int keep) {
  SEMPER_CHECK(keep >= 2, "at least two verified checkpoints are kept");
  auto ids = ListCheckpoints(disk, dir);
  if (!ids.ok()) return ids.status();
  // A name that a killed process gave may be in the cache only: nothing is removed for its sake
  // before it is durable.
  if (auto synced = disk.SyncDir(CheckpointFolder(dir)); !synced.ok()) return synced;
  // What does not verify stays and does not count: it may still tell a person something, and a
  // volume whose newest checkpoints are damaged is no place to delete from.
  int verified = 0;
  size_t kept = 0;
  while (kept < ids->size() && verified < keep) {
    if (VerifyCheckpoint(disk, dir, (*ids)[kept]).ok()) ++verified;
    ++kept;
  }
  if (verified < keep || kept == ids->size()) return ids;
  // Oldest first, so that a crash in between leaves the newer ones without a gap.
  while (ids->size() > kept) {
    if (auto removed = disk.Remove(CheckpointPath(dir, ids->back())); !removed.ok()) return removed;
    ids->pop_back();
  }
  if (auto synced = disk.SyncDir(CheckpointFolder(dir)); !synced.ok()) return synced;
  return ids;
}

}  // namespace semper::checkpoint
