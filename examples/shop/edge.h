// What the two services of the shop have in common at their edges: where they find the page and
// where they put reports.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "examples/shop/page.h"

namespace shop {

struct EdgeOptions {
  Page* page = nullptr;    // never null after Parse
  std::string report;      // file for reports; empty: standard output
  std::string catalog;     // file of the catalog; empty: no orders from here
  uint64_t window = 1024;  // orders under way at once
  uint64_t ballast = 0;    // bytes of state beside the books
};

// Reads --page=, --report=, --catalog=, --window= and --ballast-mb=; other arguments are left to
// semper::Main. Without --page a page of the process's own stands in. Ends the program if a file
// cannot be opened.
EdgeOptions ParseEdgeOptions(int argc, char** argv);

// Writes a report whole or not at all.
void WriteReport(const std::string& path, const std::string& text);

// Calls `submit` with each new number in page.report; for ever, on a thread of its own, which dies
// with the process. `submit` returns false when it wants no more.
void WatchReports(const Page& page, std::function<bool(uint64_t id)> submit);

}  // namespace shop
