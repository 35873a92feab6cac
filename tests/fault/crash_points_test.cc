// A crash at every single disk operation of several lives of a log and its checkpoints, and at the
// operations of the recoveries from them.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/fault/generation.h"
#include "tests/fault/ledger.h"
#include "tests/support/sim_disk.h"

namespace semper::fault {
namespace {

using sim::SimDisk;
using sim::SimScheduler;
using sim::SimVolume;
using sim::Survival;

enum class Mode { kProcess, kPowerNothing, kPowerEverything, kPowerRandom };

constexpr int kFirstRecovery = 10;  // lives from here on come after a crash

// The local profile needs longer lives: only its own segments, below two checkpoints of its own,
// are reused.
int LivesOf(log::Profile profile) { return profile == log::Profile::kLocal ? 3 : 4; }

// A directory and the world around it, in which lives follow each other.
class World {
 public:
  World(log::Profile profile, uint64_t seed)
      : profile_(profile), seed_(seed), scheduler_(seed), volume_(scheduler_) {
    if (std::getenv("SEMPER_TRACE") != nullptr) scheduler_.trace().KeepLines(300);
    SimDisk disk(volume_, "mount");
    EXPECT_TRUE(disk.MakeDir("/volume").ok());
    EXPECT_TRUE(disk.SyncDir("/").ok());
    mounted_ = volume_.mutations();
  }

  SimVolume& volume() { return volume_; }
  SimScheduler& scheduler() { return scheduler_; }
  // What a failure shows: with SEMPER_TRACE in the environment, the last operations of the disk.
  std::string Trace() const {
    std::string text;
    for (const std::string& line : scheduler_.trace().lines()) text += "\n" + line;
    return text;
  }
  // Operations of all lives so far.
  uint64_t operations() const { return volume_.mutations() - mounted_; }
  void PlanCrash(uint64_t after_operations, bool tear) {
    volume_.PlanCrash({.after = mounted_ + after_operations, .tear = tear});
  }
  Ledger& ledger() { return ledger_; }

  // One life until its end; its number decides what it writes.
  absl::Status Live(int number, bool recover_only = false) {
    SimDisk disk(volume_, absl::StrCat("life", number));
    const bool local = profile_ == log::Profile::kLocal;
    Generation generation(disk, ledger_,
                          {.profile = profile_,
                           .segment_bytes = local ? 7u << 10 : 12u << 10,
                           .units = local && number < kFirstRecovery ? 20 : 8,
                           .checkpoint_every = local ? 4 : 5,
                           .seed = seed_ * 1000 + static_cast<uint64_t>(number)});
    return recover_only ? generation.Recover() : generation.Run();
  }

  // Several lives, each after a kill; ends with the first that a planned crash ends.
  absl::Status LiveOn(int first, int count) {
    for (int life = first; life < first + count; ++life) {
      if (auto s = Live(life); !s.ok()) return s;
    }
    return absl::OkStatus();
  }

  void Crash(Mode mode) {
    volume_.CancelCrash();
    switch (mode) {
      case Mode::kProcess:
        break;
      case Mode::kPowerNothing:
        volume_.PowerLoss(Survival::kNothing);
        break;
      case Mode::kPowerEverything:
        volume_.PowerLoss(Survival::kEverything);
        break;
      case Mode::kPowerRandom:
        volume_.PowerLoss(Survival::kRandom);
        break;
    }
  }

