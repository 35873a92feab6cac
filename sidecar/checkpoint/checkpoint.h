// Checkpoints: the files (docs/formats/checkpoint.md). Blocking calls; on the checkpoint lane.
// `dir` is the directory of the immortal; the files lie in its folder `checkpoints`.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/disk.h"
#include "base/hash.h"
#include "semper/v1/link.pb.h"
#include "semper/v1/log.pb.h"
#include "sidecar/core/types.h"

namespace semper::checkpoint {

struct CheckpointId {
  core::Epoch epoch{};
  core::Index index{};
  auto operator<=>(const CheckpointId&) const = default;
};

struct CheckpointHeader {
  CheckpointId id;
  std::string name;  // of the immortal
  core::Incarnation incarnation{};
  uint64_t batches = 0;
  Chain chain{};
  v1::CoordinatorState state;
};

// Writes one checkpoint under a temporary name. Dropping it unpublished leaves only the temporary
// file, which nobody relies on: see Discard, RemoveUnfinished, RemoveAbandoned.
class CheckpointWriter {
 public:
  virtual ~CheckpointWriter() = default;
  static absl::StatusOr<std::unique_ptr<CheckpointWriter>> Create(Disk& disk,
                                                                  const std::string& dir,
                                                                  const CheckpointHeader& header,
                                                                  uint64_t random);
  virtual absl::Status AddOutput(const core::FrameHeader& frame,
                                 std::span<const std::byte> payload) = 0;
  virtual absl::Status SetService(
      const v1::ServiceCheckpoint& service) = 0;                        // before the first chunk
  virtual absl::Status AddChunk(std::span<const std::byte> chunk) = 0;  // split to 1 MiB inside
  virtual absl::Status
  Finish() = 0;  // trailer, sync; then reads it all back and compares its checksums
  virtual absl::Status
  Publish() = 0;  // rename, sync of the directory. Only when committed >= index.
  // Removes the temporary file; nothing is called after it. Errors are left to who cleans later.
  virtual void Discard() = 0;
  virtual uint64_t bytes() const = 0;  // written so far
};

class CheckpointReader {
 public:
  virtual ~CheckpointReader() = default;
  // Reads and checks the header. DATA_LOSS names file, offset and what is wrong.
  static absl::StatusOr<std::unique_ptr<CheckpointReader>> Open(Disk& disk, const std::string& dir,
                                                                CheckpointId id);
  virtual const CheckpointHeader& header() const = 0;

  struct Section {
    enum Kind { kOutput = 1, kService = 2, kChunk = 3 } kind;
    core::FrameHeader frame;           // kOutput
    v1::ServiceCheckpoint service;     // kService
    std::span<const std::byte> bytes;  // payload or chunk; valid until the next call
  };
  // The next section, checked; nothing after the (checked) trailer.
  virtual absl::StatusOr<std::optional<Section>> Next() = 0;
};

// Published checkpoints, newest first.
absl::StatusOr<std::vector<CheckpointId>> ListCheckpoints(Disk& disk, const std::string& dir);

// Reads all of it. OK if every byte is as written.
absl::Status VerifyCheckpoint(Disk& disk, const std::string& dir, CheckpointId id);

// Removes temporary files of earlier processes (start-up), and published ones beyond the newest
// `keep` (>= 2). Only what is older than the `keep` newest *verified* ones goes. Returns the ids
// that are left, newest first.
absl::Status RemoveUnfinished(Disk& disk, const std::string& dir);
// The same where fellow members write checkpoints too: removes only temporary files that have not
// grown since the last call, which left the bytes of each in `seen`. A fellow that was only slow
// fails to publish, and begins another one.
absl::Status RemoveAbandoned(Disk& disk, const std::string& dir,
                             std::map<std::string, uint64_t>& seen);
absl::StatusOr<std::vector<CheckpointId>> RemoveOld(Disk& disk, const std::string& dir, int keep);

// Path of a published checkpoint, for messages.
std::string CheckpointPath(const std::string& dir, CheckpointId id);

}  // namespace semper::checkpoint
