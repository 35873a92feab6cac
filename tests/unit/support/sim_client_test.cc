#include "tests/support/sim_client.h"

#include <cerrno>

#include "base/bytes.h"
#include "gtest/gtest.h"
#include "tests/support/sim_disk.h"
#include "tests/support/sim_fiber.h"

namespace semper::sim {
namespace {

class SimClientTest : public testing::Test {
 protected:
  SimClientTest() {
    volume_.AddMachine("m1");
    volume_.AddMachine("m2");
    one_ = std::make_unique<SimDisk>(volume_, "p1", "m1");
    two_ = std::make_unique<SimDisk>(volume_, "p2", "m2");
    // Whatever happens by itself comes late enough to be told from what a call does.
    volume_.SetCacheTiming({.stale_max = 10 * kSecond,
                            .negative_max = 10 * kSecond,
                            .write_back_max = 10 * kSecond,
                            .late_max = 10 * kSecond});
  }
  static std::unique_ptr<File> Open(SimDisk& disk, OpenMode mode, const std::string& path = "/f") {
    auto file = disk.Open(path, mode);
    EXPECT_TRUE(file.ok()) << file.status();
    return *std::move(file);
  }
  static absl::Status Write(File& file, uint64_t offset, std::string_view text) {
    iovec piece{const_cast<char*>(text.data()), text.size()};
    return file.WriteAt(offset, {&piece, 1});
  }
  static std::string Read(File& file) {
    std::string text(100, '?');
    const auto read = file.ReadAt(0, {reinterpret_cast<std::byte*>(text.data()), text.size()});
    EXPECT_TRUE(read.ok()) << read.status();
    return text.substr(0, read.value_or(0));
  }
  std::string Server() {
    const auto bytes = volume_.Contents("/f");
    return bytes.has_value() ? std::string(AsText(*bytes)) : "(none)";
  }
  // A durable file of m1 with this in it.
  std::unique_ptr<File> Durable(std::string_view text) {
    auto file = Open(*one_, OpenMode::kCreateExclusive);
    EXPECT_TRUE(Write(*file, 0, text).ok());
    EXPECT_TRUE(file->Sync().ok());
    EXPECT_TRUE(one_->SyncDir("/").ok());
    return file;
  }

