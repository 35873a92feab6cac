#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <map>

#include "cli/read_only_disk.h"
#include "cli/text.h"
#include "tests/unit/cli/sample_log.h"

namespace semper::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using LogList = SampleLog;
using LogShow = SampleLog;
using LogVerify = SampleLog;

TEST_F(LogList, ShowsSegmentsAndTheirStanding) {
  const Result result = Run({"log", "list"});
  EXPECT_EQ(result.code, kExitOk) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("incarnation abababababababab"), HasSubstr("orders-0"),
                                HasSubstr("history"), HasSubstr("epochs claimed: 1")));
}

TEST_F(LogList, SpeaksJson) {
  const Result result = Run({"log", "list", "-o", "json"});
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("\"name\":\"shop/orders\""), HasSubstr("\"newest_claim\":1"),
                    HasSubstr("\"state\":\"history\"")));
}

TEST_F(LogShow, PrintsEachFrameWithControlsDecoded) {
  const Result result = Run({"log", "show"});
  EXPECT_EQ(result.code, kExitOk) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\"service_name\":\"shop.Orders\",\"service_version\":3"));
  EXPECT_THAT(result.out, HasSubstr("2  peer          2 x         12 bytes  "
                                    "2023-11-14T22:13:20.000000002Z  slot 1, sequence 17"));
  EXPECT_THAT(result.out, HasSubstr("token 1"));
}

TEST_F(LogShow, PrintsAFrameThatBeginsBeforeTheRangeButReachesIntoIt) {
  const Result result = Run({"log", "show", "--from", "3", "--to", "3", "-o", "json"});
  EXPECT_EQ(
      result.out,
      "{\"index\":2,\"count\":2,\"kind\":\"peer\",\"slot\":1,\"first_sequence\":17,\"bytes\":12,"
      "\"time_unix_nanos\":1700000000000000002}\n");
}

TEST_F(LogShow, PrintsRecordsWhenAsked) {
  const Result result = Run({"log", "show", "--records"});
  EXPECT_THAT(result.out, AllOf(HasSubstr("-- seal 1:0"), HasSubstr("-- inputs 1:2, 3 inputs"),
                                HasSubstr("-- note 1:3")));
}

TEST_F(LogShow, RefusesARangeThatIsNone) {
  EXPECT_EQ(Run({"log", "show", "--from", "4", "--to", "3"}).code, kExitUsage);
  EXPECT_EQ(Run({"log", "show", "--from", "400"}).err, "the log ends before input 400\n");
  EXPECT_EQ(Run({"log", "show", "--from", "x"}).code, kExitUsage);
}

TEST_F(LogVerify, EndsWithTheTotals) {
  const Result result = Run({"log", "verify"});
  EXPECT_EQ(result.code, kExitOk) << result.err;
  EXPECT_THAT(result.out, HasSubstr("verify: ok records=4 inputs=4 bytes="));
  EXPECT_THAT(result.out, HasSubstr(" last_index=4 chain=" + Hex(chain_) + "\n"));
}

TEST_F(LogVerify, NamesFileAndOffsetOfDamage) {
  Flip(body_offset_);
  const Result result = Run({"log", "verify"});
  EXPECT_EQ(result.code, kExitProblem);
  EXPECT_THAT(result.out, AllOf(HasSubstr("damage: "), HasSubstr(SegmentPath()), HasSubstr("12288"),
                                HasSubstr("verify: DAMAGED")));
}

// Its epoch would else be passed over without a word.
TEST_F(LogVerify, NamesAClaimThatWasDeleted) {
  ASSERT_TRUE(std::filesystem::remove(dir_ + "/claims/0/1"));
  const Result result = Run({"log", "verify"});
  EXPECT_EQ(result.code, kExitProblem);
  EXPECT_THAT(result.out, AllOf(HasSubstr("damage: the newest claim in "), HasSubstr(SegmentPath()),
                                HasSubstr("verify: DAMAGED")));
}

TEST_F(LogVerify, TakesATornTailAsNormalAndTellsIt) {
  // The note is the last record: without its header's first bytes it is no record any more.
  Flip(4 * 4096);
  const Result result = Run({"log", "verify", "-o", "json"});
  EXPECT_EQ(result.code, kExitOk) << result.out;
  EXPECT_THAT(result.out, AllOf(HasSubstr("\"ok\":true"), HasSubstr("\"torn_offset\":16384"),
                                HasSubstr("\"records\":3")));
}

TEST_F(LogVerify, SaysWhatIsThereWhenTheNameIsWrong) {
  const Result result = Semperctl({"log", "verify", "--log-dir", root_, "--name", "shop/stock"});
  EXPECT_EQ(result.code, kExitUnreachable);
  EXPECT_THAT(result.err, HasSubstr("it holds shop/orders"));
}

TEST_F(LogVerify, NeedsANameThatStaysBelowTheDirectory) {
  for (const char* name : {"orders", "../orders", "shop/..", "/shop", "a/b/c"}) {
    EXPECT_EQ(Semperctl({"log", "verify", "--log-dir", root_, "--name", name}).code, kExitUsage)
        << name;
  }
}

// Every file below `root` with what a write would change.
std::map<std::string, std::pair<uint64_t, int64_t>> Fingerprint(const std::string& root) {
  std::map<std::string, std::pair<uint64_t, int64_t>> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    struct stat found {};
    stat(entry.path().c_str(), &found);
    files[entry.path()] = {found.st_size,
                           found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec};
  }
  return files;
}

TEST_F(LogVerify, ChangesNothing) {
  const auto before = Fingerprint(root_);
  Run({"log", "list"});
  Run({"log", "show", "--records"});
  Run({"log", "verify"});
  Run({"checkpoint", "list"});
  EXPECT_EQ(Fingerprint(root_), before);
}

TEST(ReadOnlyDisk, RefusesEveryChange) {
  const auto disk = MakeReadOnlyDisk();
  const std::string path = testing::TempDir() + "semper-never";
  const auto refused = absl::StatusCode::kPermissionDenied;
  EXPECT_EQ(disk->Open(path, OpenMode::kCreateExclusive).status().code(), refused);
  EXPECT_EQ(disk->MakeDir(path).code(), refused);
  EXPECT_EQ(disk->SyncDir(testing::TempDir()).code(), refused);
  EXPECT_EQ(disk->Rename(path, path + "2").code(), refused);
  EXPECT_EQ(disk->Remove(path).code(), refused);
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace semper::cli
