// HistoryReader: beginning in the middle, and following a log that is being written.
#include <set>
#include <string>

#include "sidecar/log/segment.h"
#include "tests/unit/log/leader.h"
#include "tests/unit/log/memory_disk.h"

namespace semper::log {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class HistoryReaderTest : public ::testing::Test {
 protected:
  HistoryReaderTest() { Create(disk_); }

  std::unique_ptr<Leader> TakeOver(Leader::Options options = {}) {
    return *Leader::TakeOver(disk_, options);
  }
  std::unique_ptr<HistoryReader> Open(core::Index after) {
    auto history = ResolveHistory(disk_, kDir, core::Epoch{UINT64_MAX});
    EXPECT_TRUE(history.ok()) << history.status();
    auto reader = HistoryReader::Open(disk_, kDir, *history, after);
    EXPECT_TRUE(reader.ok()) << reader.status();
    return *std::move(reader);
  }

  MemoryDisk disk_;
};

TEST_F(HistoryReaderTest, BeginsWithTheRecordThatReachesBeyond) {
  for (int epoch = 0; epoch < 3; ++epoch) {
    auto leader = TakeOver({.segment_bytes = 8192});
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(leader->Write({std::to_string(Raw(leader->next)), std::string(900, 'x')}).ok());
      ASSERT_TRUE(leader->Note().ok());
    }
  }
  const std::vector<std::string> all = ReadAll(disk_);
  ASSERT_EQ(all.size(), 60u);
  for (uint64_t after = 0; after < 60; ++after) {
    auto reader = Open(core::Index{after});
    auto record = reader->Next();
    ASSERT_TRUE(record.ok() && record->has_value()) << after;
    if (after == 0) continue;  // the seal
    EXPECT_LE(Raw((*record)->header.first_index), after + 1);
    EXPECT_GE(Raw(reader->index()), after + 1);
    const std::vector<std::string> rest = Drain(*reader);
    EXPECT_EQ(rest,
              std::vector<std::string>(
                  all.begin() + static_cast<ptrdiff_t>(Raw((*record)->header.first_index) + 1),
                  all.end()));
  }
}

TEST_F(HistoryReaderTest, BeyondTheEndWaitsForTheNextInput) {
  auto leader = TakeOver();
  ASSERT_TRUE(leader->Write({"a"}).ok());
  ASSERT_TRUE(leader->Note().ok());
  auto reader = Open(core::Index{1});
  EXPECT_THAT(Drain(*reader), IsEmpty());
  EXPECT_EQ(reader->chain(), leader->chain);  // passed over up to the end
  ASSERT_TRUE(leader->Note().ok());
  ASSERT_TRUE(leader->Write({"b"}).ok());
  EXPECT_THAT(Drain(*reader), ElementsAre("b"));
}

TEST_F(HistoryReaderTest, ReturnsNotesAndSeals) {
  auto leader = TakeOver();
  ASSERT_TRUE(leader->Note().ok());
  ASSERT_TRUE(leader->Note().ok());
  TakeOver();
  auto reader = Open(core::Index{0});
  std::vector<RecordKind> kinds;
  std::vector<uint64_t> epochs;
  while (true) {
    auto record = reader->Next();
    ASSERT_TRUE(record.ok());
    if (!record->has_value()) break;
    kinds.push_back((*record)->header.kind);
    epochs.push_back(Raw((*record)->segment_epoch));
  }
  EXPECT_THAT(kinds, ElementsAre(RecordKind::kSeal, RecordKind::kNote, RecordKind::kNote,
                                 RecordKind::kSeal));
  EXPECT_THAT(epochs, ElementsAre(1, 1, 2, 2));
}

TEST_F(HistoryReaderTest, FollowsTheLogWhileItIsWritten) {
  auto leader = TakeOver({.segment_bytes = 16384});
  auto reader = Open(core::Index{0});
  EXPECT_THAT(Drain(*reader), IsEmpty());
  for (int i = 0; i < 100; ++i) {
    const bool wants = leader->writer->WantsSpare() && i % 3 == 0;
    ASSERT_TRUE(!wants || leader->writer->PrepareSpare().ok());
    const std::string text(static_cast<size_t>(100 + 37 * i), 'x');
    ASSERT_TRUE(leader->Write({text}).ok());
    ASSERT_THAT(Drain(*reader), ElementsAre(text)) << i;
    ASSERT_EQ(reader->chain(), leader->chain);
    ASSERT_THAT(Drain(*reader), IsEmpty());
  }
  EXPECT_TRUE(disk_.Has(SegmentPath(*leader, 5)));
}

TEST_F(HistoryReaderTest, CatchesUpOverSeveralSegments) {
  auto leader = TakeOver({.segment_bytes = 16384});
  auto reader = Open(core::Index{0});
  Drain(*reader);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(leader->Write({std::string(3000, 'x')}).ok());
  EXPECT_EQ(Drain(*reader).size(), 50u);
}

