// Recycling: closed segments of this very writer that nobody needs any more become its next spares
// (local profile).
//
// Writing over blocks that a file already has is several times faster than writing new ones: the
// disk has nothing to allocate, the file system no metadata to change, and nothing is written twice
// as with zeroes beforehand.
//
// A segment goes through three names-and-contents, each durable before the next, so that a crash
// leaves one of them:
//   1. SetAside: `<segment>.old`, whole. No reader looks at such names: for all of them it is gone.
//   2. Reuse, beginning: the same name, its first bytes zero. Was it opened by a reader before step
//   1, then that one finds
//      no valid record any more, looks for the name, and learns that the segment is gone
//      (HistoryReader).
//   3. Reuse, end: the name of the next segment; a file whose beginning is zero counts as never
//   used.
// Its old records stay in it until they are overwritten; they are no valid records there, since the
// CRC of each header is seeded with the id of the segment. Only the process whose epoch and nonce
// are in the name reuses a file (core.md, 4.2). What deposed processes set aside is removed by
// CountAside.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/disk.h"
#include "sidecar/core/types.h"
#include "sidecar/log/retention.h"

namespace semper::log {

// Number of files that `policy`'s writer has set aside; removes those of older epochs.
absl::StatusOr<size_t> CountAside(Disk& disk, const std::string& dir, const ReusePolicy& policy);

// True if `segment` was set aside durably; false if it does not fit the policy and is to be
// removed. The caller ensures that it is not needed any more (PlanTruncation), and that fewer than
// files_max are set aside.
absl::StatusOr<bool> SetAside(Disk& disk, const std::string& dir, const SegmentInfo& segment,
                              const ReusePolicy& policy);

// After `file` of the log was removed or renamed: makes that durable, and looks whether it is so.
// UNAVAILABLE if the name is there again: a server of the volume restarted before the sync, and the
// error of that was told to another thread's sync. What lies behind it must stay then.
absl::Status SettleGone(Disk& disk, const std::string& dir, const std::string& file);

// Takes one of the files set aside by (epoch, nonce) with at least `bytes` bytes, and gives it the
// name `path`, durably. NOT_FOUND if there is none. After another error a file may be left at
// `path` or under its old name.
absl::StatusOr<std::unique_ptr<File>> Reuse(Disk& disk, const std::string& dir, core::Epoch epoch,
                                            uint64_t nonce, uint64_t bytes,
                                            const std::string& path);

}  // namespace semper::log
