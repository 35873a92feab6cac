// What a campaign was asked to do.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace campaign {

struct Options {
  double minutes = 5;
  uint64_t seed = 1;
  size_t members = 3;
  double rate = 1200;            // operations a second, of all clients
  std::string volume = "local";  // local, replicated, both
  std::string volume_script;     // of the replicated one
  std::string commit = "unknown";
  std::string only;  // kinds of faults, separated by commas; empty: all
  std::chrono::milliseconds every{1500};
  bool sabotage = false;
  bool keep = false;
};

// Nothing if the program is to end at once, with *status: after --help, or after a sentence about a
// wrong argument.
std::optional<Options> ParseOptions(int argc, char** argv, int* status);

}  // namespace campaign
