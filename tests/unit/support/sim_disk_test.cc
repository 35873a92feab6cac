#include "tests/support/sim_disk.h"

#include <set>

#include "base/bytes.h"
#include "gtest/gtest.h"

namespace semper::sim {
namespace {

class SimDiskTest : public testing::Test {
 protected:
  std::unique_ptr<File> Create(const std::string& path) {
    auto file = disk_.Open(path, OpenMode::kCreateExclusive);
    EXPECT_TRUE(file.ok()) << file.status();
    return *std::move(file);
  }
  static absl::Status Write(File& file, uint64_t offset, std::string_view text) {
    iovec piece{const_cast<char*>(text.data()), text.size()};
    return file.WriteAt(offset, {&piece, 1});
  }
  std::string Contents(const std::string& path) {
    const auto bytes = volume_.Contents(path);
    return bytes.has_value() ? std::string(AsText(*bytes)) : "(none)";
  }
  static std::string Read(File& file, size_t length) {
    std::string text(length, '?');
    const auto read = file.ReadAt(0, {reinterpret_cast<std::byte*>(text.data()), text.size()});
    EXPECT_TRUE(read.ok()) << read.status();
    return text.substr(0, read.value_or(0));
  }
  // A file whose name and content "old" are durable.
  std::unique_ptr<File> Durable(const std::string& path, std::string_view text) {
    auto file = Create(path);
    EXPECT_TRUE(Write(*file, 0, text).ok());
    EXPECT_TRUE(file->Sync().ok());
    EXPECT_TRUE(disk_.SyncDir("/").ok());
    return file;
  }

