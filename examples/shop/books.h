// Books: how many, and how much, of each section; and a checksum over every single order. One
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "semper/state.h"

namespace shop {

// So many reservations of a section, and stock wants a refill of it.
inline constexpr uint64_t kRefillEvery = 100;

struct Tally {
  uint64_t count = 0;
  uint64_t bytes = 0;
};

class Books {
 public:
  // Returns the section's new count.
  uint64_t Add(uint64_t number, std::string_view section, uint64_t size);

  uint64_t count() const { return count_; }
  uint64_t checksum() const { return checksum_; }  // does not depend on the order of the orders
  const std::map<std::string, Tally, std::less<>>& sections() const { return sections_; }

  // One line for the whole ("<name> = <count> <checksum>"), then one for each section ("<name>
  // <section> <count> <bytes>").
  std::string Lines(std::string_view name) const;

  void Save(semper::StateWriter& writer) const;
  void Load(semper::StateReader& reader);

 private:
  std::map<std::string, Tally, std::less<>> sections_;
  uint64_t count_ = 0;
  uint64_t checksum_ = 0;
};

}  // namespace shop
