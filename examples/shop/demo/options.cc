#include "examples/shop/demo/options.h"

#include <charconv>
#include <cstdio>
#include <string_view>

namespace shop::demo {

namespace {

constexpr char kUsage[] =
    R"(usage: shop_demo [--orders N] [--kills K] [--seed S] [--sabotage] [--each N] [--together N]
                 [--patience N] [--keep] [--dir DIR]
       shop_demo --standbys N [--kind KINDS] [--rate N] [--state-mb N] [--log-dirs DIR,DIR,...] [--csv FILE] ...

Runs a shop of two immortals on a snapshot of this machine's package index, kills its four processes with SIGKILL while
calls are under way, and compares the books at the end with totals that awk computed from the snapshot.

  --orders N    place at least N orders (default: one for each package); more, in whole rounds, while kills are to come
  --kills K     kill at least K times with unanswered calls under way (default: 60); 0: never, not even at the end
  --seed S      of the choice of processes and moments (default: 1); the machine's timing adds its own
  --sabotage    use a coordinator that does not suppress duplicates; the books must show it. It shows soon:
                --orders, --kills and --patience are 10000, 12 and 10 if they are not given
  --each N      kill each of the four processes at least N times
  --together N  kill both coordinators within a millisecond at least N times
  --patience N  fail when no order was confirmed for N seconds (default: 30)
  --keep        keep the directory with logs and what the processes wrote; it is kept anyway if the demo fails
  --dir DIR     put the coordinators' logs below DIR, on another volume

With --standbys N each of the two immortals has N members more, which stand by. Orders come by the clock; each blow
hits a leader, sometimes a standby. How long a customer had to wait at most because of it stands in a CSV, and
" failover_p50_ms=... failover_p99_ms=..." at the end of the last line.

  --kind KINDS  one or more of kill, stop, switchover, with commas (default: kill). stop: SIGSTOP of the leading member
                for some seconds. switchover: semperctl switchover, and SIGTERM, in turns
  --kills K     the number of blows (default: 60)
  --rate N      orders a second (default: 500)
  --state-mb N  N megabytes more of state in stock
  --log-dirs L  where each member finds the volume with the logs: mounts of one shared volume, with commas
  --csv FILE    the gaps (default: beside the demo's directory)

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
  if (name == "--standbys") return &options.standbys;
  if (name == "--rate") return &options.rate;
  if (name == "--state-mb") return &options.ballast_mb;
  return nullptr;
}

std::vector<std::string> Split(std::string_view list) {
  std::vector<std::string> parts;
  for (;;) {
    const size_t comma = list.find(',');
    parts.emplace_back(list.substr(0, comma));
    if (comma == list.npos) return parts;
    list.remove_prefix(comma + 1);
  }
}

// False if it is none of these, or its text makes no sense.
bool TakeText(std::string_view name, const std::string& text, Options& options) {
  if (text.empty()) return false;
  if (name == "--csv") {
    options.csv = text;
  } else if (name == "--dir") {
    options.log_dirs = {text};
  } else if (name == "--log-dirs") {
    options.log_dirs = Split(text);
  } else if (name == "--kind") {
    options.kinds.clear();
    for (const std::string& kind : Split(text)) {
      if (kind == "kill") {
        options.kinds.push_back(BlowKind::kKill);
      } else if (kind == "stop") {
        options.kinds.push_back(BlowKind::kStop);
      } else if (kind == "switchover") {
        options.kinds.push_back(BlowKind::kSwitchover);
      } else {
        return false;
      }
    }
  } else {
    return false;
  }
  return true;
}

// A sentence if the options do not go together.
const char* Contradiction(const Options& options) {
  if (options.rate == 0 || options.rate > 1'000'000) return "--rate is 1 to 1000000";
  if (options.standbys > 8) return "--standbys is 0 to 8";
  if (options.standbys == 0 && options.ballast_mb > 0) return "--state-mb needs --standbys";
  if (options.standbys > 0 && (options.quota.each > 0 || options.quota.together > 0)) {
    return "--each and --together do not go with --standbys";
  }
  if (options.log_dirs.size() > 1 && options.log_dirs.size() != options.standbys + 1) {
    return "--log-dirs takes one directory, or one for each member of an immortal";
  }
  return nullptr;
}

}  // namespace

std::optional<Options> ParseOptions(int argc, char** argv, int* status) {
  Options options;
  for (int i = 1; i < argc; ++i) options.sabotage |= argv[i] == std::string_view("--sabotage");
  if (options.sabotage) {
    options.orders = 10'000;
    options.quota.kills = 12;
    options.patience = 10;
  }
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      std::fputs(kUsage, stdout);
      *status = 0;
      return std::nullopt;
    }
    if (argument == "--keep") options.keep = true;
    if (argument == "--keep" || argument == "--sabotage") continue;
    const size_t equals = argument.find('=');
    const std::string name(argument.substr(0, equals));
    uint64_t* number = NumberFor(name, options);
    const char* text = equals != argument.npos ? argv[i] + equals + 1
                       : i + 1 < argc          ? argv[++i]
                                               : "";
    if (number == nullptr ? TakeText(name, text, options) : ParseNumber(text, *number)) continue;
    std::fprintf(stderr,
                 number == nullptr ? "shop_demo: unknown argument %s %s; see --help\n"
                                   : "shop_demo: %s needs a number, not '%s'; see --help\n",
                 name.c_str(), text);
    *status = 2;
    return std::nullopt;
  }
  if (const char* why = Contradiction(options)) {
    std::fprintf(stderr, "shop_demo: %s; see --help\n", why);
    *status = 2;
    return std::nullopt;
  }
  return options;
}

}  // namespace shop::demo
