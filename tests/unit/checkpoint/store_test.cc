#include <map>

#include "tests/unit/checkpoint/checkpoint_fixture.h"

namespace semper::checkpoint {
namespace {

using testing::Test;

class CheckpointStore : public CheckpointTest {
 protected:
  std::vector<CheckpointId> List() {
    auto ids = ListCheckpoints(disk_, kDir);
    EXPECT_TRUE(ids.ok()) << ids.status();
    return *ids;
  }
  void Damage(CheckpointId id) { ASSERT_TRUE(volume_.FlipBit(CheckpointPath(kDir, id), 100, 0)); }
};

TEST_F(CheckpointStore, ListsNewestFirstByEpochThenIndex) {
  Publish(Id(1, 0x100));
  Publish(Id(2, 0x20));
  Publish(Id(1, 0x20));
  EXPECT_EQ(List(), (std::vector{Id(2, 0x20), Id(1, 0x100), Id(1, 0x20)}));
}

TEST_F(CheckpointStore, LooksOnlyAtItsOwnNames) {
  ASSERT_TRUE(disk_.Open(CheckpointFolder(kDir) + "/notes.txt", OpenMode::kCreateExclusive).ok());
  EXPECT_TRUE(List().empty());
}

TEST_F(CheckpointStore, RemovesTemporaryFilesOnly) {
  Publish(Id(1, 1));
  Finished(Id(1, 2));
  ASSERT_TRUE(disk_.Open(CheckpointFolder(kDir) + "/notes.txt", OpenMode::kCreateExclusive).ok());
  ASSERT_TRUE(RemoveUnfinished(disk_, kDir).ok());
  EXPECT_EQ(volume_.Files(), (std::vector<std::string>{CheckpointPath(kDir, Id(1, 1)),
                                                       CheckpointFolder(kDir) + "/notes.txt"}));
}

TEST_F(CheckpointStore, RemovesWhatDidNotGrowSinceTheLastLook) {
  Publish(Id(1, 1));
  Finished(Id(1, 2));
  std::map<std::string, uint64_t> seen;
  ASSERT_TRUE(RemoveAbandoned(disk_, kDir, seen).ok());
  EXPECT_EQ(volume_.Files().size(), 2u);
  ASSERT_TRUE(RemoveAbandoned(disk_, kDir, seen).ok());
  EXPECT_EQ(volume_.Files(), (std::vector<std::string>{CheckpointPath(kDir, Id(1, 1))}));
}

TEST_F(CheckpointStore, LeavesWhatAFellowStillWrites) {
  auto writer = CheckpointWriter::Create(disk_, kDir, Header(Id(1, 2)), 1);
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->SetService({}).ok());
  std::map<std::string, uint64_t> seen;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(RemoveAbandoned(disk_, kDir, seen).ok());
    ASSERT_TRUE((*writer)->AddChunk(std::vector<std::byte>(3u << 20)).ok());
  }
  ASSERT_TRUE((*writer)->Finish().ok());
  EXPECT_TRUE((*writer)->Publish().ok());
}

TEST_F(CheckpointStore, KeepsTheNewest) {
  for (uint64_t index = 1; index <= 5; ++index) Publish(Id(1, index));
  const auto left = RemoveOld(disk_, kDir, 2);
  ASSERT_TRUE(left.ok()) << left.status();
  EXPECT_EQ(*left, (std::vector{Id(1, 5), Id(1, 4)}));
  EXPECT_EQ(List(), *left);
}

TEST_F(CheckpointStore, WhatIsDamagedDoesNotCountAsKept) {
  for (uint64_t index = 1; index <= 5; ++index) Publish(Id(1, index));
  Damage(Id(1, 4));
  const auto left = RemoveOld(disk_, kDir, 2);
  ASSERT_TRUE(left.ok()) << left.status();
  EXPECT_EQ(*left, (std::vector{Id(1, 5), Id(1, 4), Id(1, 3)}));
}

TEST_F(CheckpointStore, RemovesNothingWithoutEnoughThatVerify) {
  for (uint64_t index = 1; index <= 4; ++index) Publish(Id(1, index));
  for (uint64_t index = 2; index <= 4; ++index) Damage(Id(1, index));
  const auto left = RemoveOld(disk_, kDir, 2);
  ASSERT_TRUE(left.ok()) << left.status();
  EXPECT_EQ(List().size(), 4u);
}

TEST_F(CheckpointStore, RemovalIsDurable) {
  for (uint64_t index = 1; index <= 3; ++index) Publish(Id(1, index));
  ASSERT_TRUE(RemoveOld(disk_, kDir, 2).ok());
  volume_.PowerLoss(sim::Survival::kNothing);
  sim::SimDisk rebooted(volume_, "rebooted");
  const auto ids = ListCheckpoints(rebooted, kDir);
  ASSERT_TRUE(ids.ok());
  EXPECT_EQ(ids->size(), 2u);
}

TEST_F(CheckpointStore, ReportsAFolderThatIsGone) {
  EXPECT_EQ(ListCheckpoints(disk_, "/elsewhere").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace semper::checkpoint
