#include "sidecar/selftest/answer.h"

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "sidecar/selftest/files.h"
#include "sidecar/selftest/verdict.h"

namespace semper::selftest {
namespace {

constexpr size_t kBytesMax = size_t{64} << 10;

absl::Status Write(Disk& disk, const std::string& path, const v1::MemberTest& ask) {
  auto file = disk.Open(path, OpenMode::kWrite);
  if (!file.ok()) return file.status();
  uint64_t offset = 0;
  if (ask.step() == v1::MemberTest::APPEND) {
    auto size = (*file)->Size();
    if (!size.ok()) return size.status();
    offset = *size;
  }
  return WriteSynced(**file, offset, ask.bytes());
}

// The volume broke its promise (true), or it kept it.
absl::StatusOr<bool> Collide(Disk& disk, const std::string& dir, const std::string& name) {
  const auto file = disk.Open(absl::StrCat(dir, "/", name), OpenMode::kCreateExclusive);
  if (!file.ok() && !absl::IsAlreadyExists(file.status())) return file.status();
  // The end of the round. What cannot be removed now is removed before the next run.
  (void)disk.Remove(absl::StrCat(dir, "/", SiblingOf(name, kListed)));
  (void)disk.Remove(absl::StrCat(dir, "/", SiblingOf(name, kRecord)));
  return file.ok();
}

// As Collide.
absl::StatusOr<bool> Do(Disk& disk, const std::string& dir, const v1::MemberTest& ask) {
  if (!IsOurs(ask.file()) || ask.bytes().size() > kBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a file of ", ask.file().size(), " characters with ", ask.bytes().size(),
        " bytes is none of a self-test; the fellow has a version that is not understood"));
  }
  const std::string path = absl::StrCat(dir, "/", ask.file());
  switch (ask.step()) {
    case v1::MemberTest::CREATE:
      if (absl::Status status = CreateSynced(disk, dir, ask.file(), ask.bytes()); !status.ok()) {
        return status;
      }
      return false;
    case v1::MemberTest::APPEND:
    case v1::MemberTest::OVERWRITE:
      if (absl::Status status = Write(disk, path, ask); !status.ok()) return status;
      return false;
    case v1::MemberTest::COLLIDE:
      return Collide(disk, dir, ask.file());
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("step ", static_cast<int>(ask.step()), " of a self-test is not known"));
  }
}

}  // namespace

v1::MemberTest Answer(Disk& disk, const std::string& immortal_dir, const v1::MemberTest& ask) {
  v1::MemberTest answer;
  answer.set_step(v1::MemberTest::DONE);
  answer.set_round(ask.round());
  answer.set_file(ask.file());
  const std::string dir = DirOf(immortal_dir, PairIn(ask.file()));
  const absl::StatusOr<bool> broken = Do(disk, dir, ask);
  if (!broken.ok()) {
    answer.set_error(std::string(broken.status().message()));
  } else if (*broken) {
    answer.set_step(v1::MemberTest::VERDICT);
    answer.set_error(VerdictText(Broken::kExclusive, dir, ask.round(), ask.file()));
  }
  return answer;
}

}  // namespace semper::selftest
