// Reach: whether anybody reaches this member, and what follows (core.md, 9).
//
// A leader that neither a fellow nor another immortal nor a client reaches keeps everybody waiting,
// while its log goes on, so that nobody deposes it. It resigns in favour of a standby that says, on
// the volume, that it is reached. That decides only when to try: to resign is to hand over. Pure;
// times are of one steady clock, in nanoseconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sidecar/core/types.h"

namespace semper::core {

// What a standby says: that others reach it, but it does not reach who leads `epoch`.
struct ReachReport {
  Epoch epoch{};
  uint32_t number = 0;  // random: says it anew
  std::string member;

  bool operator==(const ReachReport&) const = default;
};

class Reach {
 public:
  explicit Reach(uint64_t silence_nanos) : silence_(silence_nanos) {}

  // Somebody was there: a connection that stands, a peer's hello, a client's impulse.
  void OnHeard(uint64_t now);
  // The member that leads has spoken; or one begins to follow.
  void OnLeader(uint64_t now) { leader_ = now; }

  // A standby: is it time to report? It has not heard of the leader for the silence limit, but of
  // others.
  bool MayReport(uint64_t now);
  // A leader: is it time to look for reports? It has heard of nobody for the silence limit.
  bool MayLook(uint64_t now);
  // What such a look has found. In whose favour to resign; empty: in nobody's, now. What the first
  // look finds may be of long ago, or of somebody who is dead: it counts when it is said anew.
  std::string Judge(uint64_t now, Epoch own, const std::vector<ReachReport>& reports);

 private:
  const uint64_t silence_;
  std::optional<uint64_t> heard_;
  uint64_t leader_ = 0;
  uint64_t next_ = 0;                            // report or look
  std::optional<std::vector<ReachReport>> old_;  // found by the first look since somebody was heard
};

}  // namespace semper::core
