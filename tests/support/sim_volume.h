// SimVolume: one file system: its platter, the page cache of the machine that mounts it, and what
// goes wrong with it.
//
// Processes see it through SimDisk (sim_disk.h). kill -9 of a process loses nothing that was
// written; a power loss loses or keeps each unsynced sector and directory entry on its own.
//
// With machines added to it (AddMachine) it is a server that they share, each with a cache of its
// own (SimClient): then kRead may be old, kReadFresh, List and exclusive creation are the truth,
// and a name that a machine did not find it may not find for a while (by kRead).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/support/sim_client.h"
#include "tests/support/sim_inode.h"
#include "tests/support/sim_scheduler.h"

namespace semper::sim {

// Bits, so that a fault can name several.
enum class DiskOp : uint32_t {
  kOpen = 1,  // for reading
  kCreate = 2,
  kWrite = 4,
  kSync = 8,
  kRead = 16,
  kSize = 32,
  kPrewrite = 64,
  kList = 128,
  kMakeDir = 256,
  kSyncDir = 512,
  kRename = 1024,
  kRemove = 2048,
  kFreeBytes = 4096,
  kIdentify = 8192,
};
using DiskOps = uint32_t;
constexpr DiskOps operator|(DiskOp a, DiskOp b) {
  return static_cast<DiskOps>(a) | static_cast<DiskOps>(b);
}
constexpr DiskOps operator|(DiskOps a, DiskOp b) { return a | static_cast<DiskOps>(b); }
inline constexpr DiskOps kDiskMutations = DiskOp::kCreate | DiskOp::kWrite | DiskOp::kSync |
                                          DiskOp::kPrewrite | DiskOp::kMakeDir | DiskOp::kSyncDir |
                                          DiskOp::kRename | DiskOp::kRemove;
inline constexpr DiskOps kDiskAll = kDiskMutations | DiskOp::kOpen | DiskOp::kRead | DiskOp::kSize |
                                    DiskOp::kList | DiskOp::kFreeBytes | DiskOp::kIdentify;
const char* DiskOpName(DiskOp op);

enum class FaultKind {
  kIoError,   // EIO; what the operation should have done is done, done in part, or not
  kNoSpace,   // ENOSPC, in operations that need space
  kSyncLies,  // fdatasync: EIO once; pages stay readable and clean, but never reach the platter
  kSlow,      // takes from slow_min to slow_max longer
};

// A rule about what goes wrong. The first rule that fits an operation and draws its chance decides.
struct FaultRule {
  FaultKind kind = FaultKind::kIoError;
  DiskOps operations = kDiskAll;
  std::string path_part;  // fits paths that contain it
  uint64_t one_in = 1;
  uint64_t times = UINT64_MAX;  // how often it may still strike
  uint64_t skip = 0;            // fitting operations that it lets pass first
  SimNanos slow_min = kSecond;
  SimNanos slow_max = 120 * kSecond;
};

// Kills every view at the attempt of mutation number `after` + 1, i.e. after everything that
// follows from mutation number `after` (counted from 1) has happened. With `tear` the attempted one
// is done in part. With `machine` only attempts of that one count, and only its views die.
struct CrashPlan {
  uint64_t after = 0;
  bool tear = false;
  std::string machine;
};

struct SimDiskTiming {
  SimNanos touch_min =
      2 * kMicrosecond;  // operations of the cache: write, read, open, list, create, …
  SimNanos touch_max = 200 * kMicrosecond;
  SimNanos sync_min = 50 * kMicrosecond;  // what has to reach the platter
  SimNanos sync_max = 4 * kMillisecond;
};

class SimVolume {
 public:
  // Draws a seed of its own from the scheduler's generator.
  explicit SimVolume(SimScheduler& scheduler);

  // ---- what the simulation does to it ----
  void AddFault(FaultRule rule) { faults_.push_back(std::move(rule)); }
  void ClearFaults() { faults_.clear(); }
  void SetTiming(SimDiskTiming timing) { timing_ = timing; }
  void SetCacheTiming(SimCacheTiming timing) { cache_timing_ = timing; }
  void SetCapacity(uint64_t bytes) { capacity_bytes_ = bytes; }
  // `struck` is called once, when the plan strikes; on the stack of the operation, which then
  // returns an error.
  void PlanCrash(CrashPlan plan, std::function<void()> struck = {});
  void CancelCrash() { plan_.reset(); }
  bool CrashStruck() const { return plan_struck_; }

  // Ends all views, treats everything unsynced, and leaves what a mount after the reboot finds.
  // Fibers of the dead processes must have been drained before (SimProcess does).
  void PowerLoss(Survival how = Survival::kRandom);

