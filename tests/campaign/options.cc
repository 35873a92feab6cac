#include "tests/campaign/options.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "tests/campaign/fault_plan.h"

namespace campaign {

namespace {

constexpr char kUsage[] =
    R"(usage: semper-campaign [--minutes M] [--seed S] [--members N] [--volume local|replicated|both] [--rate R]
                       [--every MS] [--only KINDS] [--sabotage] [--keep]

Runs three immortals with N members each (3) on hosts of their own for M minutes (5) under R operations a second (1200), while
a fault comes every MS milliseconds (1500) on average, chosen by S (1). Then everything heals and the books are checked. The
last line says campaign: ok or campaign: FAILED. Needs root.

  --volume KIND  local: ext4 images of this machine (the default); replicated: a replicated file system, mounted by each member;
                 both: half of the time each
  --only KINDS   only these faults, separated by commas; none: no faults. Kinds:
                 )";

bool TakeValue(int argc, char** argv, int& i, std::string_view flag, std::string& value) {
  const std::string_view argument = argv[i];
  if (!argument.starts_with(flag)) return false;
  if (argument.size() > flag.size() && argument[flag.size()] == '=') {
    value = argument.substr(flag.size() + 1);
    return true;
  }
  if (argument.size() != flag.size() || i + 1 >= argc) return false;
  value = argv[++i];
  return true;
}

void PrintUsage() {
  std::printf("%s", kUsage);
  for (size_t i = 0; i < kFaultKinds; ++i) {
    std::printf("%s%s",
                i == 0       ? ""
                : i % 7 == 0 ? ",\n                 "
                             : ", ",
                std::string(NameOf(static_cast<FaultKind>(i))).c_str());
  }
  std::printf(
      "\n  --sabotage     a coordinator that commits without looking up newer claims; must end in "
      "FAILED\n  --keep         keep the histories and logs also when all is well\n");
}

std::optional<std::string> WhatIsWrong(const Options& options) {
  if (!(options.minutes > 0)) return "--minutes is to be above 0";
  if (options.members < 1 || options.members > 9) return "--members is to be 1 to 9";
  if (!(options.rate >= 1)) return "--rate is to be at least 1";
  if (options.every.count() < 10) return "--every is to be at least 10 (ms)";
  if (options.volume != "local" && options.volume != "replicated" && options.volume != "both")
    return "--volume is local, replicated or both";
  return std::nullopt;
}

}  // namespace

std::optional<Options> ParseOptions(int argc, char** argv, int* status) {
  Options options;
  std::string value;
  *status = 2;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      PrintUsage();
      *status = 0;
      return std::nullopt;
    }
    if (argument == "--sabotage") {
      options.sabotage = true;
    } else if (argument == "--keep") {
      options.keep = true;
    } else if (TakeValue(argc, argv, i, "--minutes", value)) {
      options.minutes = std::atof(value.c_str());
    } else if (TakeValue(argc, argv, i, "--seed", value)) {
      options.seed = std::strtoull(value.c_str(), nullptr, 10);
    } else if (TakeValue(argc, argv, i, "--members", value)) {
      options.members = std::strtoull(value.c_str(), nullptr, 10);
    } else if (TakeValue(argc, argv, i, "--rate", value)) {
      options.rate = std::atof(value.c_str());
    } else if (TakeValue(argc, argv, i, "--every", value)) {
      options.every = std::chrono::milliseconds(std::atoi(value.c_str()));
    } else if (!TakeValue(argc, argv, i, "--volume-script", options.volume_script) &&
               !TakeValue(argc, argv, i, "--volume", options.volume) &&
               !TakeValue(argc, argv, i, "--commit", options.commit) &&
               !TakeValue(argc, argv, i, "--only", options.only)) {
      std::fprintf(stderr, "campaign: unknown argument %s (see --help)\n", argv[i]);
      return std::nullopt;
    }
  }
  if (const std::optional<std::string> wrong = WhatIsWrong(options)) {
    std::fprintf(stderr, "campaign: %s\n", wrong->c_str());
    return std::nullopt;
  }
  return options;
}

}  // namespace campaign
