// CheckpointTurn: which member is to take the next checkpoint, as the leader decides it.
//
// A fellow that is ready takes them, so that the leader's callers notice nothing. One that does not
// deliver while a checkpoint is due loses its turn to the next, and the last turn is the leader's.
// What comes late counts like any other. Pure; times are of one steady clock, in nanoseconds.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sidecar/core/types.h"

namespace semper::core {

class CheckpointTurn {
 public:
  struct View {
    uint64_t now = 0;
    uint64_t limit_nanos = 0;  // how long a turn may take
    bool due = false;          // by policy, whoever takes it
    Index committed{};         // a fellow begins at the end of a record with inputs
  };
  // Several times in a limit. `ready`: fellows, in the order in which they are asked. Returns whose
  // turn has passed without a checkpoint: a fellow, or the leader itself (empty).
  std::optional<std::string> Look(const View& view, const std::vector<std::string>& ready);
  // Empty: the leader itself.
  const std::string& member() const { return member_; }

  // A checkpoint of that member is used; empty: of the leader.
  void OnCheckpoint(const std::string& by);
  // It connects, maybe as a new process.
  void OnFound(const std::string& fellow) { passed_over_.erase(fellow); }
  // The leader cannot: fellows are asked again.
  void OnOwnFailed() { passed_over_.clear(); }

 private:
  std::string member_;
  std::optional<uint64_t> began_;           // its turn
  Index began_at_{};                        // the turn's time runs when there is a later input
  std::map<std::string, int> passed_over_;  // for how many checkpoints more
};

}  // namespace semper::core
