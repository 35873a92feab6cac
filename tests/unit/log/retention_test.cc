#include "sidecar/log/retention.h"

#include <algorithm>

#include "tests/unit/log/leader.h"
#include "tests/unit/log/memory_disk.h"

namespace semper::log {
namespace {

using ::testing::HasSubstr;

class RetentionTest : public ::testing::Test {
 protected:
  RetentionTest() {
    Create(disk_);
    // Three epochs of several segments, a void epoch, a prepared segment that was never used.
    for (int epoch = 0; epoch < 3; ++epoch) {
      leader_ = *Leader::TakeOver(disk_, {.segment_bytes = 8192});
      for (int i = 0; i < 12; ++i)
        EXPECT_TRUE(leader_->Write({std::string(1000, static_cast<char>('a' + epoch))}).ok());
      EXPECT_TRUE(leader_->writer->PrepareSpare().ok());
      EXPECT_TRUE(epoch != 1 || Leader::TakeOver(disk_, {.seals = false}).ok());
    }
    own_ = leader_->epoch;
    last_ = Raw(leader_->next) - 1;
  }

  History Resolve() {
    auto history = ResolveHistory(disk_, kDir, core::Epoch{Raw(own_) + 1});
    EXPECT_TRUE(history.ok()) << history.status();
    return history.ok() ? *history : History{};
  }
  std::vector<SegmentInfo> Plan(uint64_t oldest) {
    return PlanTruncation(*ListSegments(disk_, kDir), Resolve(), own_, core::Index{oldest});
  }
  // That the log still serves a checkpoint at `oldest`, and a take-over.
  void ExpectCovers(uint64_t oldest, const std::vector<std::string>& all) {
    const std::vector<std::string> rest = ReadAll(disk_, core::Index{oldest});
    ASSERT_EQ(rest.size(), last_ - oldest) << rest.front();
    EXPECT_TRUE(std::equal(rest.begin(), rest.end(), all.begin() + static_cast<ptrdiff_t>(oldest)));
    EXPECT_TRUE(ChainAt(disk_, kDir, Resolve(), core::Index{oldest}).ok());
  }

