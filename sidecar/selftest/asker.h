// Who asks in a self-test: looks, has its fellow change something, and must see the change by its
// very first look. The looks before fill every cache that could lie afterwards.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/disk.h"
#include "semper/v1/member.pb.h"

namespace semper::selftest {

enum class Broken;

inline constexpr uint64_t kRounds = 10;

// One run. Both functions block; used by one thread at a time. They return
// - the message that the fellow gets next; to a VERDICT nothing is answered, it ends the run:
//   without `error` the volume has kept every promise, as far as this member's looks go;
//   with `error` it has broken one, and the text says which, and what helps;
// - or an error: the run is over without a result, because of a disk, a fellow or a connection.
//   That says nothing about the volume; another run may begin.
class Asker {
 public:
  // `disk` must outlive it. `immortal_dir` is there. `run`: random, never used before. `asker` and
  // `answerer`: this member and its fellow; the two have one run at a time.
  Asker(Disk& disk, const std::string& immortal_dir, uint64_t run, std::string_view asker,
        std::string_view answerer);

  // Makes the directory of these two, removes what a dead run of theirs left in it, and
  // begins the first round.
  absl::StatusOr<v1::MemberTest> Begin();

  // After each message but a VERDICT: what the fellow answered (Answer).
  absl::StatusOr<v1::MemberTest> OnAnswer(const v1::MemberTest& answer);

 private:
  // What has been asked for, and what is checked when it is done.
  enum class Stage { kCreateListed, kCreateRecord, kAppend, kOverwrite, kTakeMine };

  absl::Status MakeDirectories();
  absl::StatusOr<v1::MemberTest> BeginRound(uint64_t round);
  absl::Status CheckAbsent();
  absl::StatusOr<v1::MemberTest> OnListedCreated();
  absl::StatusOr<v1::MemberTest> OnRecordCreated();
  absl::StatusOr<v1::MemberTest> OnAppended();
  absl::StatusOr<v1::MemberTest> OnOverwritten();
  absl::StatusOr<v1::MemberTest> OnMineRefused();

  std::string Name(std::string_view part) const;
  std::string Path(std::string_view part) const;
  // Whether a file, opened and read past every cache, is `expected_` and nothing else.
  absl::StatusOr<bool> IsExpected(std::string_view part);
  v1::MemberTest Ask(Stage stage, v1::MemberTest::Step step, std::string_view part,
                     std::string bytes);
  v1::MemberTest Verdict(std::string_view part, std::string error) const;
  v1::MemberTest Refuse(Broken broken, std::string_view part) const;

  Disk& disk_;
  const std::string immortal_dir_;
  const std::string dir_;
  const std::string run_prefix_;
  uint64_t round_ = 0;
  Stage stage_ = Stage::kCreateListed;
  std::string expected_;  // contents of the file that is next read
};

}  // namespace semper::selftest
