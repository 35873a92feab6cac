#include "sidecar/log/recycling.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sidecar/log/record.h"
#include "sidecar/log/segment.h"

namespace semper::log {
namespace {

constexpr char kSuffix[] = ".old";
constexpr size_t kSuffixBytes = sizeof kSuffix - 1;

// What a reader looks at to know that a segment was never used: the header, and the place of the
// first record.
constexpr size_t kWipedBytes = 8192;
static_assert(kWipedBytes >= kSegmentHeaderBytes + kRecordHeaderBytes);

std::optional<SegmentName> ParseAside(const std::string& file) {
  const std::string_view view(file);
  if (view.size() <= kSuffixBytes || view.substr(view.size() - kSuffixBytes) != kSuffix)
    return std::nullopt;
  return SegmentName::Parse(view.substr(0, view.size() - kSuffixBytes));
}

std::string LogDir(const std::string& dir) { return absl::StrCat(dir, "/log"); }

}  // namespace

absl::StatusOr<size_t> CountAside(Disk& disk, const std::string& dir, const ReusePolicy& policy) {
  auto files = disk.List(LogDir(dir));
  if (!files.ok()) return files.status();
  size_t count = 0;
  for (const std::string& file : *files) {
    const auto name = ParseAside(file);
    if (!name.has_value()) continue;
    if (name->epoch == policy.epoch && name->nonce == policy.nonce) {
      ++count;
    } else if (name->epoch < policy.epoch) {
      const absl::Status removed = disk.Remove(absl::StrCat(LogDir(dir), "/", file));
      if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
    }
  }
  return count;
}

absl::StatusOr<bool> SetAside(Disk& disk, const std::string& dir, const SegmentInfo& segment,
                              const ReusePolicy& policy) {
  if (segment.epoch != policy.epoch || segment.nonce != policy.nonce || !segment.used ||
      segment.bytes < policy.segment_bytes) {
    return false;
  }
  const std::string path = absl::StrCat(LogDir(dir), "/", segment.file);
  if (absl::Status s = disk.Rename(path, absl::StrCat(path, kSuffix)); !s.ok()) return s;
  if (absl::Status s = SettleGone(disk, dir, segment.file); !s.ok()) return s;
  return true;
}

absl::Status SettleGone(Disk& disk, const std::string& dir, const std::string& file) {
  if (absl::Status s = disk.SyncDir(LogDir(dir)); !s.ok()) return s;
  const auto is_there = IsListed(disk, dir, file);
  if (!is_there.ok()) return is_there.status();
  if (!*is_there) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(LogDir(dir), "/", file,
                                             " was removed and is there again: a server of the "
                                             "volume has restarted; the next truncation goes on"));
}

absl::StatusOr<std::unique_ptr<File>> Reuse(Disk& disk, const std::string& dir, core::Epoch epoch,
                                            uint64_t nonce, uint64_t bytes,
                                            const std::string& path) {
  auto files = disk.List(LogDir(dir));
  if (!files.ok()) return files.status();
  std::sort(files->begin(), files->end());
  for (const std::string& file : *files) {
    const auto name = ParseAside(file);
    if (!name.has_value() || name->epoch != epoch || name->nonce != nonce) continue;
    const std::string aside = absl::StrCat(LogDir(dir), "/", file);
    auto opened = disk.Open(aside, OpenMode::kWrite);
    if (!opened.ok()) return opened.status();
    auto size = (*opened)->Size();
    if (!size.ok()) return size.status();
    if (*size < bytes) continue;
    std::vector<std::byte> zeroes(kWipedBytes);
    iovec piece{.iov_base = zeroes.data(), .iov_len = zeroes.size()};
    if (absl::Status s = (*opened)->WriteAt(0, {&piece, 1}); !s.ok()) return s;
    // Durable before the name is a segment's: its old header must never be found there.
    if (absl::Status s = (*opened)->Sync(); !s.ok()) return s;
    if (absl::Status s = disk.Rename(aside, path); !s.ok()) return s;
    if (absl::Status s = disk.SyncDir(LogDir(dir)); !s.ok()) return s;
    return opened;
  }
  return absl::NotFoundError(absl::StrCat("no segment of epoch ", Raw(epoch), " with ", bytes,
                                          " bytes is set aside in ", LogDir(dir)));
}

}  // namespace semper::log
