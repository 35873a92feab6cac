// What the demo was asked to do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "examples/shop/demo/drill.h"
#include "examples/shop/demo/plan.h"

namespace shop::demo {

struct Options {
  uint64_t orders = 0;  // at least so many; 0: one round
  Quota quota;
  uint64_t seed = 1;
  uint64_t patience = 30;  // seconds that the shop may stand still before that is a failure
  uint64_t standbys = 0;   // of each immortal; from 1 on it is a drill
  std::vector<BlowKind> kinds = {BlowKind::kKill};
  uint64_t rate = 500;      // orders a second, in a drill
  uint64_t ballast_mb = 0;  // of stock's state, in a drill
  std::vector<std::string> log_dirs;
  std::string csv;        // empty: a name is found
  bool sabotage = false;  // with other defaults, since it shows soon
  bool keep = false;
};

// Nothing if the program is to end at once, with *status: after --help, or after a sentence about a
// wrong argument.
std::optional<Options> ParseOptions(int argc, char** argv, int* status);

}  // namespace shop::demo
