// What a run of the simulation must have met. A run in which one of these never occurred proves
// less than it says, and fails.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace semper::sim {

enum class Situation {
  kCrashBetweenEffects,
  kCrashBetweenDiskOperations,
  kPowerLoss,
  kTornWrite,
  kReorderedWrites,
  kServiceAndCoordinatorDown,
  kAllDown,
  kTornTailAtTakeOver,
  kTailCopied,
  kVoidEpoch,
  kDuplicatePrefixCut,
  kDuplicateFrameDropped,
  kRegeneratedOutputDropped,
  kCheckpointPublished,
  kCheckpointRacedByCrash,
  kRestoredFromCheckpoint,
  kRestoredWithHeldOutputs,
  kSegmentChange,
  kLogTruncated,
  kTimerFired,
  kClockWentBack,
  kPausedLeaderWokeAndStoodDown,
  kLostLockByError,
  kFsyncFailed,
  kConnectionCutWithNotice,
  kConnectionCutSilently,
  kPartition,
  kManyInOneUnit,
  kSpeculationLost,
  kCount,
};
inline constexpr size_t kSituations = static_cast<size_t>(Situation::kCount);
using SituationCounts = std::array<uint64_t, kSituations>;

inline const char* NameOf(Situation s) {
  static constexpr std::array<const char*, kSituations> kNames = {
      "crash between two effects of a step",
      "crash between two disk operations",
      "power loss",
      "torn write",
      "reordered writes",
      "service and coordinator down together",
      "every process down together",
      "torn tail at a take-over",
      "unproven tail copied",
      "void epoch skipped",
      "duplicate prefix cut",
      "duplicate frame dropped",
      "regenerated output compared and dropped",
      "checkpoint published",
      "checkpoint raced by a crash",
      "restored from a checkpoint",
      "restored with held outputs",
      "segment change",
      "log truncated",
      "timer fired",
      "clock went back",
      "paused leader woke and stood down",
      "lock lost by an error",
      "fdatasync failed once",
      "connection cut with notice",
      "connection cut silently",
      "partition",
      "many inputs in one unit",
      "speculative inputs lost",
  };
  return kNames[static_cast<size_t>(s)];
}

}  // namespace semper::sim