  SimScheduler scheduler_{7};
  SimVolume volume_{scheduler_};
  std::unique_ptr<SimDisk> one_;
  std::unique_ptr<SimDisk> two_;
};

TEST_F(SimClientTest, AMachineSeesItsOwnWritesAtOnce) {
  auto file = Durable("old");
  auto reader = Open(*one_, OpenMode::kRead);
  EXPECT_EQ(Read(*reader), "old");
  ASSERT_TRUE(Write(*file, 0, "newer").ok());
  EXPECT_EQ(Read(*reader), "newer");
}

TEST_F(SimClientTest, WhatIsNotSyncedIsNotAtTheServer) {
  auto file = Durable("old");
  ASSERT_TRUE(Write(*file, 0, "new").ok());
  EXPECT_EQ(Read(*Open(*two_, OpenMode::kReadFresh)), "old");
}

TEST_F(SimClientTest, ASyncBringsItToTheServer) {
  auto file = Durable("old");
  ASSERT_TRUE(Write(*file, 0, "new").ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(Read(*Open(*two_, OpenMode::kReadFresh)), "new");
}

TEST_F(SimClientTest, ABufferedReadMayBeOld) {
  auto file = Durable("old");
  auto reader = Open(*two_, OpenMode::kRead);
  EXPECT_EQ(Read(*reader), "old");
  ASSERT_TRUE(Write(*file, 0, "newer").ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(Read(*reader), "old");
  EXPECT_EQ(*reader->Size(), 3u);
  EXPECT_EQ(volume_.counters().reads_stale, 1u);
}

TEST_F(SimClientTest, ABufferedReadIsNotOldForEver) {
  auto file = Durable("old");
  auto reader = Open(*two_, OpenMode::kRead);
  EXPECT_EQ(Read(*reader), "old");
  ASSERT_TRUE(Write(*file, 0, "newer").ok());
  ASSERT_TRUE(file->Sync().ok());
  scheduler_.RunUntil(11 * kSecond);
  EXPECT_EQ(Read(*reader), "newer");
}

TEST_F(SimClientTest, ANameMayStayAbsentForAWhile) {
  EXPECT_TRUE(absl::IsNotFound(two_->Open("/f", OpenMode::kRead).status()));
  Durable("x");
  EXPECT_TRUE(absl::IsNotFound(two_->Open("/f", OpenMode::kRead).status()));
  EXPECT_EQ(two_->List("/")->size(), 1u) << "a listing is the truth";
  scheduler_.RunUntil(11 * kSecond);
  EXPECT_TRUE(two_->Open("/f", OpenMode::kRead).ok());
}

TEST_F(SimClientTest, ExclusiveCreationIsTheTruth) {
  EXPECT_TRUE(absl::IsNotFound(two_->Open("/f", OpenMode::kRead).status()));
  Durable("x");
  EXPECT_TRUE(absl::IsAlreadyExists(two_->Open("/f", OpenMode::kCreateExclusive).status()));
}

TEST_F(SimClientTest, WritesOfADeadProcessSurfaceLater) {
  auto file = Durable("old");
  ASSERT_TRUE(Write(*file, 0, "new").ok());
  one_->Kill();
  EXPECT_EQ(Server(), "old");
  scheduler_.RunUntil(60 * kSecond);
  EXPECT_EQ(Server(), "new");
}

TEST_F(SimClientTest, WritesOfAMachineThatIsCutOffSurfaceAfterIt) {
  auto file = Durable("old");
  volume_.CutOff("m1", 100 * kSecond);
  ASSERT_TRUE(Write(*file, 0, "new").ok());
  EXPECT_FALSE(file->Sync().ok()) << "it hangs on a fiber and fails at once without one";
  scheduler_.RunUntil(99 * kSecond);
  EXPECT_EQ(Server(), "old");
  scheduler_.RunUntil(150 * kSecond);
  EXPECT_EQ(Server(), "new");
  EXPECT_GT(volume_.counters().writes_late, 0u);
}

TEST_F(SimClientTest, ASyncOfAMachineThatIsCutOffHangsUntilItHeals) {
  auto file = Durable("old");
  ASSERT_TRUE(Write(*file, 0, "new").ok());
  int ended = 0;
  bool all_in_time = true;
  std::vector<std::unique_ptr<SimFiber>> fibers;
  volume_.CutOff("m1", 10 * kSecond);
  for (int i = 0; i < 20; ++i) {
    fibers.push_back(std::make_unique<SimFiber>([&] {
      const absl::Status synced = file->Sync();
      ++ended;
      if (synced.ok() && scheduler_.now() < 10 * kSecond) all_in_time = false;
    }));
    fibers.back()->Resume();
  }
  EXPECT_EQ(ended, 0);
  scheduler_.RunUntil(11 * kSecond);
  EXPECT_EQ(ended, 20);
  EXPECT_TRUE(all_in_time);
  EXPECT_EQ(Server(), "new");
}

TEST_F(SimClientTest, ASyncByAReaderMakesNothingDurable) {
  auto file = Durable("old");
  ASSERT_TRUE(Write(*file, 0, "new").ok());
  scheduler_.RunUntil(60 * kSecond);  // written back, not synced
  ASSERT_EQ(Server(), "new");
  ASSERT_TRUE(Open(*two_, OpenMode::kReadFresh)->Sync().ok());
  volume_.PowerLoss(Survival::kNothing);
  EXPECT_EQ(Server(), "old");
}

TEST_F(SimClientTest, AMachineThatDiesTakesWhatItHadNotSent) {
  auto file = Durable("old");
  int lost = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string path = "/g" + std::to_string(i);
    auto other = Open(*one_, OpenMode::kCreateExclusive, path);
    ASSERT_TRUE(Write(*other, 0, "new").ok());
  }
  volume_.MachineDied("m1");
  EXPECT_TRUE(one_->dead());
  EXPECT_FALSE(two_->dead());
  scheduler_.RunUntil(60 * kSecond);
  for (int i = 0; i < 20; ++i) {
    if (volume_.Contents("/g" + std::to_string(i))->empty()) ++lost;
  }
  EXPECT_GT(lost, 5);
  EXPECT_LT(lost, 20) << "some was on its way";
}

// Over many restarts of the server: whoever had something unsynced either finds it there after his
// next sync, or that sync fails.
TEST_F(SimClientTest, ARestartOfTheServerLosesNothingSilently) {
  int failed = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string path = "/r" + std::to_string(i);
    auto file = Open(*one_, OpenMode::kCreateExclusive, path);
    ASSERT_TRUE(Write(*file, 0, "new").ok());
    const SimNanos wait = scheduler_.random().Skewed(20 * kSecond);
    scheduler_.RunUntil(scheduler_.now() + wait);
    volume_.RestartServer();
    const bool file_synced = file->Sync().ok();
    if (file_synced && one_->SyncDir("/").ok()) {
      volume_.PowerLoss(Survival::kNothing);
      one_ = std::make_unique<SimDisk>(volume_, "p1", "m1");
      const auto bytes = volume_.Contents(path);
      ASSERT_TRUE(bytes.has_value()) << path;
      EXPECT_EQ(AsText(*bytes), "new");
    } else {
      ++failed;
    }
  }
  EXPECT_GT(failed, 5);
  EXPECT_LT(failed, 95);
  EXPECT_GT(volume_.counters().sync_errors_owed, 0u);
}

TEST_F(SimClientTest, AFailedSyncMayLeaveBytesThatARestartTakes) {
  int seen = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string path = "/l" + std::to_string(i);
    auto file = Open(*one_, OpenMode::kCreateExclusive, path);
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(one_->SyncDir("/").ok());
    ASSERT_TRUE(Write(*file, 0, "new").ok());
    volume_.AddFault({.kind = FaultKind::kSyncLies, .times = 1});
    EXPECT_FALSE(file->Sync().ok());
    if (Read(*Open(*two_, OpenMode::kReadFresh, path)) != "new") continue;
    ++seen;
    volume_.RestartServer();
    EXPECT_NE(Read(*Open(*two_, OpenMode::kReadFresh, path)), "new");
  }
  EXPECT_GT(seen, 0);
}

TEST_F(SimClientTest, APlannedCrashTakesTheMachineThatItNames) {
  volume_.PlanCrash({.after = 0, .machine = "m2"});
  EXPECT_TRUE(one_->MakeDir("/d").ok());
  EXPECT_FALSE(two_->MakeDir("/e").ok());
  EXPECT_TRUE(two_->dead());
  EXPECT_FALSE(one_->dead());
}

}  // namespace
}  // namespace semper::sim