 private:
  const log::Profile profile_;
  const uint64_t seed_;
  SimScheduler scheduler_;
  SimVolume volume_;
  uint64_t mounted_ = 0;
  Ledger ledger_;
};

class CrashPoints : public testing::TestWithParam<log::Profile> {
 protected:
  // How many operations the script has, and the first life.
  uint64_t CountOperations() {
    World world(GetParam(), 1);
    world.scheduler().trace().KeepLines(100'000);
    const auto lived = world.LiveOn(0, LivesOf(GetParam()));
    EXPECT_TRUE(lived.ok()) << lived;
    EXPECT_EQ(GetParam() == log::Profile::kLocal,
              world.Trace().find(".seg.old -> ") != std::string::npos)
        << "segments are reused on the local profile only";
    EXPECT_EQ(world.ledger().violations(), std::vector<std::string>());
    EXPECT_GT(world.ledger().acknowledged(), 40u);
    EXPECT_GE(world.ledger().published().size(), 3u);
    return world.operations();
  }

  // True if nothing is wrong. Otherwise the reason is a failure of the test.
  bool Check(World& world, const absl::Status& lived, const std::string& where) {
    if (lived.ok() && world.ledger().violations().empty()) return true;
    ADD_FAILURE() << where << ": " << lived << "; "
                  << (world.ledger().violations().empty() ? "" : world.ledger().violations()[0])
                  << world.Trace();
    return false;
  }

  std::string Name() const { return GetParam() == log::Profile::kLocal ? "local" : "shared"; }

  // Runs into the crash, and crashes. False if the script is over before it.
  static bool RunInto(World& world, uint64_t after, bool tear, Mode mode) {
    world.PlanCrash(after, tear);
    const auto lived = world.LiveOn(0, LivesOf(GetParam()));
    if (lived.ok()) return false;
    EXPECT_TRUE(absl::IsAborted(lived)) << lived;
    world.Crash(mode);
    return true;
  }
};

TEST_P(CrashPoints, EachIsRecoveredFromAndGoneOnFrom) {
  const uint64_t operations = CountOperations();
  uint64_t points = 0;
  sim::SimVolumeCounters seen;
  for (uint64_t after = 0; after < operations; ++after) {
    for (const Mode mode :
         {Mode::kProcess, Mode::kPowerNothing, Mode::kPowerEverything, Mode::kPowerRandom}) {
      for (const bool tear : {false, true}) {
        World world(GetParam(), 1);
        const std::string where = absl::StrCat(Name(), ": crash after operation ", after, ", mode ",
                                               static_cast<int>(mode), tear ? ", torn" : "");
        ASSERT_TRUE(RunInto(world, after, tear, mode)) << where;
        ++points;
        // Twice: what the first one goes on with has to be there for the second.
        if (!Check(world, world.LiveOn(kFirstRecovery, 1), where)) return;
        if (!Check(world, world.Live(kFirstRecovery + 1, true), where + ", again")) return;
        seen.writes_torn += world.volume().counters().writes_torn;
        seen.power_losses_reordered += world.volume().counters().power_losses_reordered;
        seen.entries_lost += world.volume().counters().entries_lost;
      }
    }
  }
  std::printf(
      "crash points (%s): operations=%llu points=%llu torn=%llu reordered=%llu names_lost=%llu\n",
      Name().c_str(), static_cast<unsigned long long>(operations),
      static_cast<unsigned long long>(points), static_cast<unsigned long long>(seen.writes_torn),
      static_cast<unsigned long long>(seen.power_losses_reordered),
      static_cast<unsigned long long>(seen.entries_lost));
  EXPECT_GT(seen.writes_torn, 0u);
  EXPECT_GT(seen.power_losses_reordered, 0u);
  EXPECT_GT(seen.entries_lost, 0u);
}

TEST_P(CrashPoints, RecoveryMayCrashAtEachOfItsOperations) {
  const uint64_t operations = CountOperations();
  uint64_t points = 0;
  sim::SimRandom random(7);
  for (uint64_t after = 0; after < operations; after += 1 + random.Below(2)) {
    const Mode first = random.Coin() ? Mode::kPowerRandom : Mode::kProcess;
    const Mode second = random.Coin() ? Mode::kPowerRandom : Mode::kPowerNothing;
    const bool tear = random.Coin();
    for (uint64_t in_recovery = 0;; ++in_recovery) {
      World world(GetParam(), 1);
      ASSERT_TRUE(RunInto(world, after, tear, first));
      const std::string where =
          absl::StrCat(Name(), ": crash after operation ", after, ", then after operation ",
                       in_recovery, " of recovery");
      world.PlanCrash(world.operations() + in_recovery, !tear);
      const auto recovered = world.Live(kFirstRecovery, true);
      if (recovered.ok()) break;  // it had no more operations
      if (!absl::IsAborted(recovered) && !Check(world, recovered, where)) return;
      world.Crash(second);
      ++points;
      if (!Check(world, world.LiveOn(kFirstRecovery + 1, 1), where)) return;
    }
  }
  std::printf("crash points in recovery (%s): points=%llu\n", Name().c_str(),
              static_cast<unsigned long long>(points));
  EXPECT_GT(points, 100u);
}

TEST_P(CrashPoints, ManySeedsOfTornAndReorderedPowerLosses) {
  uint64_t points = 0;
  for (uint64_t seed = 2; seed < 32; ++seed) {
    sim::SimRandom random(seed);
    World counted(GetParam(), seed);
    if (!Check(counted, counted.LiveOn(0, LivesOf(GetParam())), absl::StrCat("seed ", seed)))
      return;
    const uint64_t operations = counted.operations();
    for (uint64_t after = random.Below(4); after < operations; after += 1 + random.Below(6)) {
      World world(GetParam(), seed);
      const std::string where =
          absl::StrCat(Name(), ": seed ", seed, ", crash after operation ", after);
      const bool tear = random.Coin();
      ASSERT_TRUE(RunInto(world, after, tear, Mode::kPowerRandom)) << where;
      ++points;
      // A second power loss in the middle of the next life.
      world.PlanCrash(world.operations() + random.Below(60), true);
      const auto second = world.Live(kFirstRecovery);
      if (!absl::IsAborted(second) && !Check(world, second, where)) return;
      world.Crash(Mode::kPowerRandom);
      if (!Check(world, world.LiveOn(kFirstRecovery + 1, 1), where + ", twice")) return;
    }
  }
  std::printf("crash points of many seeds (%s): points=%llu\n", Name().c_str(),
              static_cast<unsigned long long>(points));
}

// One operation fails; the process gives up (I5), the next one recovers; then the power fails.
void FailEach(sim::FaultKind kind, sim::DiskOps operations, log::Profile profile) {
  uint64_t struck = 0;
  for (uint64_t skip = 0;; ++skip) {
    World world(profile, 1);
    world.volume().AddFault({.kind = kind, .operations = operations, .times = 1, .skip = skip});
    int life = 0;
    absl::Status lived;
    for (; life < LivesOf(profile); ++life) lived.Update(world.Live(life));
    const auto& counters = world.volume().counters();
    if (counters.io_errors + counters.no_space + counters.syncs_lying == 0) break;
    ++struck;
    world.Crash(Mode::kPowerRandom);
    const auto recovered = world.Live(kFirstRecovery);
    ASSERT_TRUE(recovered.ok()) << "failing operation " << skip << ": " << lived << "; "
                                << recovered << world.Trace();
    ASSERT_EQ(world.ledger().violations(), std::vector<std::string>())
        << "failing operation " << skip << ": " << lived << world.Trace();
  }
  EXPECT_GT(struck, 10u);
}

TEST_P(CrashPoints, ASyncThatLiesOnceLosesNothingAcknowledged) {
  FailEach(sim::FaultKind::kSyncLies, static_cast<sim::DiskOps>(sim::DiskOp::kSync), GetParam());
}

TEST_P(CrashPoints, AnErrorOfAnyOperationLosesNothingAcknowledged) {
  FailEach(sim::FaultKind::kIoError, sim::kDiskAll, GetParam());
}

TEST_P(CrashPoints, AFullDiskLosesNothingAcknowledged) {
  FailEach(sim::FaultKind::kNoSpace, sim::kDiskMutations, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Profiles, CrashPoints,
                         testing::Values(log::Profile::kLocal, log::Profile::kShared),
                         [](const auto& profile) {
                           return profile.param == log::Profile::kLocal ? "Local" : "Shared";
                         });

}  // namespace
}  // namespace semper::fault