  // ---- of several machines; before the first SimDisk of each
  void AddMachine(const std::string& name);
  bool shared() const { return !clients_.empty(); }
  // Operations of that machine hang until then, or fail with EIO when their patience is over; what
  // it has written surfaces later. 0: heals.
  void CutOff(const std::string& machine, SimNanos until);
  // One machine loses power; its fibers must have been drained before.
  void MachineDied(const std::string& machine);
  // The server loses power and is back at once; its clients live on. What they had not synced is
  // sent again, or lost: then their next sync fails.
  void RestartServer();
  // Called with process and path when a file or directory gets a name, on the operation's stack.
  void OnNamed(std::function<void(const std::string& process, const std::string& path)> named) {
    named_ = std::move(named);
  }
  // Called with the path of each write that comes to the server, and when it was made.
  void OnSurfaced(std::function<void(const std::string& path, SimNanos written)> surfaced) {
    surfaced_ = std::move(surfaced);
  }

  // Flips one bit. False if there is no such file or byte.
  bool FlipBit(const std::string& path, uint64_t offset, int bit);
  // Flips a random bit within a random file whose path contains `path_part`; nothing if there is
  // none.
  std::optional<std::pair<std::string, uint64_t>> FlipRandomBit(const std::string& path_part);

  // All files, by path, in order. For checks by the simulation; costs no virtual time.
  std::vector<std::string> Files() const;
  std::optional<std::vector<std::byte>> Contents(const std::string& path) const;

  const SimVolumeCounters& counters() const { return counters_; }
  const SimCacheTiming& cache_timing() const { return cache_timing_; }
  uint64_t mutations() const { return counters_.mutations; }
  SimScheduler& scheduler() { return scheduler_; }

 private:
  friend class SimClient;
  friend class SimDisk;
  friend class SimFile;

  struct View {  // one mount by one process; outlives it while files are open
    SimVolume* volume = nullptr;
    std::string process;
    SimClient* client = nullptr;  // if shared
    bool dead = false;
    SimNanos paused_until = 0;
    uint32_t writer() const { return client == nullptr ? 0 : client->number(); }
  };

  // What becomes of an operation.
  enum class Fate { kDone, kPartly, kNot, kLied };
  struct Turn {
    Fate fate = Fate::kDone;
    absl::Status status;  // not OK unless kDone
    bool cut = false;     // no word came through to the server; one may yet
  };
  // The beginning of every operation: counts, strikes planned crashes, waits (on a fiber), draws
  // faults.
  Turn Begin(View& view, DiskOp op, const std::string& path);
  std::optional<FaultKind> DrawFault(DiskOp op, const std::string& path, SimNanos* slow);
  // Waits on a fiber; at once on the main stack.
  void Wait(SimNanos delay);
  // Waits until the view's machine reaches the server. False: it gave up, or was killed.
  bool Reach(View& view, DiskOp op, const std::string& path);
  // A write comes to the server.
  void Surface(SimFileData& file, const std::string& path, uint32_t writer, uint64_t offset,
               std::span<const std::byte> bytes, SimNanos written);
  // Whether an operation on a directory takes place; one that fails may have.
  bool Happens(const Turn& turn);
  Turn Interrupted(View& view, DiskOp op, const std::string& path, const char* why);

  SimClient* ClientOf(const std::string& machine);
  SimNode Walk(const std::string& path) const;
  absl::StatusOr<std::shared_ptr<SimDirectory>> Parent(const std::string& path, std::string* name);
  uint64_t UsedBytes() const;
  void LosePower(Survival how);
  void KillView(View& view);

  SimScheduler& scheduler_;
  SimRandom random_;
  std::shared_ptr<SimDirectory> root_;
  std::vector<std::weak_ptr<View>> views_;
  std::vector<FaultRule> faults_;
  SimDiskTiming timing_;
  SimCacheTiming cache_timing_;
  std::vector<std::unique_ptr<SimClient>> clients_;
  std::function<void(const std::string&, const std::string&)> named_;
  std::function<void(const std::string&, SimNanos)> surfaced_;
  uint64_t next_file_ = 1;
  uint64_t capacity_bytes_ = UINT64_MAX;
  std::optional<CrashPlan> plan_;
  std::function<void()> plan_struck_call_;
  bool plan_struck_ = false;
  uint64_t moment_ = 0;  // order of mutations
  uint64_t crash_ = 0;
  SimVolumeCounters counters_;
};

}  // namespace semper::sim
