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

TEST_F(RecoverLogTest, IsNoDamageOfALogThatANewerEpochHasChanged) {
  const absl::Status damage = absl::DataLossError("segment 0 is missing");
  EXPECT_EQ(UnlessDeposed(disk_, kDir, kEpoch, damage), damage);
  ASSERT_TRUE(log::CreateClaim(disk_, kDir, kEpoch + 1, {.nonce = 6}).ok());
  EXPECT_TRUE(absl::IsAborted(UnlessDeposed(disk_, kDir, kEpoch, damage)));
  EXPECT_TRUE(UnlessDeposed(disk_, kDir, kEpoch, absl::OkStatus()).ok());
}

}  // namespace
}  // namespace semper::runtime
