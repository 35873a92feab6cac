// Snapshot: the machine's package index, taken once, and what a shop that ordered every package has
// to have in its books, computed from it by awk.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "examples/shop/books.h"

namespace shop::demo {

using Totals = std::map<std::string, Tally, std::less<>>;  // by section

class Snapshot {
 public:
  // Writes `apt-cache dumpavail` to <dir>/available and its catalog to <dir>/catalog. Nothing with
  // a sentence in `why` if there is no apt-cache or not one package.
  static std::optional<Snapshot> Take(const std::string& dir, std::string& why);

  uint64_t packages() const { return packages_; }
  const std::string& catalog() const { return catalog_; }

  // What the first `orders` orders come to. Computed by awk from `available` alone.
  std::optional<Totals> Expect(uint64_t orders, std::string& why) const;

  // The same from the catalog, by the shop's own code: only for the checksum, which awk cannot
  // compute.
  std::optional<Books> ExpectBooks(uint64_t orders) const;

 private:
  std::string dir_;
  std::string available_;
  std::string catalog_;
  uint64_t packages_ = 0;
};

}  // namespace shop::demo
