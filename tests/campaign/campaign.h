// Campaign: one run on one kind of volume: sets everything up, lets chaos loose, heals, waits until
// all is at rest, reads the final states, and judges. One thread, and one for each client.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "tests/campaign/chaos.h"
#include "tests/campaign/checker.h"
#include "tests/campaign/client.h"
#include "tests/campaign/cluster.h"
#include "tests/campaign/options.h"
#include "tests/campaign/supervisor.h"

namespace campaign {

struct Outcome {
  absl::Status status;  // OK: it ran to its end; the verdict says how it went
  Verdict verdict;
  ChaosCounts faults;
  uint64_t takeovers = 0;
};

class Campaign {
 public:
  using Clock = std::chrono::steady_clock;

  // `dir`: an existing directory for everything that is written. `volume`: local or replicated.
  // `heartbeat` beats while it is not stuck.
  Campaign(const Options& options, std::string dir, const std::string& volume,
           std::chrono::nanoseconds length, Heartbeat& heartbeat);
  ~Campaign();

  Outcome Run();

  // From a signal handler: ends it soon, as a failure.
  static void Interrupt();

 private:
  absl::Status Drive(Outcome& outcome);
  absl::Status StartAll();
  void StartClients();
  absl::Status StopClients();
  absl::Status WaitUntilLive();
  absl::Status RunChaos();
  absl::Status RunHealed();
  absl::Status ComeToRest();
  absl::Status Judge(Verdict& verdict);
  void CountInvoked(Verdict& verdict) const;
  absl::Status Step();                                         // a few milliseconds of tending
  bool Ask(const Operation& operation, Answer& answer) const;  // as a client would
  std::string TakeReports(uint64_t id);  // into states_; the names of who has not reported
  void ShowProgress();
  uint64_t OkOf(size_t immortal) const;
  size_t LeaderOf(size_t immortal) const;
  void Say(const std::string& text) const;

  const Options options_;
  const std::string dir_;
  const std::chrono::nanoseconds length_;
  Heartbeat& heartbeat_;
  std::unique_ptr<Volume> volume_;
  Switch net_;
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<Chaos> chaos_;

  struct RunningClient {
    std::unique_ptr<Client> client;
    absl::Status status;
    std::jthread thread;
  };
  std::vector<std::unique_ptr<RunningClient>> clients_;
  std::string bin_;
  Clock::time_point begun_;
  Clock::time_point shown_;
  uint64_t shown_ok_ = 0;
  FinalStates states_;
  bool settled_ = false;  // no transfer was under way when they were taken
};

}  // namespace campaign
