// The audit: what the two immortals have in their books, against what the snapshot says. Pure but
// for ReadReport.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "examples/shop/books.h"
#include "examples/shop/demo/snapshot.h"

namespace shop::demo {

// A report as OrderDesk and StockRoom write it: lines of book, key, and two numbers.
class Report {
 public:
  // Nothing if the file does not exist or is not one.
  static std::optional<Report> Read(const std::string& path);

  uint64_t id() const { return Of("report", "=").count; }
  Tally Of(const std::string& book, const std::string& key) const;  // zeroes if it is not there
  Totals Sections(const std::string& book) const;

 private:
  std::map<std::string, Totals> books_;
};

struct Verdict {
  uint64_t lost = 0;                  // orders missing in one of the books
  uint64_t duplicated = 0;            // orders that are in one of the books too often
  uint64_t mismatched = 0;            // totals, checksums and counts that differ
  std::vector<std::string> findings;  // a sentence each, the first few

  bool ok() const { return lost == 0 && duplicated == 0 && mismatched == 0; }
};

// `expected`: by awk, of all orders that were placed. `checksum`: of the same orders.
Verdict Audit(const Report& orders, const Report& stock, const Totals& expected, uint64_t checksum);

}  // namespace shop::demo
