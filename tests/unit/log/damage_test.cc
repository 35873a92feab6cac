// Torn or damaged: what a crash leaves is the end of history, what the disk lost or changed later
// is an error.
#include "sidecar/log/segment.h"
#include "tests/unit/log/leader.h"
#include "tests/unit/log/memory_disk.h"

namespace semper::log {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DamageTest : public ::testing::Test {
 protected:
  DamageTest() {
    Create(disk_);
    leader_ = *Leader::TakeOver(disk_, {.segment_bytes = 16384});
  }

  // Writes one batch; returns where its record stands in segment 0.
  size_t Write(const std::string& text) {
    const size_t at = disk_.At(path()).size();
    EXPECT_TRUE(leader_->Write({text}).ok());
    return at;
  }
  std::string path() { return SegmentPath(*leader_, 0); }
  void Flip(size_t at) { disk_.At(path())[at] ^= std::byte{0x10}; }
  void Zero(size_t from, size_t to) {
    std::fill(disk_.At(path()).begin() + static_cast<ptrdiff_t>(from),
              disk_.At(path()).begin() + static_cast<ptrdiff_t>(to), std::byte{0});
  }
  absl::Status TailStatus() { return ReadTail(disk_, kDir, core::Epoch{2}).status(); }
  void ExpectDamageAt(size_t offset) {
    for (const absl::Status& s : {TailStatus(), CheckedEnd()}) {
      EXPECT_TRUE(absl::IsDataLoss(s)) << s;
      EXPECT_THAT(s.message(), HasSubstr(absl::StrCat(path(), ", offset ", offset, ":")));
    }
  }
  // What verifying the whole log says.
  absl::Status CheckedEnd() {
    auto history = ResolveHistory(disk_, kDir, core::Epoch{2});
    if (!history.ok()) return history.status();
    auto reader = HistoryReader::Open(disk_, kDir, *history, core::Index{0});
    if (!reader.ok()) return reader.status();
    while (true) {
      auto record = (*reader)->Next();
      if (!record.ok()) return record.status();
      if (!record->has_value()) return (*reader)->CheckEnd();
    }
  }
  void ExpectTorn(const std::vector<std::string>& remain) {
    EXPECT_TRUE(TailStatus().ok()) << TailStatus();
    EXPECT_TRUE(CheckedEnd().ok()) << CheckedEnd();
    EXPECT_EQ(ReadAll(disk_), remain);
    ASSERT_TRUE(Leader::TakeOver(disk_).ok());
    EXPECT_EQ(ReadAll(disk_), remain);
  }

