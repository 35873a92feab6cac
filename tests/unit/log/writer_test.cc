#include "sidecar/log/writer.h"

#include <algorithm>

#include "sidecar/log/claims.h"
#include "sidecar/log/segment.h"
#include "tests/unit/log/leader.h"
#include "tests/unit/log/memory_disk.h"

namespace semper::log {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class LogWriterTest : public ::testing::Test {
 protected:
  LogWriterTest() { Create(disk_); }

  void Start(Leader::Options options = {}) {
    auto leader = Leader::TakeOver(disk_, options);
    ASSERT_TRUE(leader.ok()) << leader.status();
    leader_ = *std::move(leader);
    disk_.ForgetOperations();
  }
  LogWriter& writer() { return *leader_->writer; }
  std::string Path(uint64_t number) { return SegmentPath(*leader_, number); }
  std::string Did(const std::string& operation, uint64_t number) {
    return absl::StrCat(operation, " ", Path(number));
  }
  const std::string kSyncDir = absl::StrCat("syncdir ", kDir, "/log");

  MemoryDisk disk_;
  std::unique_ptr<Leader> leader_;
};

TEST_F(LogWriterTest, AppendIsOneWriteAndSyncOneSync) {
  Start();
  ASSERT_TRUE(leader_->Write({"a", std::string(5000, 'b'), std::string(600, 'c')}).ok());
  EXPECT_THAT(disk_.operations(), ElementsAre(Did("write", 0), Did("sync", 0)));
}

TEST_F(LogWriterTest, SyncWithNothingNewDoesNothing) {
  Start();
  ASSERT_TRUE(writer().Sync().ok());
  EXPECT_TRUE(disk_.operations().empty());
}

TEST_F(LogWriterTest, WritesARecordOnlyWhenTheOneBeforeIsDurable) {
  Start();
  ASSERT_TRUE(leader_->WriteUnsynced({"a"}).ok());
  ASSERT_TRUE(leader_->WriteUnsynced({"b"}).ok());
  EXPECT_THAT(disk_.operations(), ElementsAre(Did("write", 0), Did("sync", 0), Did("write", 0)));
}

TEST_F(LogWriterTest, BeginsTheNextSegmentOnlyWhenTheOldOneIsDurable) {
  Start({.segment_bytes = 16384});
  ASSERT_TRUE(leader_->Write({std::string(10000, 'a')}).ok());
  ASSERT_TRUE(leader_->WriteUnsynced({"b"}).ok());
  disk_.ForgetOperations();
  ASSERT_TRUE(leader_->Write({std::string(10000, 'c')}).ok());
  EXPECT_THAT(disk_.operations(),
              ElementsAre(Did("sync", 0), Did("create", 1), Did("write", 1), Did("sync", 1),
                          kSyncDir, Did("write", 1), Did("sync", 1)));
}

TEST_F(LogWriterTest, TakesThePreparedSegment) {
  Start({.segment_bytes = 16384});
  ASSERT_TRUE(writer().WantsSpare());
  ASSERT_TRUE(writer().PrepareSpare().ok());
  EXPECT_FALSE(writer().WantsSpare());
  EXPECT_THAT(disk_.operations(), ElementsAre(Did("create", 1), Did("prewrite", 1), kSyncDir));
  ASSERT_TRUE(leader_->Write({std::string(11000, 'a')}).ok());
  disk_.ForgetOperations();
  ASSERT_TRUE(leader_->Write({std::string(10000, 'b')}).ok());
  EXPECT_THAT(disk_.operations(),
              ElementsAre(Did("write", 1), Did("sync", 1), Did("write", 1), Did("sync", 1)));
  EXPECT_EQ(disk_.At(Path(1)).size(), 16384u);
}

TEST_F(LogWriterTest, WantsASpareWhenTheSegmentIsHalfFull) {
  Start({.segment_bytes = 16384});
  ASSERT_TRUE(leader_->Write({std::string(15000, 'a')}).ok());  // fills segment 1
  EXPECT_TRUE(writer().WantsSpare());
  ASSERT_TRUE(leader_->Write({std::string(3000, 'b')}).ok());  // in segment 2
  ASSERT_TRUE(disk_.Has(Path(2)));
  EXPECT_FALSE(writer().WantsSpare());
  ASSERT_TRUE(leader_->Write({std::string(3000, 'c')}).ok());
  EXPECT_TRUE(writer().WantsSpare());
}

TEST_F(LogWriterTest, StaysInItsSegmentWhileTheSpareIsBeingPrepared) {
  Start({.segment_bytes = 16384});
  disk_.before = [&](const std::string& operation, const std::string&) {
    if (operation == "prewrite") {
      EXPECT_TRUE(leader_->Write({std::string(20000, 'a')}).ok());
      EXPECT_TRUE(leader_->Write({std::string(20000, 'b')}).ok());
    }
    return absl::OkStatus();
  };
  ASSERT_TRUE(writer().PrepareSpare().ok());
  disk_.before = nullptr;
  EXPECT_GT(disk_.At(Path(0)).size(), 40000u);
  ASSERT_TRUE(leader_->Write({"c"}).ok());
  EXPECT_THAT(ReadAll(disk_), ElementsAre(std::string(20000, 'a'), std::string(20000, 'b'), "c"));
  EXPECT_EQ(disk_.operations().back(), Did("sync", 1));
}

TEST_F(LogWriterTest, GoesOnWithoutASpareThatCouldNotBeMade) {
  Start({.segment_bytes = 16384});
  disk_.before = [&](const std::string& operation, const std::string&) {
    return operation == "prewrite" ? absl::ResourceExhaustedError("disk full") : absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsResourceExhausted(writer().PrepareSpare()));
  EXPECT_FALSE(writer().WantsSpare());  // not again and again
  EXPECT_FALSE(disk_.Has(Path(1)));
  ASSERT_TRUE(leader_->Write({std::string(15000, 'a')}).ok());
  ASSERT_TRUE(leader_->Write({"b"}).ok());
  EXPECT_TRUE(disk_.Has(Path(1)));
  EXPECT_THAT(ReadAll(disk_), ElementsAre(std::string(15000, 'a'), "b"));
}

TEST_F(LogWriterTest, GivesALargeRecordASegmentOfItsOwnSize) {
  Start({.segment_bytes = 16384});
  ASSERT_TRUE(leader_->Write({"a"}).ok());
  ASSERT_TRUE(leader_->Write({std::string(100000, 'b')}).ok());
  ASSERT_TRUE(leader_->Write({"c"}).ok());
  EXPECT_GT(disk_.At(Path(1)).size(), 100000u);
  EXPECT_LT(disk_.At(Path(2)).size(), 10000u);
  EXPECT_THAT(ReadAll(disk_), ElementsAre("a", std::string(100000, 'b'), "c"));
}

TEST_F(LogWriterTest, IsFinishedAfterAnError) {
  Start();
  disk_.before = [&](const std::string& operation, const std::string&) {
    return operation == "sync" ? absl::DataLossError("Input/output error") : absl::OkStatus();
  };
  ASSERT_TRUE(leader_->WriteUnsynced({"a"}).ok());
  const absl::Status failed = writer().Sync();
  EXPECT_TRUE(absl::IsDataLoss(failed));
  EXPECT_THAT(failed.message(), HasSubstr(Path(0)));
  disk_.before = nullptr;  // a second fdatasync would say that all is well
  EXPECT_EQ(writer().Sync(), failed);
  EXPECT_EQ(leader_->WriteUnsynced({"b"}), failed);
  EXPECT_FALSE(writer().WantsSpare());
}

TEST_F(LogWriterTest, AlignsRecordsToPagesOnTheSharedProfileAndNeverPrewrites) {
  Start({.profile = Profile::kShared, .segment_bytes = 32768});
  EXPECT_FALSE(writer().WantsSpare());
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(leader_->Write({"a"}).ok());
  EXPECT_EQ(disk_.At(Path(0)).size(), 6 * 4096u);
  ASSERT_TRUE(writer().WantsSpare());
  ASSERT_TRUE(writer().PrepareSpare().ok());
  EXPECT_TRUE(disk_.At(Path(1)).empty());
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(leader_->Write({"b"}).ok());
  EXPECT_THAT(ReadAll(disk_), ElementsAre("a", "a", "a", "a", "b", "b", "b", "b"));
}

TEST_F(LogWriterTest, SyncsCopiesBeforeItSeals) {
  Start();
  ASSERT_TRUE(leader_->Write({"a"}).ok());
  disk_.ForgetOperations();
  auto next = Leader::TakeOver(disk_);
  ASSERT_TRUE(next.ok());
  const std::string path = SegmentPath(**next, 0);
  std::vector<std::string> done;
  for (const std::string& operation : disk_.operations()) {
    if (operation.ends_with(".seg")) done.push_back(operation.substr(0, operation.find(' ')));
  }
  EXPECT_THAT(done, ElementsAre("create", "write", "sync", "write", "sync", "write", "sync"));
}

TEST_F(LogWriterTest, BeginsTheNextSegmentOnlyWhenTheCopiesInTheOldOneAreDurable) {
  Start();
  // The second copy has no room beside the first; after a single one the seal would sync anyway.
  ASSERT_TRUE(leader_->WriteUnsynced({std::string(30000, 'a')}).ok());
  ASSERT_TRUE(leader_->WriteUnsynced({std::string(30000, 'b')}).ok());
  disk_.ForgetOperations();
  auto next = Leader::TakeOver(disk_, {.segment_bytes = 8192});
  ASSERT_TRUE(next.ok());
  const std::vector<std::string>& done = disk_.operations();
  const auto begun =
      std::find(done.begin(), done.end(), absl::StrCat("create ", SegmentPath(**next, 1)));
  ASSERT_NE(begun, done.end());
  EXPECT_EQ(*(begun - 1), absl::StrCat("sync ", SegmentPath(**next, 0)));
}

TEST_F(LogWriterTest, CountsWhatItWrites) {
  Start({.profile = Profile::kShared});
  EXPECT_EQ(writer().bytes_written(), 2 * 4096u);
  ASSERT_TRUE(leader_->Note().ok());
  EXPECT_EQ(writer().bytes_written(), 3 * 4096u);
}

// Its name would be gone, with all that was confirmed in it.
TEST_F(LogWriterTest, BeginsNoSegmentWhoseNameWasTakenBack) {
  Start();
  ASSERT_TRUE(leader_->Write({"a"}).ok());
  const auto is_taken_back = [this](const std::string& operation, const std::string& path) {
    if (operation == "syncdir" && path.ends_with("/log")) disk_.Crash();
    return absl::OkStatus();
  };
  disk_.before = is_taken_back;
  const absl::Status prepared = writer().PrepareSpare();
  EXPECT_TRUE(absl::IsUnavailable(prepared)) << prepared;
  EXPECT_TRUE(writer().PrepareSpare().ok());
  disk_.before = is_taken_back;  // once more, where no spare is ready
  absl::Status written;
  for (int i = 0; i < 20 && written.ok(); ++i)
    written = leader_->Write({std::string(200'000, 'b')});
  EXPECT_TRUE(absl::IsUnavailable(written)) << written;
}

// As an older copy of the directory comes in its place.
TEST_F(LogWriterTest, RefusesToConfirmInASegmentWhoseNameLeadsToAnotherFile) {
  Start();
  ASSERT_TRUE(leader_->Write({"a"}).ok());
  EXPECT_EQ(*writer().LookUp(), leader_->epoch);
  const MemoryDisk::Bytes same = disk_.At(Path(0));
  ASSERT_TRUE(disk_.Remove(Path(0)).ok());
  const absl::Status gone = writer().LookUp().status();
  EXPECT_TRUE(absl::IsOutOfRange(gone)) << gone;
  EXPECT_THAT(std::string(gone.message()), HasSubstr(Path(0) + " is gone"));
  ASSERT_TRUE(disk_.Open(Path(0), OpenMode::kCreateExclusive).ok());
  disk_.At(Path(0)) = same;
  const absl::Status other = writer().LookUp().status();
  EXPECT_TRUE(absl::IsOutOfRange(other)) << other;
  EXPECT_THAT(std::string(other.message()), HasSubstr("were replaced under a running member"));
}

// Who leads now may remove what it does not need.
TEST_F(LogWriterTest, LooksUpWhoRemovedItsSegment) {
  Start();
  ASSERT_TRUE(leader_->Write({"a"}).ok());
  ASSERT_TRUE(CreateClaim(disk_, kDir, leader_->epoch + 1, {.nonce = 2}).ok());
  ASSERT_TRUE(disk_.Remove(Path(0)).ok());
  EXPECT_EQ(*writer().LookUp(), leader_->epoch + 1);
}

// That is no replaced file: the volume may come back as it was.
TEST_F(LogWriterTest, LooksUpNothingInADirectoryThatCannotBeRead) {
  Start();
  ASSERT_TRUE(leader_->Write({"a"}).ok());
  ASSERT_TRUE(disk_.Remove(Path(0)).ok());
  for (const char* below : {"/claims/0", "/log"}) {
    disk_.before = [below](const std::string&, const std::string& path) {
      return path.ends_with(below) ? absl::NotFoundError(path) : absl::OkStatus();
    };
    const absl::Status vanished = writer().LookUp().status();
    EXPECT_TRUE(absl::IsNotFound(vanished)) << below << ": " << vanished;
  }
  disk_.before = [](const std::string&, const std::string& path) {
    return path.ends_with(".seg") ? absl::UnavailableError(path) : absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsUnavailable(writer().LookUp().status()));
}

TEST_F(LogWriterTest, LooksUpTheNextSegmentThatBeganMeanwhile) {
  Start();
  ASSERT_TRUE(leader_->Write({std::string(200'000, 'a')}).ok());
  ASSERT_TRUE(writer().PrepareSpare().ok());
  disk_.before = [this](const std::string&, const std::string&) {
    disk_.before = nullptr;  // the look-up hangs, and …
    EXPECT_TRUE(leader_->Write({std::string(200'000, 'b')}).ok());
    return disk_.Remove(Path(0));
  };
  EXPECT_EQ(*writer().LookUp(), leader_->epoch);
  ASSERT_TRUE(disk_.Remove(Path(1)).ok());
  EXPECT_TRUE(absl::IsOutOfRange(writer().LookUp().status()));
}

}  // namespace
}  // namespace semper::log
