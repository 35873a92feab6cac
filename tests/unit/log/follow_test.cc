// What a standby reads: which history is committed, what the log states, going on in newer epochs;
// and a take-over from a known place.
#include <algorithm>

#include "tests/unit/log/leader.h"
#include "tests/unit/log/memory_disk.h"

namespace semper::log {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FollowTest : public ::testing::Test {
 protected:
  FollowTest() { Create(disk_); }

  std::unique_ptr<Leader> TakeOver(Leader::Options options = {}) {
    auto leader = Leader::TakeOver(disk_, options);
    EXPECT_TRUE(leader.ok()) << leader.status();
    return *std::move(leader);
  }
  // With a segment for each record.
  std::unique_ptr<Leader> TakeOverInPieces() {
    return TakeOver({.profile = Profile::kShared, .segment_bytes = 8192});
  }
  static void Writes(Leader& leader, const std::vector<std::string>& texts) {
    for (const std::string& text : texts) ASSERT_TRUE(leader.Write({text}).ok());
  }
  History Resolve(core::Epoch below = core::Epoch{1000}) {
    auto history = ResolveHistory(disk_, kDir, below);
    EXPECT_TRUE(history.ok()) << history.status();
    return *std::move(history);
  }
  std::unique_ptr<HistoryReader> Open(const History& history, core::Index after = {}) {
    auto reader = HistoryReader::Open(disk_, kDir, history, after);
    EXPECT_TRUE(reader.ok()) << reader.status();
    return *std::move(reader);
  }
  // Newest epoch of the committed history; 0: none is.
  uint64_t Committed(const Leader& newest, core::Epoch known = {}) {
    auto history = ResolveCommitted(disk_, kDir, newest.epoch + 1, known);
    EXPECT_TRUE(history.ok()) << history.status();
    return history->has_value() ? Raw((*history)->ranges.back().epoch) : 0;
  }
  Lookout LookoutOf(const Leader& leader, uint64_t number = 0) {
    return {disk_,
            kDir,
            {.epoch = leader.epoch, .nonce = leader.nonce, .number = number},
            OpenMode::kReadFresh};
  }

