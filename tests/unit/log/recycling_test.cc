#include "sidecar/log/recycling.h"

#include <algorithm>

#include "sidecar/log/segment_reader.h"
#include "tests/unit/log/leader.h"
#include "tests/unit/log/memory_disk.h"

namespace semper::log {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint64_t kSegmentBytes = 16384;

class RecyclingTest : public ::testing::Test {
 protected:
  RecyclingTest() {
    Create(disk_);
    leader_ = *Leader::TakeOver(disk_, {.segment_bytes = kSegmentBytes});
    EXPECT_TRUE(Write(40).ok());
  }

  absl::Status Write(size_t inputs, size_t bytes = 1000) {
    for (size_t i = 0; i < inputs; ++i) {
      if (leader_->writer->WantsSpare()) {
        if (absl::Status s = leader_->writer->PrepareSpare(); !s.ok()) return s;
      }
      if (absl::Status s = leader_->Write({std::string(bytes, 'x')}); !s.ok()) return s;
      durable_ = last();
    }
    return absl::OkStatus();
  }
  uint64_t last() const { return Raw(leader_->next) - 1; }

  absl::Status TruncateUpTo(uint64_t oldest, size_t files_max = 100,
                            uint64_t segment_bytes = kSegmentBytes) {
    auto history = ResolveHistory(disk_, kDir, core::Epoch{Raw(leader_->epoch) + 1});
    if (!history.ok()) return history.status();
    auto segments = ListSegments(disk_, kDir);
    if (!segments.ok()) return segments.status();
    const auto plan = PlanTruncation(*segments, *history, leader_->epoch, core::Index{oldest});
    return Truncate(disk_, kDir, plan,
                    ReusePolicy{leader_->epoch, leader_->nonce, segment_bytes, files_max})
        .status();
  }
  std::vector<std::string> Aside() const {
    std::vector<std::string> paths = disk_.Files();
    std::erase_if(
        paths, [](const std::string& path) { return path.find(".seg.old") == std::string::npos; });
    return paths;
  }
  // What is behind `oldest` is there, and the next leader takes it over.
  void ExpectHistoryBehind(uint64_t oldest, uint64_t newest) {
    const std::vector<std::string> rest = ReadAll(disk_, core::Index{oldest});
    ASSERT_EQ(rest.size(), newest - oldest) << rest.front();
    auto next = Leader::TakeOver(disk_, {.segment_bytes = kSegmentBytes});
    ASSERT_TRUE(next.ok()) << next.status();
    EXPECT_EQ((*next)->tail.last_index, core::Index{newest});
  }