  MemoryDisk disk_;
  std::unique_ptr<Leader> leader_;
};

TEST_F(DamageTest, LastRecordWithAHoleIsATornTail) {
  Write("a");
  const size_t b = Write(std::string(1000, 'b'));
  Zero(b + 500, b + 600);
  ExpectTorn({"a"});
}

TEST_F(DamageTest, LastRecordWithoutHeaderIsATornTail) {
  Write("a");
  const size_t b = Write(std::string(1000, 'b'));
  Zero(b, b + 512);
  ExpectTorn({"a"});
}

TEST_F(DamageTest, LastRecordCutOffIsATornTail) {
  Write("a");
  const size_t b = Write(std::string(1000, 'b'));
  for (size_t bytes : {b + 900, b + 96, b + 50, b}) {
    disk_.At(path()).resize(bytes);
    EXPECT_EQ(ReadAll(disk_), std::vector<std::string>{"a"});
  }
  ExpectTorn({"a"});
}

TEST_F(DamageTest, FlippedBodyWithARecordBehindItIsDamage) {
  const size_t a = Write("a");
  Write("b");
  Flip(a + 96 + 20);
  ExpectDamageAt(a);
}

TEST_F(DamageTest, FlippedHeaderWithARecordBehindItIsDamage) {
  const size_t a = Write("a");
  Write("b");
  Flip(a + 50);
  ExpectDamageAt(a);
}

TEST_F(DamageTest, LostRangeWithARecordBehindItIsDamage) {
  const size_t a = Write(std::string(3000, 'a'));
  Write(std::string(3000, 'b'));
  const size_t c = Write("c");
  Zero(a, c);
  ExpectDamageAt(a);
}

TEST_F(DamageTest, InvalidEndOfASegmentThatHasASuccessorIsDamage) {
  const size_t a = Write(std::string(9000, 'a'));
  Write(std::string(9000, 'b'));  // in segment 1
  ASSERT_TRUE(disk_.Has(SegmentPath(*leader_, 1)));
  Flip(a + 100);
  auto history = ResolveHistory(disk_, kDir, core::Epoch{2});
  auto reader = HistoryReader::Open(disk_, kDir, *history, core::Index{0});
  ASSERT_TRUE((*reader)->Next().ok());
  auto record = (*reader)->Next();
  EXPECT_TRUE(absl::IsDataLoss(record.status()));
  EXPECT_THAT(record.status().message(), HasSubstr(absl::StrCat(path(), ", offset ", a, ":")));
}

TEST_F(DamageTest, BelowASealIsDamageAlsoWithNothingBehindIt) {
  Write("a");
  const size_t b = Write("b");
  ASSERT_TRUE(Leader::TakeOver(disk_).ok());  // its base is (epoch 1, batches below 2)
  Zero(b, disk_.At(path()).size());
  ASSERT_THAT(ReadAll(disk_), ElementsAre("a", "b"));  // b was copied
  Flip(b - 20);
  Flip(b - 100);
  EXPECT_THAT(ReadAll(disk_).back(), HasSubstr("DATA_LOSS"));
}

TEST_F(DamageTest, OfTheSealIsFoundByWhatIsBehindIt) {
  Write("a");
  Flip(4096 + 100);
  EXPECT_TRUE(absl::IsDataLoss(TailStatus()));
  EXPECT_TRUE(absl::IsDataLoss(ResolveHistory(disk_, kDir, core::Epoch{2}).status()));
}

TEST_F(DamageTest, SealTornInACrashIsNoSeal) {
  Flip(4096 + 100);
  auto history = ResolveHistory(disk_, kDir, core::Epoch{2});
  ASSERT_TRUE(history.ok());
  EXPECT_TRUE(history->ranges.empty());
}

TEST_F(DamageTest, OfACopyIsFoundByTheSealBehindIt) {
  Write("a");
  auto next = *Leader::TakeOver(disk_);
  ASSERT_GE(next->tail.copy.size(), 1u);
  disk_.At(SegmentPath(*next, 0))[4096 + 100] ^= std::byte{1};
  const absl::Status s = ResolveHistory(disk_, kDir, core::Epoch{3}).status();
  EXPECT_TRUE(absl::IsDataLoss(s));
  EXPECT_THAT(s.message(), HasSubstr(absl::StrCat(SegmentPath(*next, 0), ", offset 4096:")));
}

TEST_F(DamageTest, OfASegmentHeaderIsFoundByTheRecordBehindIt) {
  Write("a");
  Flip(30);
  const absl::Status s = TailStatus();
  EXPECT_TRUE(absl::IsDataLoss(s));
  EXPECT_THAT(s.message(), HasSubstr(absl::StrCat(path(), ", offset 0:")));
}

TEST_F(DamageTest, HeaderTornInACrashIsASegmentNeverUsed) {
  ASSERT_TRUE(leader_->Write({"a"}).ok());
  auto next = *Leader::TakeOver(disk_, {.seals = false});
  MemoryDisk::Bytes& bytes = disk_.At(SegmentPath(*next, 0));
  bytes.resize(4096);
  std::fill(bytes.begin() + 100, bytes.end(), std::byte{0});
  EXPECT_THAT(ReadAll(disk_), ElementsAre("a"));
  ASSERT_TRUE(Leader::TakeOver(disk_).ok());
  EXPECT_THAT(ReadAll(disk_), ElementsAre("a"));
}

TEST_F(DamageTest, MissingSegmentInTheMiddleIsDamage) {
  for (int i = 0; i < 6; ++i) Write(std::string(9000, 'a'));
  ASSERT_TRUE(disk_.Remove(SegmentPath(*leader_, 2)).ok());
  EXPECT_THAT(ReadAll(disk_).back(), HasSubstr("is missing"));
}

TEST_F(DamageTest, PayloadThatLooksLikeAnOlderRecordDoesNotMakeATornTailDamage) {
  const size_t a = Write("a");
  // A message that carries the record of "a", placed where a record of this segment could begin.
  const size_t in_body = kRecordHeaderBytes + core::kFrameHeaderBytes;
  const size_t shift = (64 - in_body % 64) % 64;
  const std::string record(AsText(disk_.At(path())).substr(a));
  const size_t b = Write(std::string(shift, 'x') + record);
  ASSERT_EQ(AsText(disk_.At(path())).substr(b + in_body + shift, record.size()), record);
  ASSERT_EQ((b + in_body + shift) % 64, 0u);
  Zero(b, b + 96);
  ExpectTorn({"a"});
}

TEST_F(DamageTest, APlaceFilledWhileItIsReadIsNoDamage) {
  Write("a");
  const size_t b = Write("b");
  Write("c");
  const MemoryDisk::Bytes written = disk_.At(path());
  int reads = 0;
  for (int moment = 1;; ++moment) {
    Zero(b, b + 96);
    reads = 0;
    disk_.before = [&](const std::string& operation, const std::string& p) {
      // A deposed leader that still writes: "b" appears now; "c", behind it, may have been seen
      // already.
      if (operation == "read" && p == path() && ++reads == moment) disk_.At(path()) = written;
      return absl::OkStatus();
    };
    auto tail = ReadTail(disk_, kDir, core::Epoch{2});
    disk_.before = nullptr;
    if (reads < moment) break;  // never filled: damage
    ASSERT_TRUE(tail.ok()) << moment << ": " << tail.status();
    EXPECT_EQ(tail->last_index, core::Index{3}) << moment;
  }
  EXPECT_GE(reads, 4);
}

}  // namespace
}  // namespace semper::log
