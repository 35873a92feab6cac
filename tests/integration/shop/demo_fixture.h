// shop_demo as a program that is run to its end.
#pragma once

#include <algorithm>
#include <regex>

#include "tests/integration/shop/shop_fixture.h"

namespace shop::demo {

inline constexpr char kOk[] =
    "demo: ok orders=[0-9]+ kills=[0-9]+ lost=0 duplicated=0 mismatched=0 seconds=[0-9.]+ "
    "recovery_p50_ms=[0-9]+ recovery_max_ms=[0-9]+";

class DemoTest : public WorkDirTest {
 protected:
  int RunDemo(std::vector<std::string> flags, std::chrono::seconds limit) {
    flags.insert(flags.begin(), "shop_demo");
    const int status = Run(std::move(flags), "out", limit);
    out_ = ContentOf(File("out"));
    const size_t end = out_.find_last_not_of('\n') + 1;
    const size_t begin = out_.rfind('\n', end - 1) + 1;
    last_line_ = out_.substr(begin, end - begin);
    return status;
  }

  // The number behind "<name>=" in what the demo printed, or 0.
  uint64_t Figure(const std::string& name) const {
    std::smatch match;
    const std::regex pattern("[ ]" + name + "=([0-9]+)");
    return std::regex_search(out_, match, pattern) ? std::stoull(match[1]) : 0;
  }
  uint64_t LeastKills() const {
    uint64_t least = UINT64_MAX;
    for (const Role role : kRoles) least = std::min(least, Figure(NameOf(role)));
    return least;
  }

  std::string out_;
  std::string last_line_;
};

}  // namespace shop::demo