// On a shared volume each of these is a request, and customers of a new leader wait for them.
TEST_F(HistoryReaderTest, BeginsAtAKnownPlaceAndLooksAtNothingElse) {
  auto first = TakeOver({.segment_bytes = 16384});
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(first->Write({std::string(3000, 'x')}).ok());
  const LogPlace known = [&] {
    auto reader = Open(core::Index{0});
    Drain(*reader);
    return reader->place();
  }();
  ASSERT_GT(known.number, 2u);
  ASSERT_TRUE(first->Write({"unproven"}).ok());
  auto second = TakeOver();
  ASSERT_TRUE(second->Write({"a"}).ok());
  const auto history = ResolveHistory(disk_, kDir, core::Epoch{UINT64_MAX});
  ASSERT_TRUE(history.ok()) << history.status();
  std::set<std::string> looked;
  disk_.before = [&](const std::string&, const std::string& path) {
    looked.insert(path);
    return absl::OkStatus();
  };
  auto reader =
      HistoryReader::Open(disk_, kDir, *history, core::Index{20}, OpenMode::kReadFresh, known);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_THAT(Drain(**reader), ElementsAre("unproven", "a"));
  EXPECT_EQ((*reader)->index(), core::Index{22});
  EXPECT_EQ((*reader)->chain(), second->chain);
  EXPECT_FALSE(looked.contains(SegmentPath(*first, 0)));
  EXPECT_FALSE(looked.contains(absl::StrCat(kDir, "/log")));
}

TEST_F(HistoryReaderTest, BeginsElsewhereIfAKnownPlaceLiesBeyondOrInNoHistory) {
  auto first = TakeOver();
  ASSERT_TRUE(first->Write({"a"}).ok());
  ASSERT_TRUE(first->Write({"b"}).ok());
  auto ahead = Open(core::Index{0});
  Drain(*ahead);
  LogPlace known = ahead->place();
  const auto history = ResolveHistory(disk_, kDir, core::Epoch{UINT64_MAX});
  ASSERT_TRUE(history.ok()) << history.status();
  const auto read = [&] {
    auto reader =
        HistoryReader::Open(disk_, kDir, *history, core::Index{1}, OpenMode::kReadFresh, known);
    return reader.ok() ? Drain(**reader) : std::vector<std::string>{reader.status().ToString()};
  };
  EXPECT_THAT(read(), ElementsAre("b"));
  known.nonce ^= 1;
  known.next_index = core::Index{1};
  EXPECT_THAT(read(), ElementsAre("b"));
}

TEST_F(HistoryReaderTest, DoesNotReturnARecordThatIsNotCompletelyThere) {
  auto leader = TakeOver();
  auto reader = Open(core::Index{0});
  Drain(*reader);
  const std::string path = SegmentPath(*leader, 0);
  const size_t before = disk_.At(path).size();
  ASSERT_TRUE(leader->Write({std::string(3000, 'x')}).ok());
  const MemoryDisk::Bytes complete = disk_.At(path);
  for (size_t bytes : {before, before + 1, before + 96, before + 2000, complete.size() - 200}) {
    disk_.At(path).resize(bytes);
    disk_.At(path).resize(complete.size());  // zeroes: not yet written
    EXPECT_THAT(Drain(*reader), IsEmpty()) << bytes;
    disk_.At(path).resize(bytes);  // not yet grown
    EXPECT_THAT(Drain(*reader), IsEmpty()) << bytes;
  }
  disk_.At(path) = complete;
  EXPECT_EQ(Drain(*reader).size(), 1u);
}

TEST_F(HistoryReaderTest, SeesTheEndOfASegmentThatWasWrittenSinceItLooked) {
  auto leader = TakeOver({.segment_bytes = 16384});
  auto reader = Open(core::Index{0});
  Drain(*reader);
  bool done = false;
  disk_.before = [&](const std::string&, const std::string& path) {
    // Between the look at the current place and the one at the next segment the leader fills this
    // segment and rolls.
    if (path == SegmentPath(*leader, 1) && !done) {
      done = true;
      EXPECT_TRUE(leader->Write({"a"}).ok());
      EXPECT_TRUE(leader->Write({std::string(20000, 'b')}).ok());
    }
    return absl::OkStatus();
  };
  EXPECT_THAT(Drain(*reader), ElementsAre("a", std::string(20000, 'b')));
  EXPECT_TRUE(done);
}

TEST_F(HistoryReaderTest, ReadsRecordsLargerThanItsWindow) {
  auto leader = TakeOver();
  std::vector<std::string> texts;
  for (size_t size : {100u, 3'000'000u, 50u, 1'048'576u, 5'000'000u, 10u})
    texts.emplace_back(size, 'x');
  for (const std::string& text : texts) ASSERT_TRUE(leader->Write({text}).ok());
  EXPECT_EQ(ReadAll(disk_), texts);
}

TEST_F(HistoryReaderTest, MissesWhatIsExpectedLoudly) {
  auto leader = TakeOver();
  ASSERT_TRUE(leader->Write({"a"}).ok());
  auto reader = Open(core::Index{0});
  Drain(*reader);
  reader->Expect(2);
  EXPECT_THAT(Drain(*reader), IsEmpty());
  reader->Expect(3);
  auto record = reader->Next();
  EXPECT_TRUE(absl::IsDataLoss(record.status()));
  EXPECT_THAT(record.status().message(), HasSubstr(SegmentPath(*leader, 0)));
  EXPECT_THAT(record.status().message(), HasSubstr("offset"));
}

TEST_F(HistoryReaderTest, OfAnEmptyHistoryHasNothing) {
  auto reader = Open(core::Index{0});
  EXPECT_THAT(Drain(*reader), IsEmpty());
  EXPECT_EQ(reader->index(), core::Index{0});
  EXPECT_TRUE(reader->CheckEnd().ok());
}

}  // namespace
}  // namespace semper::log
