#include "tests/simulation/observer.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace semper::sim {

void Observer::TookOver(const std::string& immortal, uint64_t epoch, uint64_t index,
                        uint64_t life) {
  Known& known = of_[immortal];
  const auto [reign, first] = known.reigns.emplace(epoch, Reign{life, index});
  if (!first && reign->second.life != life) {
    Violate("I1 one history", absl::StrCat(immortal, " epoch ", epoch, " is led by two processes"));
  }
  // One that slept since its seal was confirmed finds out with its next look-up.
  const bool newest = std::next(reign) == known.reigns.end();
  if (newest && index < known.committed) {
    Violate("I1 one history",
            absl::StrCat(immortal, " epoch ", epoch, " leads with history up to index ", index,
                         ", but index ", known.committed, " was committed"));
  }
}

void Observer::Committed(const std::string& immortal, uint64_t epoch, uint64_t index) {
  Known& known = of_[immortal];
  known.committed = std::max(known.committed, index);
  const auto successor = known.reigns.upper_bound(epoch);
  if (successor != known.reigns.end() && index > successor->second.index) {
    Violate("I1 one history",
            absl::StrCat(immortal, " epoch ", epoch, " commits index ", index, ", but epoch ",
                         successor->first, " took over after index ", successor->second.index));
  }
}

void Observer::Applied(const std::string& immortal, uint64_t index) {
  Known& known = of_[immortal];
  known.committed = std::max(known.committed, index);
}

void Observer::State(const std::string& immortal, uint64_t index, uint64_t digest,
                     const std::string& who) {
  scheduler_.Trace("state of", immortal, index, digest, "at", who);
  const auto [at, fresh] = of_[immortal].digests.emplace(index, digest);
  if (!fresh && at->second != digest) {
    Violate("I1 one history", absl::StrCat(immortal, " has another state after input ", index,
                                           " than before, at ", who));
  }
}

void Observer::Acknowledged(const std::string& immortal, uint64_t id, uint64_t index) {
  Known& known = of_[immortal];
  if (index > known.committed) {
    Violate("I2 nothing leaves before it is committed",
            absl::StrCat(immortal, " acknowledged impulse ", id, " at index ", index,
                         ", committed is ", known.committed));
  }
  if (!known.acknowledged.emplace(id, index).second || !known.index_of.emplace(index, id).second) {
    Violate("I3 exactly once",
            absl::StrCat(immortal, " acknowledged impulse ", id, " or index ", index, " twice"));
  }
}

}  // namespace semper::sim
