// Take-overs: which records count after them, and what the next one copies.
#include "sidecar/log/history.h"

#include <map>
#include <string>

#include "sidecar/log/epochs.h"
#include "tests/unit/log/leader.h"
#include "tests/unit/log/memory_disk.h"

namespace semper::log {
namespace {

using ::testing::_;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

class CountingDisk : public MemoryDisk {
 public:
  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    ++opens[path];
    return MemoryDisk::Open(path, mode);
  }
  std::map<std::string, int> opens;
};

class HistoryTest : public ::testing::Test {
 protected:
  HistoryTest() { Create(disk_); }

  std::unique_ptr<Leader> TakeOver(Leader::Options options = {}) {
    auto leader = Leader::TakeOver(disk_, options);
    EXPECT_TRUE(leader.ok()) << leader.status();
    return leader.ok() ? *std::move(leader) : nullptr;
  }
  History Resolve(uint64_t below = UINT64_MAX) {
    auto history = ResolveHistory(disk_, kDir, core::Epoch{below});
    EXPECT_TRUE(history.ok()) << history.status();
    return history.ok() ? *history : History{};
  }

  CountingDisk disk_;
};

TEST_F(HistoryTest, IsEmptyBeforeTheFirstSeal) {
  TakeOver({.seals = false});
  EXPECT_TRUE(Resolve().ranges.empty());
  EXPECT_THAT(ReadAll(disk_), IsEmpty());
}

TEST_F(HistoryTest, OfOneEpochIsWhatItWrote) {
  auto leader = TakeOver();
  ASSERT_TRUE(leader->Write({"a", "b"}).ok());
  ASSERT_TRUE(leader->Note().ok());
  ASSERT_TRUE(leader->Write({"c"}).ok());
  EXPECT_THAT(ReadAll(disk_), ElementsAre("a", "b", "c"));
}

TEST_F(HistoryTest, GoesOnThroughTakeOvers) {
  for (int i = 0; i < 5; ++i) {
    auto leader = TakeOver();
    ASSERT_TRUE(leader->Write({absl::StrCat("a", i)}).ok());
    ASSERT_TRUE(leader->Write({absl::StrCat("b", i)}).ok());
  }
  EXPECT_THAT(ReadAll(disk_),
              ElementsAre("a0", "b0", "a1", "b1", "a2", "b2", "a3", "b3", "a4", "b4"));
}

TEST_F(HistoryTest, OfProvenBatchesIsNotCopied) {
  auto first = TakeOver();
  ASSERT_TRUE(first->Write({"a"}).ok());
  ASSERT_TRUE(first->Write({"b"}).ok());  // states that "a" is durable
  auto second = TakeOver();
  EXPECT_EQ(second->seal.base_epoch, core::Epoch{1});
  EXPECT_EQ(second->seal.base_batches, 2u);
  ASSERT_EQ(second->tail.copy.size(), 1u);
  EXPECT_EQ(second->tail.copy[0].header.batch, core::Batch{2});
  EXPECT_EQ(second->tail.base_index, core::Index{1});
  EXPECT_EQ(second->tail.last_index, core::Index{2});
}

TEST_F(HistoryTest, OfAnUnprovenEpochIsCopiedWithItsSeal) {
  auto first = TakeOver();
  ASSERT_TRUE(first->Write({"a"}).ok());
  ASSERT_TRUE(first->Write({"b"}).ok());
  auto second = TakeOver();  // nothing after its seal: nothing of it is proven
  auto third = TakeOver();
  EXPECT_EQ(third->seal.base_epoch, core::Epoch{1});
  EXPECT_EQ(third->seal.base_batches, 2u);
  EXPECT_EQ(third->seal.first_void, core::Epoch{2});
  EXPECT_EQ(third->tail.copy.size(), 2u);
  EXPECT_EQ(third->tail.copy.back().header.kind, RecordKind::kSeal);
  ASSERT_TRUE(third->Write({"c"}).ok());
  EXPECT_THAT(ReadAll(disk_), ElementsAre("a", "b", "c"));
  EXPECT_EQ(Resolve().ranges.size(), 2u);
}

TEST_F(HistoryTest, SurvivesManyTakeOversThatWroteNothing) {
  ASSERT_TRUE(TakeOver()->Write({"a"}).ok());
  for (int i = 0; i < 20; ++i) TakeOver();
  EXPECT_THAT(ReadAll(disk_), ElementsAre("a"));
}

TEST_F(HistoryTest, LeavesOutEpochsWithoutSeal) {
  ASSERT_TRUE(TakeOver()->Write({"a"}).ok());
  TakeOver({.seals = false});
  auto third = TakeOver();
  EXPECT_EQ(third->seal.base_epoch, core::Epoch{1});
  EXPECT_EQ(third->seal.first_void, core::Epoch{2});
  ASSERT_TRUE(third->Write({"b"}).ok());
  EXPECT_THAT(ReadAll(disk_), ElementsAre("a", "b"));
}

TEST_F(HistoryTest, LeavesOutWhatADeposedLeaderStillWrites) {
  auto deposed = TakeOver();
  ASSERT_TRUE(deposed->Write({"a"}).ok());
  auto leader = TakeOver();
  ASSERT_TRUE(deposed->Write({"lost"}).ok());
  ASSERT_TRUE(leader->Write({"b"}).ok());
  ASSERT_TRUE(deposed->Write({"lost too"}).ok());
  EXPECT_THAT(ReadAll(disk_), ElementsAre("a", "b"));
  TakeOver();
  EXPECT_THAT(ReadAll(disk_), ElementsAre("a", "b"));
}

TEST_F(HistoryTest, BelowAnEpochIgnoresIt) {
  ASSERT_TRUE(TakeOver()->Write({"a"}).ok());
  TakeOver();
  EXPECT_EQ(Resolve(2).ranges.size(), 1u);
  EXPECT_EQ(Resolve(2).ranges[0].epoch, core::Epoch{1});
  EXPECT_TRUE(Resolve(1).ranges.empty());
}

TEST_F(HistoryTest, SealedByIsWhatResolvingGives) {
  auto first = TakeOver();
  ASSERT_TRUE(first->Write({"a"}).ok());
  ASSERT_TRUE(first->Write({"b"}).ok());
  for (int i = 0; i < 3; ++i) {
    const History below = Resolve();
    auto leader = TakeOver();
    const History sealed = below.SealedBy(leader->seal);
    const History resolved = Resolve();
    ASSERT_EQ(sealed.ranges.size(), resolved.ranges.size());
    for (size_t r = 0; r < sealed.ranges.size(); ++r) {
      EXPECT_EQ(sealed.ranges[r].epoch, resolved.ranges[r].epoch);
      EXPECT_EQ(sealed.ranges[r].nonce, resolved.ranges[r].nonce);
      EXPECT_EQ(sealed.ranges[r].batches_end, resolved.ranges[r].batches_end);
    }
    EXPECT_EQ(sealed.first_index, resolved.first_index);
  }
}

TEST_F(HistoryTest, TailKnowsTimeAndCommittedIndex) {
  auto first = TakeOver();
  ASSERT_TRUE(first->Write({"a", "b"}).ok());
  first->Commit();
  ASSERT_TRUE(first->Write({"c"}).ok());
  auto second = TakeOver();
  EXPECT_EQ(second->tail.committed, core::Index{2});
  EXPECT_EQ(second->tail.last_time, 1003u);
}

TEST_F(HistoryTest, TailOpensNoFileTwice) {
  ASSERT_TRUE(TakeOver({.segment_bytes = 8192})->Write({"a"}).ok());
  auto second = TakeOver({.segment_bytes = 8192});
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(second->Note().ok());
  disk_.opens.clear();
  ASSERT_TRUE(ReadTail(disk_, kDir, second->epoch + 1).ok());
  EXPECT_THAT(disk_.opens, Each(Pair(_, 1)));
  EXPECT_GT(disk_.opens.size(), 2u);
}

TEST_F(HistoryTest, TailIsReadAgainWhenItsNewestSegmentVanishes) {
  auto first = TakeOver();
  ASSERT_TRUE(first->Write({"a"}).ok());
  auto second = TakeOver({.segment_bytes = 8192});
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(second->Note().ok());
  const auto epochs = ExamineEpochs(disk_, kDir, second->epoch + 1);
  ASSERT_TRUE(epochs.ok()) << epochs.status();
  ASSERT_GT(epochs->front().last, 0u);
  const SegmentName newest = epochs->front().name(epochs->front().last);
  int listed = 0;
  disk_.before = [&](const std::string&, const std::string& path) {
    const bool removes = path.ends_with("/log") && ++listed == 2;
    return removes ? disk_.Remove(newest.Path(kDir)) : absl::OkStatus();
  };
  const auto tail = ReadTail(disk_, kDir, second->epoch + 1);
  ASSERT_TRUE(tail.ok()) << tail.status();
  EXPECT_GT(listed, 2);
  EXPECT_EQ(tail->last_time, 1001u);
}

TEST_F(HistoryTest, TailFindsTheTimeOfTheLastInputInAnOlderEpoch) {
  auto first = TakeOver();
  ASSERT_TRUE(first->Write({"a"}).ok());
  ASSERT_TRUE(first->Note().ok());
  auto second = TakeOver();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(second->Note().ok());
  auto third = TakeOver();
  EXPECT_EQ(third->tail.last_time, 1001u);
  EXPECT_EQ(third->tail.last_index, core::Index{1});
}

TEST_F(HistoryTest, TailOfALongEpochIsReadFromItsLastSegment) {
  auto first = TakeOver({.segment_bytes = 16384});
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(first->Write({std::string(500, 'x')}).ok());
  disk_.before = [&](const std::string& operation, const std::string& path) {
    // The first segment is opened for its header; its records are not looked at.
    EXPECT_FALSE(operation == "read" && path == SegmentPath(*first, 3)) << path;
    return absl::OkStatus();
  };
  auto second = TakeOver();
  disk_.before = nullptr;
  EXPECT_EQ(second->tail.copy.size(), 1u);
  EXPECT_EQ(second->tail.last_index, core::Index{200});
}

TEST_F(HistoryTest, CopiesThatFillSeveralSegmentsCount) {
  auto first = TakeOver();
  ASSERT_TRUE(first->WriteUnsynced({std::string(30000, 'a')}).ok());
  auto second = TakeOver({.segment_bytes = 8192});
  EXPECT_TRUE(disk_.Has(SegmentPath(*second, 1)));
  auto third = TakeOver({.segment_bytes = 8192});
  ASSERT_TRUE(third->Write({"b"}).ok());
  ASSERT_TRUE(third->Write({"c"}).ok());
  TakeOver();
  EXPECT_THAT(ReadAll(disk_), ElementsAre(std::string(30000, 'a'), "b", "c"));
}

TEST_F(HistoryTest, ChainIsKnownAtTheEndOfEachRecord) {
  auto leader = TakeOver();
  ASSERT_TRUE(leader->Write({"a", "b"}).ok());
  const Chain at_two = leader->chain;
  ASSERT_TRUE(leader->Write({"c"}).ok());
  ASSERT_TRUE(TakeOver()->Note().ok());
  const History history = Resolve();
  auto chain = ChainAt(disk_, kDir, history, core::Index{2});
  ASSERT_TRUE(chain.ok()) << chain.status();
  EXPECT_EQ(*chain, at_two);
  EXPECT_EQ(*ChainAt(disk_, kDir, history, core::Index{0}), Chain{});
  EXPECT_TRUE(absl::IsNotFound(ChainAt(disk_, kDir, history, core::Index{1}).status()));
  EXPECT_TRUE(absl::IsNotFound(ChainAt(disk_, kDir, history, core::Index{4}).status()));
}

TEST_F(HistoryTest, RefusesTwoOwnersOfOneEpoch) {
  auto leader = TakeOver();
  ASSERT_TRUE(leader->Write({"a"}).ok());
  auto other = LogWriter::Start(disk_, {.dir = kDir, .name = "default/counter"}, core::Epoch{1}, 99,
                                core::Index{1}, {}, 5);
  ASSERT_TRUE(other.ok());
  const auto history = ResolveHistory(disk_, kDir, core::Epoch{2});
  EXPECT_TRUE(absl::IsDataLoss(history.status()));
  EXPECT_THAT(history.status().message(), HasSubstr("two owners"));
}

}  // namespace
}  // namespace semper::log
