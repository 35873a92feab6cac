// ServiceProcess: the service as a child process that is started again whenever it ends.
//
// Used by one thread, which must outlive the child (the kernel kills the child when the thread that
// started it ends). It never waits: the owner calls Reap after SIGCHLD and StartIfDue when
// next_start() has come.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace semper::supervise {

// Waits double from 50 ms to 5 s while lives are short; a life of 10 s makes up for all that came
// before.
class RestartBackOff {
 public:
  static constexpr std::chrono::milliseconds kFirst{50};
  static constexpr std::chrono::milliseconds kMost{5000};
  static constexpr std::chrono::seconds kGoodLife{10};

  // How long to wait after a life of this length.
  std::chrono::milliseconds AfterLife(std::chrono::nanoseconds life);

 private:
  std::chrono::milliseconds next_{0};
};

class ServiceProcess {
 public:
  using Clock = std::chrono::steady_clock;
  using Variables = std::vector<std::pair<std::string, std::string>>;

  // `command`: program (searched in PATH) and arguments, not empty. `variables` are added to this
  // process's environment.
  ServiceProcess(std::vector<std::string> command, Variables variables);
  ~ServiceProcess();  // kills the child
  ServiceProcess(const ServiceProcess&) = delete;
  ServiceProcess& operator=(const ServiceProcess&) = delete;

  // Starts it now. NOT_FOUND, PERMISSION_DENIED, ...: the program cannot be executed; names it.
  absl::Status Start(Clock::time_point now);

  // Collects the child if it has ended, and plans its next start. Returns how it ended, or nothing.
  std::optional<std::string> Reap(Clock::time_point now);

  // When StartIfDue has something to do; nothing while the child runs or after Terminate.
  std::optional<Clock::time_point> next_start() const { return next_start_; }
  absl::Status StartIfDue(Clock::time_point now);

  void Terminate();  // SIGTERM; it is not started again
  void Kill();       // SIGKILL to it and its process group; it is not started again

  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }

 private:
  const std::vector<std::string> command_;
  const Variables variables_;
  RestartBackOff back_off_;
  pid_t pid_ = -1;
  Clock::time_point started_{};
  std::optional<Clock::time_point> next_start_;
  bool ending_ = false;
};

}  // namespace semper::supervise