  MemoryDisk disk_;
  std::unique_ptr<Leader> leader_;
  uint64_t durable_ = 0;
};

TEST_F(RecyclingTest, SetsClosedSegmentsAsideInsteadOfRemovingThem) {
  ASSERT_TRUE(TruncateUpTo(30).ok());
  EXPECT_GE(Aside().size(), 2u);
  ExpectHistoryBehind(30, last());
}

TEST_F(RecyclingTest, SetsNoMoreAsideThanItMay) {
  ASSERT_TRUE(TruncateUpTo(20, 1).ok());
  ASSERT_TRUE(TruncateUpTo(30, 1).ok());
  EXPECT_EQ(Aside().size(), 1u);
}

TEST_F(RecyclingTest, WritesOverWhatWasSetAside) {
  ASSERT_TRUE(TruncateUpTo(30).ok());
  const size_t files = disk_.Files().size();
  disk_.ForgetOperations();
  ASSERT_TRUE(Write(Aside().size() * 10).ok());
  EXPECT_THAT(disk_.operations(), Not(Contains(HasSubstr("prewrite"))));
  EXPECT_EQ(disk_.Files().size(), files);
  ExpectHistoryBehind(30, last());
}

TEST_F(RecyclingTest, TheHeaderIsWipedDurablyBeforeTheNameIsASegments) {
  ASSERT_TRUE(TruncateUpTo(30).ok());
  disk_.ForgetOperations();
  const std::string aside = Aside().front();
  const std::string path = absl::StrCat(kDir, "/log/new");
  ASSERT_TRUE(Reuse(disk_, kDir, leader_->epoch, leader_->nonce, kSegmentBytes, path).ok());
  EXPECT_THAT(disk_.operations(),
              ::testing::ElementsAre(absl::StrCat("write ", aside), absl::StrCat("sync ", aside),
                                     absl::StrCat("rename ", aside),
                                     absl::StrCat("syncdir ", kDir, "/log")));
}

TEST_F(RecyclingTest, LeavesWhatAnotherProcessSetAside) {
  ASSERT_TRUE(TruncateUpTo(30).ok());
  const auto reused =
      Reuse(disk_, kDir, leader_->epoch, leader_->nonce + 1, kSegmentBytes, "/data/x");
  EXPECT_TRUE(absl::IsNotFound(reused.status())) << reused.status();
}

TEST_F(RecyclingTest, RemovesWhatADeposedProcessSetAside) {
  ASSERT_TRUE(TruncateUpTo(30).ok());
  ASSERT_FALSE(Aside().empty());
  leader_ = *Leader::TakeOver(disk_, {.segment_bytes = kSegmentBytes});
  ASSERT_TRUE(TruncateUpTo(30).ok());
  EXPECT_TRUE(Aside().empty());
}

TEST_F(RecyclingTest, OldRecordsOfAReusedSegmentAreNoRecords) {
  ASSERT_TRUE(TruncateUpTo(30).ok());
  ASSERT_TRUE(Write(15).ok());
  // The last record is torn; behind it lie whole records of the segment's former life.
  const auto segments = *ListSegments(disk_, kDir);
  const auto current =
      std::find_if(segments.rbegin(), segments.rend(), [](const SegmentInfo& s) { return s.used; });
  MemoryDisk::Bytes& bytes = disk_.At(absl::StrCat(kDir, "/log/", current->file));
  const auto reader = *SegmentReader::Open(
      disk_, kDir, {current->epoch, current->nonce, current->number}, OpenMode::kRead);
  uint64_t newest = 0;
  while (true) {
    const auto found = reader->Next(SegmentReader::Body::kRead);
    ASSERT_TRUE(found.ok());
    if (!found->has_value()) break;
    newest = (*found)->offset;
  }
  ASSERT_GT(newest, kSegmentHeaderBytes);
  ASSERT_NE(std::count_if(bytes.begin() + static_cast<ptrdiff_t>(reader->offset()), bytes.end(),
                          [](std::byte b) { return b != std::byte{0}; }),
            0);
  bytes[newest + 200] ^= std::byte{1};
  ExpectHistoryBehind(30, last() - 1);
}

TEST_F(RecyclingTest, AReaderOfAReusedSegmentLearnsThatItIsGone) {
  // Segments that are larger than what a reader reads at once.
  leader_ = *Leader::TakeOver(disk_, {.segment_bytes = 4u << 20});
  const uint64_t before = last();
  ASSERT_TRUE(Write(80, 200'000).ok());
  const auto history = *ResolveHistory(disk_, kDir, core::Epoch{Raw(leader_->epoch) + 1});
  auto reader = *HistoryReader::Open(disk_, kDir, history, core::Index{before + 20});
  ASSERT_TRUE(reader->Next().ok());
  ASSERT_TRUE(TruncateUpTo(last(), 100, 4u << 20).ok());
  ASSERT_TRUE(Write(80, 200'000).ok());
  absl::Status end;
  for (int records = 0; end.ok() && records < 200; ++records) end = reader->Next().status();
  EXPECT_TRUE(absl::IsNotFound(end)) << end;
}

TEST_F(RecyclingTest, SurvivesACrashAfterEveryStep) {
  for (int steps = 1; steps < 120; ++steps) {
    for (const bool keep_bytes : {false, true}) {
      leader_ = *Leader::TakeOver(disk_, {.segment_bytes = kSegmentBytes});
      ASSERT_TRUE(Write(20).ok());
      const uint64_t oldest = last() - 5;
      int count = 0;
      disk_.before = [&](const std::string& operation, const std::string&) {
        return operation != "read" && ++count > steps ? absl::AbortedError("killed")
                                                      : absl::OkStatus();
      };
      if (TruncateUpTo(oldest).ok()) Write(30).IgnoreError();
      disk_.Crash(keep_bytes);
      const std::vector<std::string> rest = ReadAll(disk_, core::Index{oldest});
      ASSERT_GE(rest.size(), durable_ - oldest) << steps << ": " << rest.front();
      auto next = Leader::TakeOver(disk_, {.segment_bytes = kSegmentBytes});
      ASSERT_TRUE(next.ok()) << steps << ": " << next.status();
      leader_ = *std::move(next);
      ASSERT_TRUE(TruncateUpTo(last()).ok()) << steps;
    }
  }
}

}  // namespace
}  // namespace semper::log
