// What a killed process wrote and never synced can be seen in a cache. A successor that stands on
// it makes it durable first: after a power loss its own steps must not remain without what they
// stand on.
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "sidecar/log/claims.h"
#include "sidecar/log/genesis.h"
#include "tests/support/sim_disk.h"

namespace semper::fault {
namespace {

using sim::SimDisk;

constexpr char kDir[] = "/volume/shop/orders";
constexpr uint64_t kSeeds = 300;

class World {
 public:
  explicit World(uint64_t seed) : scheduler(seed), volume(scheduler) {
    SimDisk disk(volume, "mount");
    EXPECT_TRUE(disk.MakeDir("/volume").ok());
    EXPECT_TRUE(disk.SyncDir("/").ok());
  }

  absl::Status Create(SimDisk& disk) {
    return log::CreateGenesis(disk, kDir, {.cluster = "c", .name = "shop/orders"});
  }

  // Runs `act` in a process that is killed after `operations` of it.
  template <typename F>
  void KilledAfter(uint64_t operations, F act) {
    SimDisk disk(volume, "killed");
    volume.PlanCrash({.after = volume.mutations() + operations});
    act(disk);
    volume.CancelCrash();
  }

  sim::SimScheduler scheduler;
  sim::SimVolume volume;
};

TEST(CachedNames, NoClaimOutlivesTheOneBeforeIt) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    World world(seed);
    SimDisk first(world.volume, "first");
    ASSERT_TRUE(world.Create(first).ok());
    ASSERT_TRUE(log::CreateClaim(first, kDir, core::Epoch{1}, {}).ok());
    for (uint64_t epoch = 2; epoch <= 4; ++epoch) {
      // Sync of the directory, creation, write, sync of the file; not the last sync of the
      // directory.
      world.KilledAfter(4, [&](SimDisk& disk) {
        const auto claimed = log::CreateClaim(disk, kDir, core::Epoch{epoch}, {});
        ASSERT_TRUE(absl::IsAborted(claimed)) << claimed;
      });
    }
    world.volume.PowerLoss();
    SimDisk rebooted(world.volume, "rebooted");
    const auto newest = log::NewestClaim(rebooted, kDir);
    ASSERT_TRUE(newest.ok()) << "seed " << seed << ": " << newest.status();
  }
}

TEST(CachedNames, NoClaimOutlivesTheGenesis) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    World world(seed);
    // Everything of a creation but its last two syncs, of the genesis and of its directory.
    const uint64_t operations = [] {
      World counted(0);
      SimDisk disk(counted.volume, "counted");
      const uint64_t before = counted.volume.mutations();
      EXPECT_TRUE(counted.Create(disk).ok());
      return counted.volume.mutations() - before;
    }();
    world.KilledAfter(operations - 2,
                      [&](SimDisk& disk) { ASSERT_TRUE(absl::IsAborted(world.Create(disk))); });
    SimDisk second(world.volume, "second");
    ASSERT_TRUE(log::ReadGenesis(second, kDir).ok());
    ASSERT_TRUE(log::CreateClaim(second, kDir, core::Epoch{1}, {}).ok());
    world.volume.PowerLoss();
    SimDisk rebooted(world.volume, "rebooted");
    const auto genesis = log::ReadGenesis(rebooted, kDir);
    ASSERT_TRUE(genesis.ok()) << "seed " << seed << ": " << genesis.status();
  }
}

// The same where the genesis came from another machine: a sync by who only read it does nothing for
// it, and the storage server forgets what nobody synced.
TEST(CachedNames, NoClaimOutlivesAGenesisOfAnotherMachine) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    sim::SimScheduler scheduler(seed);
    sim::SimVolume volume(scheduler);
    volume.AddMachine("m1");
    volume.AddMachine("m2");
    SimDisk first(volume, "first", "m1");
    ASSERT_TRUE(first.MakeDir("/volume").ok());
    ASSERT_TRUE(first.SyncDir("/").ok());
    volume.AddFault({.kind = sim::FaultKind::kIoError,
                     .operations = static_cast<sim::DiskOps>(sim::DiskOp::kSync),
                     .path_part = "genesis",
                     .times = 1});
    ASSERT_FALSE(log::CreateGenesis(first, kDir, {.cluster = "c", .name = "shop/orders"}).ok());
    scheduler.RunUntil(sim::kSecond * 60);  // written back, if the failed sync did not drop it
    SimDisk second(volume, "second", "m2");
    if (!log::ReadGenesis(second, kDir).ok()) continue;
    ASSERT_TRUE(log::CreateClaim(second, kDir, core::Epoch{1}, {}).ok());
    volume.RestartServer();
    const auto genesis = log::ReadGenesis(second, kDir);
    ASSERT_TRUE(genesis.ok()) << "seed " << seed << ": " << genesis.status();
  }
}

}  // namespace
}  // namespace semper::fault
