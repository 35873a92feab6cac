// Ballast: a large state without meaning, so that what depends on the size of a state shows. One
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "semper/state.h"

namespace shop {

class Ballast {
 public:
  explicit Ballast(uint64_t bytes) : wanted_(bytes) {}

  // Changes eight bytes at a place that depends on the number. The first touch fills everything.
  void Touch(uint64_t number);

  void Save(semper::StateWriter& writer) const;
  void Load(semper::StateReader& reader);

 private:
  const uint64_t wanted_;  // a life that begins with Load fills nothing
  std::vector<std::byte> bytes_;
};

}  // namespace shop
