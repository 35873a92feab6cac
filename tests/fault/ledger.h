// Ledger: what the world outside of a simulated log directory has been told, across crashes.
//
// Kept beside the simulated volume; no crash touches it. A recovered log is compared with it: what
// was acknowledged is there, byte for byte and with the same chain; what was never written is not.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/hash.h"
#include "sidecar/checkpoint/checkpoint.h"
#include "sidecar/core/types.h"

namespace semper::fault {

// One frame of inputs, as it was written or read.
struct LoggedFrame {
  uint32_t count = 0;  // of inputs
  std::string payload;
  auto operator<=>(const LoggedFrame&) const = default;
};

// All that is retained of a log.
struct LogContents {
  core::Index first_index{1};
  core::Index last_index{};
  std::map<uint64_t, LoggedFrame> frames;  // by the index of their first input
  std::map<uint64_t, Chain> chains;        // after the record that ends at this index
};

class Ledger {
 public:
  // ---- what a process is about to do, and what it has told the world ----
  void Writing(uint64_t first_index, LoggedFrame frame);
  // Everything up to the end of this record is committed and was answered.
  void Acknowledged(uint64_t last_index, const Chain& chain);
  void Published(checkpoint::CheckpointId id, const Chain& chain);
  void Created(const core::Incarnation& incarnation) { incarnation_ = incarnation; }

  // ---- comparing; a text for each violation is kept ----
  void CompareGenesis(const core::Incarnation& incarnation);
  // `checkpoint` is the newest one that loads.
  void CompareLog(const LogContents& log,
                  const std::optional<checkpoint::CheckpointId>& checkpoint);
  // A successor has sealed and committed this as the history: from now on it is what counts.
  void Adopt(const LogContents& log);
  void Violation(std::string text) { violations_.push_back(std::move(text)); }

  const std::vector<std::string>& violations() const { return violations_; }
  uint64_t acknowledged() const { return acknowledged_; }
  bool created() const { return incarnation_.has_value(); }
  const std::map<checkpoint::CheckpointId, Chain>& published() const { return published_; }

 private:
  std::optional<core::Incarnation> incarnation_;
  std::map<uint64_t, std::set<LoggedFrame>> written_;  // by first index: all that was ever tried
  std::map<uint64_t, LoggedFrame> pending_;            // by first index: of the present process
  std::map<uint64_t, LoggedFrame> answered_;
  std::map<uint64_t, Chain> answered_chains_;
  uint64_t acknowledged_ = 0;
  std::map<checkpoint::CheckpointId, Chain> published_;
  std::vector<std::string> violations_;
};

}  // namespace semper::fault
