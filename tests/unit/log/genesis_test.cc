#include "sidecar/log/genesis.h"

#include "tests/unit/log/leader.h"
#include "tests/unit/log/memory_disk.h"

namespace semper::log {
namespace {

using ::testing::HasSubstr;

const std::string kPath = absl::StrCat(kDir, "/genesis");

Genesis Other() {
  Genesis other = TestGenesis();
  other.incarnation[0] = std::byte{0xee};
  return other;
}

TEST(Genesis, IsNotFoundBeforeItIsCreated) {
  MemoryDisk disk;
  EXPECT_TRUE(absl::IsNotFound(ReadGenesis(disk, kDir).status()));
}

TEST(Genesis, SurvivesACrashOnceCreated) {
  MemoryDisk disk;
  Create(disk);
  disk.Crash();
  auto genesis = ReadGenesis(disk, kDir);
  ASSERT_TRUE(genesis.ok()) << genesis.status();
  EXPECT_EQ(genesis->incarnation, TestGenesis().incarnation);
  EXPECT_EQ(*NewestClaim(disk, kDir), core::Epoch{0});
}

// Two create at once; the server of a shared volume restarts after one of them has found what the
// other had not yet synced. The sync that follows keeps what is there.
TEST(Genesis, SettlingMakesDirectoriesThatWereLostBeforeTheSync) {
  for (const char* parent : {"", "/claims"}) {
    MemoryDisk disk;
    bool lost = false;
    disk.before = [&](const std::string& operation, const std::string& path) {
      if (operation == "syncdir" && path == absl::StrCat(kDir, parent) &&
          !std::exchange(lost, true)) {
        disk.Crash();
      }
      return absl::OkStatus();
    };
    EXPECT_TRUE(disk.MakeDir("/data/default").ok());
    ASSERT_TRUE(disk.SyncDir("/data").ok());
    absl::Status created = CreateGenesis(disk, kDir, TestGenesis());
    // Without its parent a directory is not made; the next life tries again.
    if (absl::IsNotFound(created)) created = CreateGenesis(disk, kDir, TestGenesis());
    ASSERT_TRUE(created.ok()) << created;
    ASSERT_TRUE(lost);
    ASSERT_TRUE(SettleGenesis(disk, kDir).ok());
    disk.Crash();
    const auto newest = NewestClaim(disk, kDir);
    ASSERT_TRUE(newest.ok()) << newest.status();
    EXPECT_EQ(*newest, core::Epoch{0});
  }
}

TEST(Genesis, ThatAFellowFinishesDuringTheLookIsNoDamage) {
  MemoryDisk disk;
  Create(disk);
  const std::string claims = absl::StrCat(kDir, "/claims");
  const MemoryDisk::Bytes genesis = disk.At(kPath);
  disk.At(kPath).clear();  // the fellow has begun it
  bool finished = false;
  disk.before = [&](const std::string& operation, const std::string& path) {
    if (operation != "read" || path != claims || std::exchange(finished, true))
      return absl::OkStatus();
    disk.At(kPath) = genesis;
    return CreateClaim(disk, kDir, core::Epoch{1}, {.member = "m"});
  };
  auto read = ReadGenesis(disk, kDir);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->incarnation, TestGenesis().incarnation);
}

TEST(Genesis, ThatAFellowFinishesDuringTheCreationIsTheirs) {
  MemoryDisk disk;
  Create(disk);
  const std::string claims = absl::StrCat(kDir, "/claims");
  const MemoryDisk::Bytes genesis = disk.At(kPath);
  disk.At(kPath).clear();
  bool finished = false;
  disk.before = [&](const std::string& operation, const std::string& path) {
    if (operation != "read" || path != claims || std::exchange(finished, true))
      return absl::OkStatus();
    disk.At(kPath) = genesis;
    return CreateClaim(disk, kDir, core::Epoch{1}, {.member = "m"});
  };
  EXPECT_TRUE(absl::IsAlreadyExists(CreateGenesis(disk, kDir, Other())));
}

TEST(Genesis, IsCreatedOnce) {
  MemoryDisk disk;
  Create(disk);
  EXPECT_TRUE(absl::IsAlreadyExists(CreateGenesis(disk, kDir, Other())));
  EXPECT_EQ(ReadGenesis(disk, kDir)->incarnation, TestGenesis().incarnation);
}

TEST(Genesis, CreationCanBeRepeatedAfterACrashAtEveryStep) {
  MemoryDisk complete;
  Create(complete);
  const size_t steps = complete.operations().size();
  for (bool keep_bytes : {false, true}) {
    for (size_t step = 0; step < steps; ++step) {
      MemoryDisk disk;
      size_t count = 0;
      disk.before = [&](const std::string& operation, const std::string&) {
        return operation != "read" && count++ >= step ? absl::AbortedError("killed")
                                                      : absl::OkStatus();
      };
      EXPECT_FALSE(CreateGenesis(disk, kDir, TestGenesis()).ok());
      disk.before = nullptr;
      if (keep_bytes) disk.Crash(keep_bytes);  // else only the process was killed
      const absl::Status again = CreateGenesis(disk, kDir, Other());
      const bool first_made_it = absl::IsAlreadyExists(again);
      EXPECT_TRUE(again.ok() || first_made_it) << "step " << step << ": " << again;
      auto genesis = ReadGenesis(disk, kDir);
      ASSERT_TRUE(genesis.ok()) << "step " << step << ": " << genesis.status();
      EXPECT_EQ(genesis->incarnation,
                first_made_it ? TestGenesis().incarnation : Other().incarnation);
    }
  }
}

TEST(Genesis, TornOneIsReplacedOnlyInADirectoryWithoutClaims) {
  MemoryDisk disk;
  Create(disk);
  disk.At(kPath).resize(40);
  EXPECT_TRUE(absl::IsNotFound(ReadGenesis(disk, kDir).status()));
  ASSERT_TRUE(CreateGenesis(disk, kDir, Other()).ok());
  EXPECT_EQ(ReadGenesis(disk, kDir)->incarnation, Other().incarnation);
  ASSERT_TRUE(CreateClaim(disk, kDir, core::Epoch{1}, {}).ok());
  disk.At(kPath).resize(40);
  EXPECT_TRUE(absl::IsDataLoss(ReadGenesis(disk, kDir).status()));
  EXPECT_TRUE(absl::IsDataLoss(CreateGenesis(disk, kDir, TestGenesis())));
}

TEST(Genesis, MissingOneBesideClaimsIsDamageAndNeverAFreshStart) {
  MemoryDisk disk;
  Create(disk);
  ASSERT_TRUE(CreateClaim(disk, kDir, core::Epoch{1}, {}).ok());
  ASSERT_TRUE(disk.Remove(kPath).ok());
  EXPECT_TRUE(absl::IsDataLoss(ReadGenesis(disk, kDir).status()));
  EXPECT_TRUE(absl::IsDataLoss(CreateGenesis(disk, kDir, Other())));
}

TEST(Genesis, OneOfTwoConcurrentCreatorsSucceeds) {
  // The second creator runs completely before each single step of the first.
  MemoryDisk complete;
  Create(complete);
  for (size_t step = 0; step < complete.operations().size(); ++step) {
    MemoryDisk disk;
    absl::Status second = absl::UnknownError("not run");
    size_t count = 0;
    disk.before = [&](const std::string& operation, const std::string&) {
      if (operation != "read" && count++ == step) {
        auto hook = std::move(disk.before);
        disk.before = nullptr;
        second = CreateGenesis(disk, kDir, Other());
      }
      return absl::OkStatus();
    };
    const absl::Status first = CreateGenesis(disk, kDir, TestGenesis());
    EXPECT_NE(first.ok(), second.ok()) << "step " << step << ": " << first << " / " << second;
    auto genesis = ReadGenesis(disk, kDir);
    ASSERT_TRUE(genesis.ok()) << "step " << step << ": " << genesis.status();
    EXPECT_EQ(genesis->incarnation, (first.ok() ? TestGenesis() : Other()).incarnation);
  }
}

TEST(Genesis, OneFinishedWhileItIsSetAsideGoesBack) {
  MemoryDisk disk;
  Create(disk);
  const auto sound = disk.At(kPath);
  disk.At(kPath).resize(40);
  disk.before = [&](const std::string& operation, const std::string&) {
    if (operation == "rename" && disk.Has(kPath))
      disk.At(kPath) = sound;  // its creator wrote just now
    return absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsAlreadyExists(CreateGenesis(disk, kDir, Other())));
  EXPECT_EQ(ReadGenesis(disk, kDir)->incarnation, TestGenesis().incarnation);
}

TEST(Genesis, OfANewerVersionIsRefusedByName) {
  MemoryDisk disk;
  Create(disk);
  std::string text(AsText(disk.At(kPath)));
  text.replace(text.find("minimum-reader: 1"), 17, "minimum-reader: 2");
  text.resize(text.find("crc32c"));
  text += absl::StrCat("crc32c: ", absl::Hex(Crc32c(0, AsBytes(text)), absl::kZeroPad8), "\n");
  disk.At(kPath).assign(AsBytes(text).begin(), AsBytes(text).end());
  const absl::Status refused = ReadGenesis(disk, kDir).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_THAT(refused.message(), HasSubstr("minimum reader 2"));
}

TEST(Genesis, IsNotCreatedWithoutItsVolume) {
  MemoryDisk disk;
  const absl::Status refused = CreateGenesis(disk, "/mnt/default/counter", TestGenesis());
  EXPECT_TRUE(absl::IsNotFound(refused));
  EXPECT_THAT(refused.message(), HasSubstr("/mnt does not exist"));
}

TEST(Genesis, RefusesANameOfSeveralLines) {
  MemoryDisk disk;
  Genesis genesis = TestGenesis();
  genesis.name = "a\nb";
  EXPECT_TRUE(absl::IsInvalidArgument(CreateGenesis(disk, kDir, genesis)));
}

}  // namespace
}  // namespace semper::log
