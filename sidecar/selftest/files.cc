#include "sidecar/selftest/files.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/hash.h"

namespace semper::selftest {
namespace {

constexpr size_t kNameBytesMax = 64;

// Debian's abseil has a string_view of its own.
absl::string_view Text(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

std::string TopOf(const std::string& immortal_dir) {
  return absl::StrCat(immortal_dir, "/selftest");
}

std::string DirOf(const std::string& immortal_dir, std::string_view pair) {
  return absl::StrCat(TopOf(immortal_dir), "/", Text(pair));
}

std::string PairOf(std::string_view asker, std::string_view answerer) {
  const std::string both = absl::StrCat(Text(asker), "\n", Text(answerer));
  return absl::StrFormat("%08x", Crc32c(0, std::as_bytes(std::span(both))));
}

std::string RunPrefix(std::string_view pair, uint64_t run) {
  return absl::StrFormat("%s-%016x-", Text(pair), run);
}

std::string_view PairIn(std::string_view name) { return name.substr(0, name.find('-')); }

std::string FileName(std::string_view run_prefix, uint64_t round, std::string_view part) {
  return absl::StrCat(Text(run_prefix), round, "-", Text(part));
}

std::string SiblingOf(std::string_view name, std::string_view part) {
  return absl::StrCat(Text(name.substr(0, name.rfind('-') + 1)), Text(part));
}

bool IsOurs(std::string_view name) {
  return !PairIn(name).empty() && name.size() <= kNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-';
         });
}

absl::Status WriteSynced(File& file, uint64_t offset, std::string bytes) {
  iovec piece{.iov_base = bytes.data(), .iov_len = bytes.size()};
  if (absl::Status status = file.WriteAt(offset, {&piece, 1}); !status.ok()) return status;
  return file.Sync();
}

absl::Status CreateSynced(Disk& disk, const std::string& dir, const std::string& name,
                          std::string bytes) {
  auto file = disk.Open(absl::StrCat(dir, "/", name), OpenMode::kCreateExclusive);
  if (!file.ok()) return file.status();
  if (absl::Status status = WriteSynced(**file, 0, std::move(bytes)); !status.ok()) return status;
  return disk.SyncDir(dir);
}

}  // namespace semper::selftest
