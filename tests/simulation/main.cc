// semper-sim: runs the simulated world for many seeds.
//
//   semper-sim --seeds N [--seed S] [--steps M] [--members 1|2|3|mix] [--kept FILE] [--trace]
//   [--hashes] [--jobs J]
// Ends with "sim: seeds=N failed=F inputs=… crashes=… faults=…"; exit status 1 if a seed failed or
// a situation that must occur did not (only checked from 200 seeds on).
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "tests/simulation/world.h"

namespace semper::sim {
namespace {

struct Arguments {
  uint64_t seeds = 1;
  uint64_t first = 1;
  uint64_t steps = 5000;
  int members = 1;  // 0: the seed draws
  bool trace = false;
  bool hashes = false;
  struct Kept {
    uint64_t seed = 0;
    uint64_t steps = 0;
    int members = 0;
  };
  std::vector<Kept> kept;  // before the others
  unsigned jobs = std::max(1u, std::thread::hardware_concurrency());
};

struct Totals {
  uint64_t failed = 0;
  uint64_t inputs = 0;
  uint64_t acknowledged = 0;
  uint64_t crashes = 0;
  uint64_t faults = 0;
  uint64_t steps = 0;
  uint64_t with_members = 0;  // seeds
  SituationCounts situations{};
};

constexpr uint64_t kSeedsForSituations = 200;
constexpr size_t kLinesOfTrace = 60;

// Once more, with the trace that leads to it.
void Explain(const WorldOptions& options) {
  World world(options);
  world.trace().KeepLines(kLinesOfTrace);
  const WorldResult again = world.Run();
  for (const std::string& line : world.trace().lines()) std::printf("  %s\n", line.c_str());
  std::printf("seed %" PRIu64 " violates %s\n", options.seed, again.violation.c_str());
  std::printf("  the whole trace: ./dev sim --seeds 1 --seed %" PRIu64 " --steps %" PRIu64
              " --members %d --trace\n",
              options.seed, options.steps, again.members);
}

void RunSeed(const Arguments& arguments, const WorldOptions& options, Totals& totals) {
  WorldResult result;
  {
    World world(options);
    if (arguments.trace) world.trace().PrintTo(stdout);
    result = world.Run();
  }
  if (arguments.hashes) {
    std::printf("seed %" PRIu64 " trace %016" PRIx64 " events %" PRIu64 "\n", options.seed,
                result.trace_hash, result.steps);
  }
  if (!result.violation.empty()) {
    ++totals.failed;
    std::printf("seed %" PRIu64 " FAILED: %s\n", options.seed, result.violation.c_str());
    if (!arguments.trace && totals.failed == 1) Explain(options);
    std::fflush(stdout);
  }
  totals.inputs += result.inputs;
  totals.acknowledged += result.acknowledged;
  totals.crashes += result.crashes;
  totals.faults += result.faults;
  totals.steps += result.steps;
  if (result.members > 1) ++totals.with_members;
  for (size_t i = 0; i < kSituations; ++i) totals.situations[i] += result.situations[i];
}

void Add(Totals& to, const Totals& from) {
  to.failed += from.failed;
  to.inputs += from.inputs;
  to.acknowledged += from.acknowledged;
  to.crashes += from.crashes;
  to.faults += from.faults;
  to.steps += from.steps;
  to.with_members += from.with_members;
  for (size_t i = 0; i < kSituations; ++i) to.situations[i] += from.situations[i];
}

void RunJob(const Arguments& arguments, unsigned job, unsigned jobs, Totals& totals) {
  const uint64_t kept = arguments.kept.size();
  for (uint64_t i = job; i < kept + arguments.seeds; i += jobs) {
    WorldOptions options;
    options.seed = i < kept ? arguments.kept[i].seed : arguments.first + i - kept;
    options.steps = i < kept ? arguments.kept[i].steps : arguments.steps;
    options.members = i < kept ? arguments.kept[i].members : arguments.members;
    RunSeed(arguments, options, totals);
  }
}

// One process a job: seeds are independent, and a seed that crashes the simulator is reported like
// any other failure.
Totals RunAll(const Arguments& arguments) {
  Totals totals;
  const unsigned jobs = static_cast<unsigned>(std::min<uint64_t>(arguments.jobs, arguments.seeds));
  if (jobs <= 1) {
    RunJob(arguments, 0, 1, totals);
    return totals;
  }
  std::vector<std::pair<pid_t, int>> children;
  for (unsigned job = 0; job < jobs; ++job) {
    int ends[2];
    if (pipe(ends) != 0) std::abort();
    std::fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
      Totals mine;
      RunJob(arguments, job, jobs, mine);
      std::fflush(stdout);
      const bool written = write(ends[1], &mine, sizeof mine) == static_cast<ssize_t>(sizeof mine);
      _exit(written ? 0 : 1);
    }
    close(ends[1]);
    children.emplace_back(pid, ends[0]);
  }
  for (const auto& [pid, end] : children) {
    Totals theirs;
    const bool complete = read(end, &theirs, sizeof theirs) == static_cast<ssize_t>(sizeof theirs);
    int status = 0;
    waitpid(pid, &status, 0);
    close(end);
    if (complete) {
      Add(totals, theirs);
    } else {
      ++totals.failed;
      std::printf("a job of the simulator ended with status %d: run its seeds with --jobs 1\n",
                  status);
    }
  }
  return totals;
}

// Lines "seed steps members what it was"; '#' begins a comment.
bool ReadKept(const std::string& path, Arguments& arguments) {
  std::ifstream file(path);
  if (!file) return false;
  for (std::string line; std::getline(file, line);) {
    Arguments::Kept kept;
    if (line.empty() || line[0] == '#') continue;
    if (std::sscanf(line.c_str(), "%" SCNu64 " %" SCNu64 " %d", &kept.seed, &kept.steps,
                    &kept.members) != 3) {
      return false;
    }
    arguments.kept.push_back(kept);
  }
  return true;
}

bool Parse(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--trace") {
      arguments.trace = true;
      arguments.jobs = 1;
      continue;
    }
    if (flag == "--hashes") {
      arguments.hashes = true;
      continue;
    }
    if (i + 1 >= argc) return false;
    if (flag == "--kept") {
      if (!ReadKept(argv[++i], arguments)) return false;
      continue;
    }
    if (flag == "--members" && std::string(argv[i + 1]) == "mix") {
      arguments.members = 0;
      ++i;
      continue;
    }
    char* end = nullptr;
    const uint64_t value = std::strtoull(argv[++i], &end, 10);
    if (*end != '\0' || *argv[i] == '-') return false;
    if (flag == "--seeds") {
      arguments.seeds = value;
    } else if (flag == "--seed") {
      arguments.first = value;
    } else if (flag == "--steps") {
      arguments.steps = value;
    } else if (flag == "--members" && value >= 1 && value <= 9) {
      arguments.members = static_cast<int>(value);
    } else if (flag == "--jobs") {
      arguments.jobs = static_cast<unsigned>(std::clamp<uint64_t>(value, 1, 256));
    } else {
      return false;
    }
  }
  return arguments.seeds > 0;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  if (!Parse(argc, argv, arguments)) {
    std::fprintf(
        stderr,
        "usage: semper-sim [--seeds N] [--seed S] [--steps M] [--members 1|2|3|mix] [--jobs J] "
        "[--kept FILE] [--trace] [--hashes]\n"
        "  runs seeds S .. S + N - 1 (default: one, seed 1), M events of chaos each (default "
        "5000)\n");
    return 2;
  }
  SetLogLevel(arguments.trace ? LogLevel::kInfo : LogLevel::kOff);
  const auto began = std::chrono::steady_clock::now();
  const Totals totals = RunAll(arguments);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  uint64_t missing = 0;
  for (size_t i = 0; i < kSituations; ++i) {
    const bool of_members = i >= static_cast<size_t>(kFirstOfMembers);
    // What happens to single members is counted in their worlds; once in hundreds of them a
    // connection breaks between the arrival of a frame and its welcome.
    const uint64_t seeds = of_members ? totals.with_members : arguments.seeds - totals.with_members;
    if (of_members && totals.with_members == 0) continue;
    // Most leaders that are cut off are replaced before they know it.
    const bool is_rare = i == static_cast<size_t>(Situation::kDuplicateFrameDropped) ||
                         i == static_cast<size_t>(Situation::kCutOffLeaderResigned);
    const bool never =
        totals.situations[i] == 0 && seeds >= kSeedsForSituations * (is_rare ? 5 : 1);
    if (never) ++missing;
    std::printf("  %12" PRIu64 "  %s%s\n", totals.situations[i], NameOf(static_cast<Situation>(i)),
                never ? "  NEVER OCCURRED" : "");
  }
  std::printf("%" PRIu64 " events, %" PRIu64 " acknowledged impulses, %.1f s, %.1f seeds/s\n",
              totals.steps, totals.acknowledged, seconds,
              static_cast<double>(arguments.seeds) / seconds);
  std::printf("sim: seeds=%" PRIu64 " failed=%" PRIu64 " inputs=%" PRIu64 " crashes=%" PRIu64
              " faults=%" PRIu64 "\n",
              arguments.seeds, totals.failed, totals.inputs, totals.crashes, totals.faults);
  return totals.failed == 0 && missing == 0 ? 0 : 1;
}

}  // namespace
}  // namespace semper::sim

int main(int argc, char** argv) { return semper::sim::Main(argc, argv); }