  SimScheduler scheduler_{1};
  SimVolume volume_{scheduler_};
  SimDisk disk_{volume_, "p"};
};

TEST_F(SimDiskTest, WritesAreSeenAtOnce) {
  auto file = Create("/f");
  ASSERT_TRUE(Write(*file, 0, "abc").ok());
  ASSERT_TRUE(Write(*file, 5, "z").ok());
  EXPECT_EQ(Read(*file, 10), std::string("abc\0\0z", 6));
}

TEST_F(SimDiskTest, ExclusiveCreationIsExclusive) {
  Create("/f");
  EXPECT_EQ(disk_.Open("/f", OpenMode::kCreateExclusive).status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_F(SimDiskTest, RenameRefusesANameInUse) {
  Create("/a");
  Create("/b");
  EXPECT_EQ(disk_.Rename("/a", "/b").code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(SimDiskTest, AFileIsTheSameByAnyName) {
  const auto file = Create("/a");
  ASSERT_TRUE(disk_.Rename("/a", "/b").ok());
  EXPECT_EQ(*disk_.Identify("/b"), *file->Identity());
  EXPECT_TRUE(absl::IsNotFound(disk_.Identify("/a").status()));
  Create("/a");
  EXPECT_NE(*disk_.Identify("/a"), *file->Identity());
}

TEST_F(SimDiskTest, MissingThingsAreNotFound) {
  EXPECT_EQ(disk_.Open("/f", OpenMode::kRead).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(disk_.Remove("/f").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(disk_.List("/d").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(disk_.MakeDir("/d/e").code(), absl::StatusCode::kNotFound);
}

TEST_F(SimDiskTest, KillLosesNothingThatWasWritten) {
  auto file = Create("/f");
  ASSERT_TRUE(Write(*file, 0, "abc").ok());
  disk_.Kill();
  EXPECT_EQ(Contents("/f"), "abc");
}

TEST_F(SimDiskTest, ADeadProcessDoesNothing) {
  auto file = Create("/f");
  disk_.Kill();
  EXPECT_EQ(Write(*file, 0, "abc").code(), absl::StatusCode::kAborted);
  EXPECT_EQ(disk_.MakeDir("/d").code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Contents("/f"), "");
}

TEST_F(SimDiskTest, PowerLossKeepsWhatWasSynced) {
  const auto file = Durable("/f", "abc");
  volume_.PowerLoss(Survival::kNothing);
  EXPECT_EQ(Contents("/f"), "abc");
}

TEST_F(SimDiskTest, PowerLossTakesUnsyncedBytes) {
  const auto file = Durable("/f", "abc");
  ASSERT_TRUE(Write(*file, 0, "xyz and more").ok());
  volume_.PowerLoss(Survival::kNothing);
  EXPECT_EQ(Contents("/f"), "abc");
}

TEST_F(SimDiskTest, PowerLossTakesANameWhoseDirectoryWasNotSynced) {
  auto file = Create("/f");
  ASSERT_TRUE(Write(*file, 0, "abc").ok());
  ASSERT_TRUE(file->Sync().ok());
  volume_.PowerLoss(Survival::kNothing);
  EXPECT_EQ(Contents("/f"), "(none)");
}

TEST_F(SimDiskTest, PowerLossBringsBackARemovedName) {
  const auto file = Durable("/f", "abc");
  ASSERT_TRUE(disk_.Remove("/f").ok());
  volume_.PowerLoss(Survival::kNothing);
  EXPECT_EQ(Contents("/f"), "abc");
}

TEST_F(SimDiskTest, ARenameIsDoneOrNotDone) {
  for (int i = 0; i < 50; ++i) {
    SimScheduler scheduler(static_cast<uint64_t>(i));
    SimVolume volume(scheduler);
    SimDisk disk(volume, "p");
    ASSERT_TRUE(disk.Open("/a", OpenMode::kCreateExclusive).ok());
    ASSERT_TRUE(disk.SyncDir("/").ok());
    ASSERT_TRUE(disk.Rename("/a", "/b").ok());
    volume.PowerLoss();
    EXPECT_EQ(volume.Files().size(), 1u);
  }
}

// What sectors of a file are left after power losses from many seeds: each a letter, upper case if
// new.
std::set<std::string> Outcomes(SimVolumeCounters& total) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SimScheduler scheduler(seed);
    SimVolume volume(scheduler);
    SimDisk disk(volume, "p");
    auto file = *disk.Open("/f", OpenMode::kCreateExclusive);
    std::string text = std::string(512, 'a') + std::string(512, 'b') + std::string(512, 'c');
    iovec piece{text.data(), text.size()};
    EXPECT_TRUE(file->WriteAt(0, {&piece, 1}).ok());
    EXPECT_TRUE(file->Sync().ok());
    EXPECT_TRUE(disk.SyncDir("/").ok());
    for (char& c : text) c = static_cast<char>(c - 'a' + 'A');
    for (size_t sector = 0; sector < 3; ++sector) {
      piece = {text.data() + sector * 512, 512};
      EXPECT_TRUE(file->WriteAt(sector * 512, {&piece, 1}).ok());
    }
    volume.PowerLoss();
    const auto left = *volume.Contents("/f");
    std::string outcome;
    for (size_t i = 0; i < left.size(); i += 512) {
      for (size_t j = i; j < i + 512; ++j) EXPECT_EQ(left[j], left[i]);
      outcome += static_cast<char>(left[i]);
    }
    outcomes.insert(outcome);
    total.power_losses_reordered += volume.counters().power_losses_reordered;
  }
  return outcomes;
}

TEST_F(SimDiskTest, EveryCombinationOfSectorsCanSurvive) {
  SimVolumeCounters total;
  const auto outcomes = Outcomes(total);
  EXPECT_EQ(outcomes.size(), 8u);
  EXPECT_GT(total.power_losses_reordered, 20u);
}

TEST_F(SimDiskTest, ALyingSyncLosesDataThatIsStillReadable) {
  const auto file = Durable("/f", "old");
  ASSERT_TRUE(Write(*file, 0, "new").ok());
  volume_.AddFault({.kind = FaultKind::kSyncLies, .times = 1});
  EXPECT_FALSE(file->Sync().ok());
  EXPECT_TRUE(file->Sync().ok());
  EXPECT_EQ(Read(*file, 3), "new");
  volume_.PowerLoss(Survival::kEverything);
  EXPECT_EQ(Contents("/f"), "old");
}

TEST_F(SimDiskTest, AFreshReadSeesThroughALyingSync) {
  const auto file = Durable("/f", "old");
  ASSERT_TRUE(Write(*file, 0, "new").ok());
  volume_.AddFault({.kind = FaultKind::kSyncLies, .times = 1});
  EXPECT_FALSE(file->Sync().ok());
  auto fresh = disk_.Open("/f", OpenMode::kReadFresh);
  ASSERT_TRUE(fresh.ok());
  EXPECT_EQ(Read(**fresh, 3), "old");
}

TEST_F(SimDiskTest, AFullVolumeTakesAPart) {
  volume_.SetCapacity(10);
  auto file = Create("/f");
  EXPECT_EQ(Write(*file, 0, "0123456789abc").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Contents("/f"), "0123456789");
  EXPECT_EQ(*disk_.FreeBytes("/"), 0u);
}

TEST_F(SimDiskTest, AFaultStrikesOnlyWhereItsRuleFits) {
  volume_.AddFault({.kind = FaultKind::kIoError,
                    .operations = static_cast<DiskOps>(DiskOp::kWrite),
                    .path_part = "bad",
                    .times = 1});
  auto good = Create("/good");
  auto bad = Create("/bad");
  EXPECT_TRUE(Write(*good, 0, "x").ok());
  EXPECT_EQ(Write(*bad, 0, "x").code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(Write(*bad, 0, "x").ok());
}

TEST_F(SimDiskTest, APlannedCrashStrikesAtTheNextMutation) {
  auto file = Create("/f");
  volume_.PlanCrash({.after = volume_.mutations() + 1});
  EXPECT_TRUE(Write(*file, 0, "abc").ok());
  EXPECT_EQ(Read(*file, 3), "abc");  // reading is no mutation
  EXPECT_FALSE(volume_.CrashStruck());
  EXPECT_EQ(file->Sync().code(), absl::StatusCode::kAborted);
  EXPECT_TRUE(volume_.CrashStruck());
  EXPECT_TRUE(disk_.dead());
  volume_.PowerLoss(Survival::kNothing);
  EXPECT_EQ(Contents("/f"), "(none)");
}

TEST_F(SimDiskTest, ATornWriteLeavesAnyPrefix) {
  std::set<size_t> lengths;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SimScheduler scheduler(seed);
    SimVolume volume(scheduler);
    SimDisk disk(volume, "p");
    auto file = *disk.Open("/f", OpenMode::kCreateExclusive);
    volume.PlanCrash({.after = volume.mutations(), .tear = true});
    EXPECT_FALSE(Write(*file, 0, "abcd").ok());
    lengths.insert(volume.Contents("/f")->size());
  }
  EXPECT_EQ(lengths, (std::set<size_t>{0, 1, 2, 3, 4}));
}

TEST_F(SimDiskTest, AFlippedBitStays) {
  const auto file = Durable("/f", "abc");
  ASSERT_TRUE(volume_.FlipBit("/f", 1, 0));
  volume_.PowerLoss();
  EXPECT_EQ(Contents("/f"), "acc");
}

}  // namespace
}  // namespace semper::sim
