// LagMeter: by how much time a standby is behind its leader.
//
// The leader says what is committed some ten times a second. The lag is the age of the oldest such
// word that the standby has not applied yet: 0 while it keeps up, and right on a standby that stays
// a constant distance behind. One thread; times are of one steady clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

namespace semper::admin {

class LagMeter {
 public:
  // The leader said that `committed` is committed; the standby has applied `applied`.
  void Told(std::chrono::nanoseconds now, uint64_t committed, uint64_t applied);

  // The lag of a standby that has applied `applied` by now.
  double Seconds(std::chrono::nanoseconds now, uint64_t applied) const;

 private:
  struct Word {
    std::chrono::nanoseconds at;
    uint64_t committed;
  };
  std::deque<Word> words_;  // ascending in both
};

}  // namespace semper::admin