  MemoryDisk disk_;
  std::unique_ptr<Leader> leader_;
  core::Epoch own_{};
  uint64_t last_ = 0;
};

TEST_F(RetentionTest, KeepsEveryInputBehindTheOldestCheckpoint) {
  const std::vector<std::string> all = ReadAll(disk_);
  size_t removed = 0;
  for (uint64_t oldest = 0; oldest <= last_; ++oldest) {
    const std::vector<SegmentInfo> plan = Plan(oldest);
    removed += plan.size();
    ASSERT_TRUE(Truncate(disk_, kDir, plan).ok());
    ExpectCovers(oldest, all);
  }
  EXPECT_GE(removed, 10u);
  EXPECT_LE(ListSegments(disk_, kDir)->size(), 2u);  // the current one and its spare
  auto next = Leader::TakeOver(disk_, {.segment_bytes = 8192});
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ((*next)->tail.last_index, core::Index{last_});
}

TEST_F(RetentionTest, AtOnceRemovesAllThatIsCovered) {
  const std::vector<std::string> all = ReadAll(disk_);
  auto freed = Truncate(disk_, kDir, Plan(last_));
  ASSERT_TRUE(freed.ok());
  EXPECT_GE(*freed, 36000u);
  ExpectCovers(last_, all);
}

TEST_F(RetentionTest, SurvivesACrashAfterEveryStep) {
  const std::vector<std::string> all = ReadAll(disk_);
  const uint64_t oldest = last_ - 5;
  for (int steps = 0;; ++steps) {
    const std::vector<SegmentInfo> plan = Plan(oldest);
    if (plan.empty()) break;
    int count = 0;
    disk_.before = [&](const std::string& operation, const std::string&) {
      return operation != "read" && ++count > 1 + steps % 3 ? absl::AbortedError("killed")
                                                            : absl::OkStatus();
    };
    Truncate(disk_, kDir, plan).IgnoreError();
    disk_.Crash();
    ExpectCovers(oldest, all);
    ASSERT_LT(steps, 100);
  }
}

// Found by the simulator (seed 22): a restart of the volume's server took the removal back, and its
// error was told to the sync of a new segment's name.
TEST_F(RetentionTest, ARemovalThatIsTakenBackKeepsWhatLiesBehind) {
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(leader_->Write({std::string(1000, 'z')}).ok());
  last_ += 40;
  const std::vector<std::string> all = ReadAll(disk_);
  const std::vector<SegmentInfo> plan = Plan(last_ - 1);
  ASSERT_GT(plan.size(), 2u);
  const SegmentInfo& first = plan.end()[-2];
  ASSERT_EQ(first.epoch, plan.back().epoch);
  bool removed = false;
  disk_.before = [&](const std::string& operation, const std::string& path) {
    if (operation == "remove" && path.ends_with(first.file)) removed = true;
    if (operation == "syncdir" && removed) disk_.Crash();
    return absl::OkStatus();
  };
  const auto freed = Truncate(disk_, kDir, plan);
  EXPECT_TRUE(absl::IsUnavailable(freed.status())) << freed.status();
  ExpectCovers(last_ - 1, all);
  EXPECT_TRUE(Truncate(disk_, kDir, Plan(last_ - 1)).ok());
  ExpectCovers(last_ - 1, all);
}

// Found by the simulator (seed 202409): an unused spare went, its writer slept, woke, and began the
// segment behind it.
TEST_F(RetentionTest, ADeposedWriterThatWakesMakesNoHole) {
  auto next = *Leader::TakeOver(disk_, {.segment_bytes = 8192});
  own_ = next->epoch;
  ASSERT_TRUE(next->Write({"of the newer epoch"}).ok());
  ++last_;
  const std::vector<std::string> all = ReadAll(disk_);
  const std::vector<SegmentInfo> plan = Plan(last_ - 4);
  ASSERT_FALSE(plan.empty());
  ASSERT_TRUE(Truncate(disk_, kDir, plan).ok());
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(leader_->Write({std::string(1000, 'z')}).ok());
  ExpectCovers(last_ - 4, all);
}

TEST_F(RetentionTest, RemovesNothingBehindWhatStaysOfItsEpoch) {
  const History history = Resolve();
  const std::vector<SegmentInfo> plan = Plan(0);
  EXPECT_FALSE(plan.empty()) << "the void epoch goes";
  for (const SegmentInfo& s : plan) {
    EXPECT_LT(s.epoch, own_);
    for (const EpochRange& range : history.ranges) EXPECT_NE(s.epoch, range.epoch) << s.file;
  }
}

TEST_F(RetentionTest, RemovesWhatVoidEpochsAndUnusedSparesLeft) {
  const History history = Resolve();
  size_t unused = 0;
  size_t of_void = 0;
  for (const SegmentInfo& s : Plan(last_)) {
    if (s.epoch == own_) continue;
    const auto range = std::find_if(history.ranges.begin(), history.ranges.end(),
                                    [&](const EpochRange& r) { return r.epoch == s.epoch; });
    if (!s.used) ++unused;
    if (s.used && range == history.ranges.end()) ++of_void;
  }
  EXPECT_EQ(unused, 2u);
  EXPECT_EQ(of_void, 1u);
}

TEST_F(RetentionTest, ReadingBeforeWhatIsRetainedIsRefused) {
  ASSERT_TRUE(Truncate(disk_, kDir, Plan(20)).ok());
  const History history = Resolve();
  EXPECT_GT(Raw(history.first_index), 1u);
  auto reader = HistoryReader::Open(disk_, kDir, history, core::Index{0});
  EXPECT_TRUE(absl::IsNotFound(reader.status()));
  EXPECT_THAT(reader.status().message(), HasSubstr("begin from a checkpoint"));
  reader = HistoryReader::Open(disk_, kDir, history, core::Index{Raw(history.first_index) - 1});
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(Drain(**reader).size(), last_ + 1 - Raw(history.first_index));
}

TEST_F(RetentionTest, RemovesNothingFromASegmentOnThatCannotBeRead) {
  const std::string victim = Plan(last_)[0].file;
  disk_.At(absl::StrCat(kDir, "/log/", victim))[40] ^= std::byte{1};
  const auto segments = *ListSegments(disk_, kDir);
  EXPECT_EQ(segments[0].file, victim);
  EXPECT_THAT(segments[0].problem, HasSubstr(victim));
  const History history{.ranges = {{.epoch = own_, .nonce = leader_->nonce}}};
  EXPECT_TRUE(PlanTruncation(segments, history, own_, core::Index{last_}).empty());
}

TEST_F(RetentionTest, KeepsTheWholeOwnEpochAsLongAsNothingOfItIsProven) {
  // Copies fill several segments, and the leader commits its seal without any later record.
  ASSERT_TRUE(leader_->WriteUnsynced({std::string(30000, 'x')}).ok());
  ++last_;
  auto next = *Leader::TakeOver(disk_, {.segment_bytes = 8192});
  ASSERT_TRUE(disk_.Has(SegmentPath(*next, 1)));
  own_ = next->epoch;
  ASSERT_TRUE(Truncate(disk_, kDir, Plan(last_)).ok());
  auto after = Leader::TakeOver(disk_, {.segment_bytes = 8192});
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ((*after)->tail.last_index, core::Index{last_});
}

// Found by the simulator (seed 2763): segment 1 went, segment 0 stayed, history had a hole.
TEST(PlanTruncation, ASegmentThatHoldsOnlyCopiesGoesBeforeWhatIsBehindIt) {
  const core::Epoch own{2};
  const auto segment = [&](uint64_t number, uint64_t next_index, uint64_t first_batch) {
    SegmentInfo info;
    info.file = std::to_string(number);
    info.epoch = own;
    info.number = number;
    info.next_index = core::Index{next_index};
    info.used = true;
    info.first_batch = first_batch;
    return info;
  };
  // Segment 0: copies; 1: the seal and more; 2 and 3: batches.
  const std::vector<SegmentInfo> all = {segment(0, 1, 0), segment(1, 5, 0), segment(2, 20, 7),
                                        segment(3, 40, 9)};
  History history;
  history.ranges = {{own, 0, UINT64_MAX}};
  const auto files = [&](uint64_t oldest) {
    std::string names;
    for (const SegmentInfo& s : PlanTruncation(all, history, own, core::Index{oldest}))
      names += s.file;
    return names;
  };
  EXPECT_EQ(files(10), "");
  EXPECT_EQ(files(19), "01");
  EXPECT_EQ(files(39), "012");
}

}  // namespace
}  // namespace semper::log
