#include "tests/campaign/supervisor.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <ctime>
#include <exception>
#include <fstream>
#include <optional>

#include "examples/shop/demo/process.h"

namespace campaign {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kStatusOfException = 3;
constexpr std::chrono::seconds kKillLimit{60};

[[noreturn]] void Work(const std::function<void()>& work, const sigset_t& before, pid_t parent) {
  sigprocmask(SIG_SETMASK, &before, nullptr);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(1);
  int status = 0;
  try {
    work();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "campaign: %s\n", error.what());
    status = kStatusOfException;
  }
  std::fflush(nullptr);
  _exit(status);
}

// Orphans come to this process, so that killing the children again and again kills everybody below.
// Who waits for a file system ends when the file system's own process has ended.
bool KillAllChildren() {
  const auto end = Clock::now() + kKillLimit;
  const std::string list = fmt::format("/proc/self/task/{}/children", getpid());
  while (Clock::now() < end) {
    std::ifstream children(list);
    for (pid_t child = 0; children >> child;) kill(child, SIGKILL);
    for (;;) {
      const pid_t ended = waitpid(-1, nullptr, WNOHANG);
      if (ended < 0) return true;
      if (ended == 0) break;
    }
    shop::demo::SleepFor(std::chrono::milliseconds(20));
  }
  return false;
}

class Watch {
 public:
  Watch(pid_t child, Heartbeat& heartbeat, const SupervisorLimits& limits)
      : child_(child), heartbeat_(heartbeat), limits_(limits) {}

  // Until the child has ended, or is to be killed.
  std::string Run(const sigset_t& signals) {
    for (;;) {
      if (const std::optional<int> status = Collect()) {
        return *status == 0 ? "" : "the driver " + shop::demo::DescribeStatus(*status);
      }
      const timespec limit{0, 100'000'000};
      const int signal = sigtimedwait(&signals, nullptr, &limit);
      if (signal > 0 && signal != SIGCHLD) {
        kill(child_, SIGTERM);
        if (!farewell_) farewell_ = Clock::now() + limits_.farewell;
      }
      const Clock::time_point now = Clock::now();
      if (const uint64_t beats = heartbeat_.beats; beats != beats_) {
        beats_ = beats;
        heard_ = now;
      }
      if (farewell_ && now > *farewell_) return "the driver did not end when it was asked to";
      if (now - heard_ > limits_.silence) {
        return fmt::format("the driver hangs: it did nothing for {} s",
                           std::chrono::duration_cast<std::chrono::seconds>(now - heard_).count());
      }
    }
  }

 private:
  // The child's wait status; orphans are collected on the way.
  std::optional<int> Collect() const {
    int status = 0;
    for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (ended == child_) return status;
    }
    return std::nullopt;
  }

  const pid_t child_;
  Heartbeat& heartbeat_;
  const SupervisorLimits limits_;
  uint64_t beats_ = 0;
  Clock::time_point heard_ = Clock::now();
  std::optional<Clock::time_point> farewell_;
};

}  // namespace

void* AllocateShared(size_t size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

std::string Supervise(Heartbeat& heartbeat, const SupervisorLimits& limits,
                      const std::function<void()>& work) {
  sigset_t signals, before;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, &before);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  std::fflush(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) Work(work, before, parent);
  std::string why =
      child < 0 ? "cannot make a process" : Watch(child, heartbeat, limits).Run(signals);
  if (!KillAllChildren() && why.empty()) why = "a process cannot be killed";
  return why;
}

}  // namespace campaign
