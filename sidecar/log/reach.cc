#include "sidecar/log/reach.h"

#include <algorithm>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace semper::log {
namespace {

constexpr size_t kEpochDigits = 16;
constexpr size_t kNumberDigits = 8;

std::string ReachDir(const std::string& dir) { return absl::StrCat(dir, "/reach"); }

std::string NameOf(const core::ReachReport& report) {
  return absl::StrFormat("%016x-%08x-%s", Raw(report.epoch), report.number, report.member);
}

std::optional<core::ReachReport> ParseName(const std::string& name) {
  constexpr size_t kMemberAt = kEpochDigits + kNumberDigits + 2;
  uint64_t epoch = 0;
  core::ReachReport report;
  if (name.size() <= kMemberAt || !absl::SimpleHexAtoi(name.substr(0, kEpochDigits), &epoch) ||
      !absl::SimpleHexAtoi(name.substr(kEpochDigits + 1, kNumberDigits), &report.number)) {
    return std::nullopt;
  }
  report.epoch = core::Epoch{epoch};
  report.member = name.substr(kMemberAt);
  if (NameOf(report) != name) return std::nullopt;
  return report;
}

}  // namespace

absl::StatusOr<std::vector<core::ReachReport>> ReadReachReports(Disk& disk,
                                                                const std::string& dir) {
  std::vector<core::ReachReport> reports;
  auto names = disk.List(ReachDir(dir));
  if (absl::IsNotFound(names.status())) return reports;
  if (!names.ok()) return names.status();
  std::sort(names->begin(), names->end());
  for (const std::string& name : *names) {
    if (auto report = ParseName(name)) reports.push_back(*std::move(report));
  }
  return reports;
}

absl::Status WriteReachReport(Disk& disk, const std::string& dir, const core::ReachReport& report) {
  const std::string reach = ReachDir(dir);
  const absl::Status made = disk.MakeDir(reach);
  if (!made.ok() && !absl::IsAlreadyExists(made)) return made;
  auto before = ReadReachReports(disk, dir);
  if (!before.ok()) return before.status();
  auto file = disk.Open(absl::StrCat(reach, "/", NameOf(report)), OpenMode::kCreateExclusive);
  if (!file.ok()) return file.status();
  for (const core::ReachReport& old : *before) {
    if (old.member != report.member) continue;
    const absl::Status removed = disk.Remove(absl::StrCat(reach, "/", NameOf(old)));
    if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  }
  return disk.SyncDir(reach);
}

}  // namespace semper::log