  MemoryDisk disk_;
};

// ---- Lookout ----

TEST_F(FollowTest, ALookoutSeesWhatTheLastRecordStates) {
  auto leader = TakeOver();
  Writes(*leader, {"a", "b"});
  leader->Commit();
  Writes(*leader, {"c"});
  Lookout lookout = LookoutOf(*leader);
  auto stated = lookout.Look();
  ASSERT_TRUE(stated.ok()) << stated.status();
  EXPECT_EQ(stated->committed, 3u);  // the seal, a, b
  EXPECT_EQ(stated->seen, 4u);
}

TEST_F(FollowTest, ALookoutGoesOnWhereItWas) {
  auto leader = TakeOver();
  Lookout lookout = LookoutOf(*leader);
  ASSERT_TRUE(lookout.Look().ok());
  Writes(*leader, {"a"});
  EXPECT_EQ(lookout.Look()->seen, 2u);
}

TEST_F(FollowTest, ALookoutGoesOnInNewSegments) {
  auto leader = TakeOverInPieces();
  Lookout lookout = LookoutOf(*leader);
  ASSERT_TRUE(lookout.Look().ok());
  Writes(*leader, {"a", "b", "c", "d"});
  EXPECT_EQ(lookout.Look()->seen, 5u);
}

TEST_F(FollowTest, ALookoutBeginsAtAKnownPlace) {
  auto leader = TakeOver();
  Writes(*leader, {"a", "b"});
  auto reader = Open(Resolve());
  Drain(*reader);
  leader->Commit();
  Writes(*leader, {"c"});
  Lookout lookout(disk_, kDir, reader->place(), OpenMode::kReadFresh);
  auto stated = lookout.Look();
  ASSERT_TRUE(stated.ok()) << stated.status();
  EXPECT_EQ(stated->committed, 3u);
  EXPECT_EQ(stated->seen, 4u);
}

TEST_F(FollowTest, ALookoutSaysThatRetentionHasRemovedItsPlace) {
  auto leader = TakeOverInPieces();
  Lookout lookout = LookoutOf(*leader);
  ASSERT_TRUE(lookout.Look().ok());
  Writes(*leader, {"a", "b", "c"});
  for (uint64_t number = 0; number < 3; ++number)
    ASSERT_TRUE(disk_.Remove(SegmentPath(*leader, number)).ok());
  EXPECT_TRUE(absl::IsNotFound(lookout.Look().status()));
}

TEST_F(FollowTest, ALookoutSaysThatItsSegmentIsUsedAnew) {
  auto leader = TakeOver();
  Lookout lookout = LookoutOf(*leader);
  ASSERT_TRUE(lookout.Look().ok());
  // As its writer does: set aside, then overwritten from the beginning.
  const std::string path = SegmentPath(*leader, 0);
  ASSERT_TRUE(disk_.Rename(path, path + ".old").ok());
  auto& bytes = disk_.At(path + ".old");
  std::fill(bytes.begin(), bytes.end(), std::byte{0});
  EXPECT_TRUE(absl::IsNotFound(lookout.Look().status()));
}

// ---- ResolveCommitted ----

TEST_F(FollowTest, NothingIsCommittedBeforeARecordSaysSo) {
  auto leader = TakeOver();
  EXPECT_EQ(Committed(*leader), 0u);
  leader->Commit();
  Writes(*leader, {"a"});
  EXPECT_EQ(Committed(*leader), 1u);
}

TEST_F(FollowTest, ANewestSealThatNobodyStatesCommittedDoesNotCount) {
  auto first = TakeOver();
  first->Commit();
  Writes(*first, {"a"});
  auto second = TakeOver();
  EXPECT_EQ(Committed(*second), 1u);
  Writes(*second, {"b"});  // states nothing committed
  EXPECT_EQ(Committed(*second), 1u);
  second->Commit();
  Writes(*second, {"c"});
  EXPECT_EQ(Committed(*second), 2u);
}

TEST_F(FollowTest, ASealCountsWhenTheCallerKnowsThatItIsCommitted) {
  auto first = TakeOver();
  first->Commit();
  Writes(*first, {"a"});
  auto second = TakeOver();
  EXPECT_EQ(Committed(*second, second->epoch), 2u);
}

TEST_F(FollowTest, WhatALaterSegmentStatesCountsAsWell) {
  auto leader = TakeOverInPieces();
  Writes(*leader, {"a", "b", "c"});
  leader->Commit();
  Writes(*leader, {"d"});
  EXPECT_EQ(Committed(*leader), 1u);
}

// ---- HistoryReader::Continue ----

TEST_F(FollowTest, AReaderGoesOnInTheNextEpoch) {
  auto first = TakeOver();
  Writes(*first, {"a", "b"});
  auto reader = Open(Resolve());
  // b is not proven durable: it will stand among the copies.
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(reader->Next()->has_value());
  auto second = TakeOver();
  Writes(*second, {"c"});
  ASSERT_TRUE(reader->Continue(Resolve()).ok());
  EXPECT_THAT(Drain(*reader), ElementsAre("b", "c"));
  EXPECT_TRUE(reader->in_newest_range());
}

TEST_F(FollowTest, AReaderGoesOnOverVoidEpochs) {
  auto first = TakeOver();
  Writes(*first, {"a", "b"});
  auto reader = Open(Resolve());
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(reader->Next()->has_value());
  TakeOver({.seals = false});
  auto third = TakeOver();
  Writes(*third, {"c"});
  ASSERT_TRUE(reader->Continue(Resolve()).ok());
  EXPECT_THAT(Drain(*reader), ElementsAre("b", "c"));
}

TEST_F(FollowTest, AReaderOfAnEpochThatBecameVoidHasToBeginAnew) {
  auto first = TakeOver();
  Writes(*first, {"a", "b"});
  auto second = TakeOver();  // sealed, and nothing of it is proven
  auto reader = Open(Resolve());
  EXPECT_THAT(Drain(*reader), ElementsAre("a", "b"));
  TakeOver();
  EXPECT_TRUE(absl::IsFailedPrecondition(reader->Continue(Resolve())));
}

TEST_F(FollowTest, AReaderBehindTheBaseHasToBeginAnew) {
  auto first = TakeOver();
  Writes(*first, {"a", "b"});
  auto reader = Open(Resolve());
  EXPECT_THAT(Drain(*reader), ElementsAre("a", "b"));  // b is not proven
  TakeOver();
  EXPECT_TRUE(absl::IsFailedPrecondition(reader->Continue(Resolve())));
}

TEST_F(FollowTest, AReaderAtTheBaseGoesOn) {
  auto first = TakeOver();
  Writes(*first, {"a", "b"});
  ASSERT_TRUE(first->Note().ok());  // proves b
  auto reader = Open(Resolve());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(reader->Next()->has_value());
  auto second = TakeOver();
  Writes(*second, {"c"});
  ASSERT_TRUE(reader->Continue(Resolve()).ok());
  EXPECT_THAT(Drain(*reader), ElementsAre("c"));
}

// ---- ReadTail from a known place ----

class KnownPlace : public FollowTest, public ::testing::WithParamInterface<Profile> {
 protected:
  std::unique_ptr<Leader> Begin() {
    return GetParam() == Profile::kShared ? TakeOverInPieces() : TakeOver();
  }
  Tail Read(const LogPlace& known) {
    auto tail = ReadTail(disk_, kDir, core::Epoch{2}, known);
    EXPECT_TRUE(tail.ok()) << tail.status();
    return *std::move(tail);
  }
};

TEST_P(KnownPlace, WithinWhatIsProvenChangesNothing) {
  auto leader = Begin();
  Writes(*leader, {"a", "b"});
  auto reader = Open(Resolve());
  Drain(*reader);
  const LogPlace known = reader->place();
  Writes(*leader, {"c", "d", "e"});
  const Tail all = Read({});
  const Tail rest = Read(known);
  EXPECT_EQ(rest.base_epoch, all.base_epoch);
  EXPECT_EQ(rest.base_batches, all.base_batches);
  EXPECT_EQ(rest.base_chain, all.base_chain);
  EXPECT_EQ(rest.base_index, all.base_index);
  EXPECT_EQ(rest.first_void, all.first_void);
  EXPECT_EQ(rest.copy.size(), all.copy.size());
  EXPECT_EQ(rest.last_index, all.last_index);
  EXPECT_EQ(rest.chain, all.chain);
}

TEST_P(KnownPlace, BeyondWhatIsProvenNeedsNoCopyOfWhatIsBeforeIt) {
  auto leader = Begin();
  Writes(*leader, {"a", "b"});
  auto reader = Open(Resolve());
  Drain(*reader);
  const Tail rest = Read(reader->place());
  EXPECT_THAT(rest.copy, IsEmpty());
  EXPECT_EQ(rest.base_batches, 3u);
  EXPECT_EQ(rest.base_index, core::Index{2});
  EXPECT_EQ(rest.chain, leader->chain);
}

TEST_P(KnownPlace, OfAnotherEpochIsPassedOver) {
  auto leader = Begin();
  Writes(*leader, {"a", "b"});
  LogPlace known = Open(Resolve())->place();
  known.epoch = core::Epoch{7};
  EXPECT_EQ(Read(known).copy.size(), Read({}).copy.size());
}

INSTANTIATE_TEST_SUITE_P(, KnownPlace, ::testing::Values(Profile::kLocal, Profile::kShared));

}  // namespace
}  // namespace semper::log
