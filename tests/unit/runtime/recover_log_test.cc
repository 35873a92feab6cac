#include "sidecar/log/segment.h"
#include "tests/unit/runtime/small_log.h"

namespace semper::runtime {
namespace {

class RecoverLogTest : public SmallLog {
 protected:
  void WriteCheckpoint(const checkpoint::CheckpointHeader& header) {
    auto writer = checkpoint::CheckpointWriter::Create(disk_, kDir, header, 1);
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE((*writer)->SetService({}).ok());
    ASSERT_TRUE((*writer)->Finish().ok());
    ASSERT_TRUE((*writer)->Publish().ok());
  }
  absl::StatusOr<RecoveredLog> Recover(uint64_t last) {
    return RecoverLog(disk_, kDir, history_, core::Incarnation{}, core::Index{last});
  }
};

TEST_F(RecoverLogTest, TakesTheNewestCheckpointThatFits) {
  for (int i = 0; i < 3; ++i) Append();
  WriteCheckpoint(Header(1));
  WriteCheckpoint(Header(2));
  const auto recovered = Recover(3);
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_EQ(recovered->checkpoint.index, core::Index{2});
  EXPECT_EQ(recovered->scanned_inputs, 1u);
}

TEST_F(RecoverLogTest, SkipsACheckpointWhoseChainIsNotTheLogs) {
  for (int i = 0; i < 3; ++i) Append();
  WriteCheckpoint(Header(1));
  checkpoint::CheckpointHeader other = Header(2);
  other.chain[0] ^= std::byte{1};
  WriteCheckpoint(other);
  const auto recovered = Recover(3);
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_EQ(recovered->checkpoint.index, core::Index{1});
  EXPECT_EQ(recovered->skipped.size(), 1u);
}

TEST_F(RecoverLogTest, SkipsACheckpointOfAnotherIncarnation) {
  for (int i = 0; i < 2; ++i) Append();
  checkpoint::CheckpointHeader other = Header(1);
  other.incarnation.fill(std::byte{9});
  WriteCheckpoint(other);
  const auto recovered = Recover(2);
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_EQ(recovered->checkpoint.index, core::Index{0});
}

TEST_F(RecoverLogTest, RefusesALogThatEndsBeforeItsSealSays) {
  Append();
  EXPECT_TRUE(absl::IsDataLoss(Recover(2).status()));
}

TEST_F(RecoverLogTest, DoesNotTakeOverALogThatEndsBeforeWhatWasCommitted) {
  for (int i = 0; i < 2; ++i) Append();
  const log::LogOptions options{.dir = kDir, .name = "shop/orders"};
  const auto taken = TakeOverLog(disk_, options, kEpoch + 1, 6, 78, {}, core::Index{3});
  EXPECT_TRUE(absl::IsOutOfRange(taken.status())) << taken.status();
  EXPECT_TRUE(TakeOverLog(disk_, options, kEpoch + 1, 6, 78, {}, core::Index{2}).ok());
}

// An older copy has come in the place of what was read before.
TEST_F(RecoverLogTest, KnowsNothingOfAnotherFile) {
  for (int i = 0; i < 2; ++i) Append();
  auto history = log::ResolveHistory(disk_, kDir, kEpoch + 1);
  ASSERT_TRUE(history.ok()) << history.status();
  auto reader = log::HistoryReader::Open(disk_, kDir, *history, core::Index{1}, OpenMode::kRead);
  ASSERT_TRUE(reader.ok()) << reader.status();
  ASSERT_TRUE((*reader)->Next().ok());
  const log::LogPlace known = (*reader)->place();
  ASSERT_EQ(known.next_index, core::Index{3});
  // The older one has the header alone.
  const std::string path = log::SegmentName{known.epoch, known.nonce, known.number}.Path(kDir);
  auto header = volume_.Contents(path);
  ASSERT_TRUE(header.has_value());
  ASSERT_TRUE(disk_.Remove(path).ok());
  auto older = disk_.Open(path, OpenMode::kCreateExclusive);
  ASSERT_TRUE(older.ok());
  iovec piece{.iov_base = header->data(), .iov_len = log::kSegmentHeaderBytes};
  ASSERT_TRUE((*older)->WriteAt(0, {&piece, 1}).ok());
  const auto tail = log::ReadTail(disk_, kDir, kEpoch + 1, known, OpenMode::kRead);
  ASSERT_TRUE(tail.ok()) << tail.status();
  EXPECT_EQ(tail->last_index, core::Index{1});
}

TEST_F(RecoverLogTest, IsNoDamageOfALogThatANewerEpochHasChanged) {
  const absl::Status damage = absl::DataLossError("segment 0 is missing");
  EXPECT_EQ(UnlessDeposed(disk_, kDir, kEpoch, damage), damage);
  ASSERT_TRUE(log::CreateClaim(disk_, kDir, kEpoch + 1, {.nonce = 6}).ok());
  EXPECT_TRUE(absl::IsAborted(UnlessDeposed(disk_, kDir, kEpoch, damage)));
  EXPECT_TRUE(UnlessDeposed(disk_, kDir, kEpoch, absl::OkStatus()).ok());
}

}  // namespace
}  // namespace semper::runtime
