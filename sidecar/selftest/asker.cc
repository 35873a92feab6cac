#include "sidecar/selftest/asker.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "sidecar/selftest/files.h"
#include "sidecar/selftest/verdict.h"

namespace semper::selftest {
namespace {

// As on a shared volume: blocks that share no cached page with older ones.
constexpr size_t kBlockBytes = 4096;

// A block that no other step of any run writes.
std::string BlockOf(const std::string& file, const char* step) {
  const std::string line = absl::StrCat(file, " ", step, "\n");
  std::string block;
  while (block.size() < kBlockBytes) block += line;
  block.resize(kBlockBytes);
  return block;
}

}  // namespace

Asker::Asker(Disk& disk, const std::string& immortal_dir, uint64_t run, std::string_view asker,
             std::string_view answerer)
    : disk_(disk),
      immortal_dir_(immortal_dir),
      dir_(DirOf(immortal_dir, PairOf(asker, answerer))),
      run_prefix_(RunPrefix(PairOf(asker, answerer), run)) {}

std::string Asker::Name(std::string_view part) const { return FileName(run_prefix_, round_, part); }

std::string Asker::Path(std::string_view part) const { return absl::StrCat(dir_, "/", Name(part)); }

v1::MemberTest Asker::Ask(Stage stage, v1::MemberTest::Step step, std::string_view part,
                          std::string bytes) {
  stage_ = stage;
  v1::MemberTest ask;
  ask.set_step(step);
  ask.set_round(round_);
  ask.set_file(Name(part));
  ask.set_bytes(std::move(bytes));
  return ask;
}

v1::MemberTest Asker::Verdict(std::string_view part, std::string error) const {
  v1::MemberTest verdict;
  verdict.set_step(v1::MemberTest::VERDICT);
  verdict.set_round(round_);
  verdict.set_file(Name(part));
  verdict.set_error(std::move(error));
  return verdict;
}

v1::MemberTest Asker::Refuse(Broken broken, std::string_view part) const {
  return Verdict(part, VerdictText(broken, dir_, round_, Name(part)));
}

absl::Status Asker::MakeDirectories() {
  const std::string top = TopOf(immortal_dir_);
  for (const auto& [dir, parent] : {std::pair{top, immortal_dir_}, {dir_, top}}) {
    absl::Status made = disk_.MakeDir(dir);
    if (!made.ok() && !absl::IsAlreadyExists(made)) return made;
    if (absl::Status status = disk_.SyncDir(parent); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::MemberTest> Asker::Begin() {
  if (absl::Status status = MakeDirectories(); !status.ok()) return status;
  auto names = disk_.List(dir_);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const absl::Status removed = disk_.Remove(absl::StrCat(dir_, "/", name));
    if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  }
  return BeginRound(1);
}

absl::StatusOr<v1::MemberTest> Asker::BeginRound(uint64_t round) {
  round_ = round;
  if (absl::Status status = CheckAbsent(); !status.ok()) return status;
  expected_ = BlockOf(Name(kListed), "created");
  return Ask(Stage::kCreateListed, v1::MemberTest::CREATE, kListed, expected_);
}

absl::Status Asker::CheckAbsent() {
  auto names = disk_.List(dir_);
  if (!names.ok()) return names.status();
  for (const std::string_view part : {kListed, kRecord, kMine}) {
    if (std::find(names->begin(), names->end(), Name(part)) != names->end()) {
      return absl::InternalError(
          absl::StrCat("the self-test finds ", Path(part), " before anybody made it"));
    }
  }
  // Nobody asks for `mine` by its name: the fellow tries to make a name that it never looked at.
  for (const std::string_view part : {kListed, kRecord}) {
    const auto file = disk_.Open(Path(part), OpenMode::kReadFresh);
    if (file.ok()) {
      return absl::InternalError(
          absl::StrCat("the self-test opens ", Path(part), " before anybody made it"));
    }
    if (!absl::IsNotFound(file.status())) return file.status();
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::MemberTest> Asker::OnAnswer(const v1::MemberTest& answer) {
  if (answer.round() != round_) {
    return absl::InvalidArgumentError(absl::StrCat("the self-test in ", dir_, " is in round ",
                                                   round_, ", but the fellow answered in round ",
                                                   answer.round()));
  }
  if (answer.step() == v1::MemberTest::VERDICT && !answer.error().empty()) {
    return Verdict(kMine, answer.error());
  }
  if (answer.step() != v1::MemberTest::DONE) {
    return absl::InvalidArgumentError(
        absl::StrCat("a fellow answered round ", round_, " of the self-test in ", dir_,
                     " with step ", static_cast<int>(answer.step()), ", which is no answer"));
  }
  if (!answer.error().empty()) {
    return absl::UnavailableError(
        absl::StrCat("in round ", round_, " of the self-test in ", dir_,
                     " the fellow could not do its part: ", answer.error()));
  }
  switch (stage_) {
    case Stage::kCreateListed:
      return OnListedCreated();
    case Stage::kCreateRecord:
      return OnRecordCreated();
    case Stage::kAppend:
      return OnAppended();
    case Stage::kOverwrite:
      return OnOverwritten();
    case Stage::kTakeMine:
      return OnMineRefused();
  }
  SEMPER_CHECK(false, "stage", static_cast<int>(stage_));
  return absl::InternalError("unreachable");
}

absl::StatusOr<bool> Asker::IsExpected(std::string_view part) {
  auto file = disk_.Open(Path(part), OpenMode::kReadFresh);
  if (!file.ok()) return file.status();
  std::string bytes(expected_.size() + kBlockBytes, '\0');
  auto got = (*file)->ReadAt(0, std::as_writable_bytes(std::span(bytes)));
  if (!got.ok()) return got.status();
  bytes.resize(*got);
  return bytes == expected_;
}

absl::StatusOr<v1::MemberTest> Asker::OnListedCreated() {
  // The question of a look-up, asked as log::LookUp does: a listing of the directory.
  auto names = disk_.List(dir_);
  if (!names.ok()) return names.status();
  if (std::find(names->begin(), names->end(), Name(kListed)) == names->end()) {
    return Refuse(Broken::kListing, kListed);
  }
  auto right = IsExpected(kListed);
  if (absl::IsNotFound(right.status())) return Refuse(Broken::kName, kListed);
  if (!right.ok()) return right.status();
  if (!*right) return Refuse(Broken::kContents, kListed);
  expected_ = BlockOf(Name(kRecord), "created");
  return Ask(Stage::kCreateRecord, v1::MemberTest::CREATE, kRecord, expected_);
}

absl::StatusOr<v1::MemberTest> Asker::OnRecordCreated() {
  // The very first touch: on this node the name is still an absent one, as the next claim is for
  // two contenders at once.
  const auto file = disk_.Open(Path(kRecord), OpenMode::kCreateExclusive);
  if (file.ok()) return Refuse(Broken::kExclusive, kRecord);
  if (!absl::IsAlreadyExists(file.status())) return file.status();
  auto right = IsExpected(kRecord);
  if (absl::IsNotFound(right.status())) return Refuse(Broken::kName, kRecord);
  if (!right.ok()) return right.status();
  if (!*right) return Refuse(Broken::kContents, kRecord);
  std::string more = BlockOf(Name(kRecord), "appended");
  expected_ += more;
  return Ask(Stage::kAppend, v1::MemberTest::APPEND, kRecord, std::move(more));
}

absl::StatusOr<v1::MemberTest> Asker::OnAppended() {
  auto right = IsExpected(kRecord);
  if (!right.ok()) return right.status();
  if (!*right) return Refuse(Broken::kAppend, kRecord);
  std::string other = BlockOf(Name(kRecord), "overwritten");
  expected_.replace(0, other.size(), other);
  return Ask(Stage::kOverwrite, v1::MemberTest::OVERWRITE, kRecord, std::move(other));
}

absl::StatusOr<v1::MemberTest> Asker::OnOverwritten() {
  auto right = IsExpected(kRecord);
  if (!right.ok()) return right.status();
  if (!*right) return Refuse(Broken::kOverwrite, kRecord);
  absl::Status made = CreateSynced(disk_, dir_, Name(kMine), BlockOf(Name(kMine), "created"));
  if (!made.ok()) return made;
  return Ask(Stage::kTakeMine, v1::MemberTest::COLLIDE, kMine, "");
}

absl::StatusOr<v1::MemberTest> Asker::OnMineRefused() {
  if (absl::Status status = disk_.Remove(Path(kMine)); !status.ok()) return status;
  if (round_ < kRounds) return BeginRound(round_ + 1);
  return Verdict(kRecord, "");
}

}  // namespace semper::selftest
