// Observer: knows everything, and says what must never happen. One for a run of the simulation.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/support/sim_scheduler.h"

namespace semper::sim {

class Observer {
 public:
  explicit Observer(SimScheduler& scheduler) : scheduler_(scheduler) {}

  // The first violation stands; it names the invariant.
  void Violate(const std::string& invariant, const std::string& what) {
    if (violation_.empty()) violation_ = invariant + ": " + what;
  }
  const std::string& violation() const { return violation_; }

  // I1: a coordinator has taken over with a history up to `index`; whatever was committed before,
  // by whomever, is in it. `life`: unique in the run; an epoch has one.
  void TookOver(const std::string& immortal, uint64_t epoch, uint64_t index, uint64_t life);
  // I1: the leader of `epoch` says that `index` is committed.
  void Committed(const std::string& immortal, uint64_t epoch, uint64_t index);
  // I1: a standby has handed this input to its service, so it has to be committed.
  void Applied(const std::string& immortal, uint64_t index);
  // I1, I4: the service's state after an input that is committed, at any member.
  // `who` reports it.
  void State(const std::string& immortal, uint64_t index, uint64_t digest, const std::string& who);
  // I3: a client was told that its impulse is committed at this index.
  void Acknowledged(const std::string& immortal, uint64_t id, uint64_t index);

  const std::map<uint64_t, uint64_t>& acknowledged(const std::string& immortal) {
    return of_[immortal].acknowledged;
  }
  uint64_t committed(const std::string& immortal) { return of_[immortal].committed; }

 private:
  struct Reign {
    uint64_t life = 0;
    uint64_t index = 0;  // of the history that it took over
  };
  struct Known {
    uint64_t committed = 0;
    std::map<uint64_t, Reign> reigns;           // by epoch
    std::map<uint64_t, uint64_t> digests;       // index -> state of the service after it
    std::map<uint64_t, uint64_t> acknowledged;  // impulse -> index
    std::map<uint64_t, uint64_t> index_of;      // index -> impulse
  };
  SimScheduler& scheduler_;
  std::map<std::string, Known> of_;
  std::string violation_;
};

}  // namespace semper::sim
