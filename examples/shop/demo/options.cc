#include "examples/shop/demo/options.h"

#include <charconv>
#include <cstdio>
#include <string_view>

namespace shop::demo {

namespace {

constexpr char kUsage[] =
    R"(usage: shop_demo [--orders N] [--kills K] [--seed S] [--sabotage] [--each N] [--together N]
                 [--patience N] [--keep]

Runs a shop of two immortals on a snapshot of this machine's package index, kills its four processes with SIGKILL while
calls are under way, and compares the books at the end with totals that awk computed from the snapshot.

  --orders N    place at least N orders (default: one for each package); more, in whole rounds, while kills are to come
  --kills K     kill at least K times with unanswered calls under way (default: 60); 0: never, not even at the end
  --seed S      of the choice of processes and moments (default: 1); the machine's timing adds its own
  --sabotage    use a coordinator that does not suppress duplicates; the books must show it
  --each N      kill each of the four processes at least N times
  --together N  kill both coordinators within a millisecond at least N times
  --patience N  fail when no order was confirmed for N seconds (default: 30)
  --keep        keep the directory with logs and what the processes wrote; it is kept anyway if the demo fails

The directory is made below $TMPDIR, or /tmp, or /var/tmp if /tmp is memory.
The last line is "demo: ok orders=... kills=... lost=0 duplicated=0 mismatched=0 seconds=... recovery_p50_ms=...
recovery_max_ms=...", or "demo: FAILED ..." with exit status 1.
)";

bool ParseNumber(std::string_view text, uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

uint64_t* NumberFor(std::string_view name, Options& options) {
  if (name == "--orders") return &options.orders;
  if (name == "--kills") return &options.quota.kills;
  if (name == "--seed") return &options.seed;
  if (name == "--patience") return &options.patience;
  if (name == "--each") return &options.quota.each;
  if (name == "--together") return &options.quota.together;
  return nullptr;
}

}  // namespace

std::optional<Options> ParseOptions(int argc, char** argv, int* status) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      std::fputs(kUsage, stdout);
      *status = 0;
      return std::nullopt;
    }
    if (argument == "--sabotage" || argument == "--keep") {
      (argument == "--keep" ? options.keep : options.sabotage) = true;
      continue;
    }
    const size_t equals = argument.find('=');
    const std::string name(argument.substr(0, equals));
    uint64_t* number = NumberFor(name, options);
    const char* text = equals != argument.npos             ? argv[i] + equals + 1
                       : number != nullptr && i + 1 < argc ? argv[++i]
                                                           : "";
    if (number == nullptr || !ParseNumber(text, *number)) {
      std::fprintf(stderr,
                   number == nullptr ? "shop_demo: unknown argument %s; see --help\n"
                                     : "shop_demo: %s needs a number; see --help\n",
                   name.c_str());
      *status = 2;
      return std::nullopt;
    }
  }
  return options;
}

}  // namespace shop::demo
