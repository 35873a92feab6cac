#include "tests/simulation/observer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace semper::sim {

void Observer::TookOver(const std::string& immortal, const core::Core& core) {
  const uint64_t known = of_[immortal].committed;
  if (Raw(core.appended()) < known) {
    Violate("I1 one history",
            absl::StrCat(immortal, " epoch ", Raw(core.epoch()), " leads with history up to index ",
                         Raw(core.appended()), ", but index ", known, " was committed"));
  }
}

void Observer::Committed(const std::string& immortal, uint64_t index) {
  of_[immortal].committed = std::max(of_[immortal].committed, index);
}

void Observer::State(const std::string& immortal, uint64_t index, uint64_t digest) {
  const auto [at, fresh] = of_[immortal].digests.emplace(index, digest);
  if (!fresh && at->second != digest) {
    Violate("I1 one history",
            absl::StrCat(immortal, " has another state after input ", index, " than before"));
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
