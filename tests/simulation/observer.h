// Observer: knows everything, and says what must never happen. One for a run of the simulation.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sidecar/core/core.h"

namespace semper::sim {

class Observer {
 public:
  // The first violation stands; it names the invariant.
  void Violate(const std::string& invariant, const std::string& what) {
    if (violation_.empty()) violation_ = invariant + ": " + what;
  }
  const std::string& violation() const { return violation_; }

  // I1: a coordinator has taken over; whatever was committed before it is in its history.
  void TookOver(const std::string& immortal, const core::Core& core);
  // I1, I4: the service's state after an input that is committed.
  void Committed(const std::string& immortal, uint64_t index);
  void State(const std::string& immortal, uint64_t index, uint64_t digest);
  // I3: a client was told that its impulse is committed at this index.
  void Acknowledged(const std::string& immortal, uint64_t id, uint64_t index);

  const std::map<uint64_t, uint64_t>& acknowledged(const std::string& immortal) {
    return of_[immortal].acknowledged;
  }
  uint64_t committed(const std::string& immortal) { return of_[immortal].committed; }

 private:
  struct Known {
    uint64_t committed = 0;
    std::map<uint64_t, uint64_t> digests;       // index -> state of the service after it
    std::map<uint64_t, uint64_t> acknowledged;  // impulse -> index
    std::map<uint64_t, uint64_t> index_of;      // index -> impulse
  };
  std::map<std::string, Known> of_;
  std::string violation_;
};

}  // namespace semper::sim
