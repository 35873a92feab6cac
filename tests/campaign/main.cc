// semper-campaign: see options.cc for its usage, README.md for what it is made of.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <new>
#include <string>
#include <vector>

#include "tests/campaign/campaign.h"
#include "tests/campaign/options.h"
#include "tests/campaign/supervisor.h"

namespace {

using campaign::Campaign;
using campaign::Options;
using campaign::Outcome;

struct Sums {
  bool ok = true;
  uint64_t kills = 0, pauses = 0, partitions = 0, takeovers = 0;
  uint64_t operations = 0, unknown = 0, lost = 0, duplicated = 0, diverged = 0;

  void Add(const Outcome& outcome) {
    ok = ok && outcome.status.ok() && outcome.verdict.clean();
    kills += outcome.faults.kills;
    pauses += outcome.faults.pauses;
    partitions += outcome.faults.partitions;
    takeovers += outcome.takeovers;
    operations += outcome.verdict.operations;
    unknown += outcome.verdict.unknown;
    lost += outcome.verdict.lost;
    duplicated += outcome.verdict.duplicated;
    diverged += outcome.verdict.diverged;
  }
};

// What the driver and who has the last word both see.
struct Shared {
  campaign::Heartbeat heartbeat;
  Sums sums;
};

bool RunOne(const Options& options, const std::string& volume, double minutes, Shared& shared) {
  Sums& sums = shared.sums;
  std::string dir = "/var/tmp/semper-campaign-XXXXXX";
  if (mkdtemp(dir.data()) == nullptr) {
    std::printf("campaign: cannot make the directory %s\n", dir.c_str());
    sums.ok = false;
    return false;
  }
  std::fprintf(stderr, "campaign: %s volume, working in %s\n", volume.c_str(), dir.c_str());
  Outcome outcome;
  {
    const auto length = std::chrono::nanoseconds(static_cast<int64_t>(minutes * 60e9));
    outcome = Campaign(options, dir, volume, length, shared.heartbeat).Run();
  }
  sums.Add(outcome);
  for (const std::string& finding : outcome.verdict.findings)
    std::printf("campaign: %s\n", finding.c_str());
  if (!outcome.status.ok())
    std::printf("campaign: %s\n", std::string(outcome.status.message()).c_str());
  const bool well = outcome.status.ok() && outcome.verdict.clean();
  std::printf("campaign: %s volume: %s ok=%llu refused=%llu unknown=%llu\n", volume.c_str(),
              well ? "well" : "not well", static_cast<unsigned long long>(outcome.verdict.ok),
              static_cast<unsigned long long>(outcome.verdict.refused),
              static_cast<unsigned long long>(outcome.verdict.unknown));
  std::error_code ignored;
  if (well && !options.keep) {
    std::filesystem::remove_all(dir, ignored);
  } else {
    std::printf("campaign: histories and logs are in %s\n", dir.c_str());
  }
  return well;
}

}  // namespace

int main(int argc, char** argv) {
  int status = 0;
  const std::optional<Options> options = campaign::ParseOptions(argc, argv, &status);
  if (!options) return status;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    std::signal(signal, [](int) { Campaign::Interrupt(); });
  void* memory = campaign::AllocateShared(sizeof(Shared));
  if (memory == nullptr) {
    std::printf("campaign: FAILED commit=%s no memory\n", options->commit.c_str());
    return 1;
  }
  Shared& shared = *new (memory) Shared;
  Sums& sums = shared.sums;
  const std::string why = campaign::Supervise(shared.heartbeat, {}, [&] {
    if (options->volume == "both") {
      (void)(RunOne(*options, "local", options->minutes / 2, shared) &&
             RunOne(*options, "replicated", options->minutes / 2, shared));
    } else {
      RunOne(*options, options->volume, options->minutes, shared);
    }
  });
  if (!why.empty()) {
    std::printf("campaign: %s\n", why.c_str());
    sums.ok = false;
  }
  std::printf("%s\n",
              fmt::format("campaign: {} commit={} minutes={:g} kills={} pauses={} partitions={} "
                          "takeovers={} operations={} lost={} duplicated={} diverged={}",
                          sums.ok ? "ok" : "FAILED", options->commit, options->minutes, sums.kills,
                          sums.pauses, sums.partitions, sums.takeovers, sums.operations, sums.lost,
                          sums.duplicated, sums.diverged)
                  .c_str());
  return sums.ok ? 0 : 1;
}
