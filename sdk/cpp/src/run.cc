#include "semper/run.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <string_view>

#include "base/version.h"
#include "sdk/cpp/src/link_driver.h"

// Is there when the program was built with ThreadSanitizer.
extern "C" __attribute__((weak, visibility("default"))) void __tsan_acquire(void*);

namespace semper {

namespace {

using internal::LifeEnd;
using internal::LogLine;

// Exit statuses, sysexits.h's: of the child, and of Run.
constexpr int kExitUsage = 64;
constexpr int kExitServiceFailed = 70;  // EX_SOFTWARE
constexpr int kExitLinkLost = 75;       // EX_TEMPFAIL

// How long to wait before the next life: not at all after one that lasted, ever longer after short
// ones.
class BackOff {
 public:
  std::chrono::milliseconds AfterLife(std::chrono::steady_clock::duration lasted, bool failed) {
    if (lasted >= (failed ? kLong : kLongLost)) {
      wait_ = failed ? kFirst : std::chrono::milliseconds(0);
    } else {
      wait_ = std::clamp(2 * wait_, failed ? kFirst : std::chrono::milliseconds(1),
                         failed ? kLast : kLastLost);
    }
    return wait_;
  }

 private:
  static constexpr std::chrono::seconds kLong{2};
  static constexpr std::chrono::milliseconds kLongLost{50};  // a lost link is nobody's fault here
  static constexpr std::chrono::milliseconds kFirst{100};
  static constexpr std::chrono::milliseconds kLast{5000};
  static constexpr std::chrono::milliseconds kLastLost{
      200};  // a coordinator that restarts is soon back
  std::chrono::milliseconds wait_{0};
};

int RunInProcess(const Options& options, const ServiceFactory& factory) {
  BackOff back_off;
  std::mutex mutex;
  std::condition_variable_any woken;
  while (!options.stop.stop_requested()) {
    const auto begin = std::chrono::steady_clock::now();
    const LifeEnd end = internal::RunOneLife(options, factory);
    if (end == LifeEnd::kStopped) break;
    const auto wait = back_off.AfterLife(std::chrono::steady_clock::now() - begin,
                                         end == LifeEnd::kServiceFailed);
    std::unique_lock lock(mutex);
    woken.wait_for(lock, options.stop, wait, [] { return false; });
  }
  return 0;
}

int ExitStatus(LifeEnd end) {
  switch (end) {
    case LifeEnd::kStopped:
      return 0;
    case LifeEnd::kLinkLost:
      return kExitLinkLost;
    case LifeEnd::kServiceFailed:
      return kExitServiceFailed;
  }
  return kExitServiceFailed;
}

// The process of one life. Ends without destructors: threads of the edge may be anywhere.
[[noreturn]] void RunChild(const Options& options, const ServiceFactory& factory, pid_t parent,
                           const sigset_t& usual_signals) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(kExitLinkLost);  // the parent died before the line above
  sigprocmask(SIG_SETMASK, &usual_signals, nullptr);
  const LifeEnd end = internal::RunOneLife(options, factory);
  // Not fflush(nullptr): a thread of the edge that reads standard input holds that stream's lock.
  if (ftrylockfile(stdout) == 0) fflush_unlocked(stdout);
  _exit(ExitStatus(end));
}

// Waits for the child's end, or for SIGTERM or SIGINT, which it passes on. True if the child has
// ended.
class Parent {
 public:
  Parent() {
    signal(SIGCHLD, SIG_DFL);  // ignored ones would leave nothing to wait for
    sigemptyset(&signals_);
    for (const int signal : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&signals_, signal);
    sigprocmask(SIG_BLOCK, &signals_, &usual_);
  }
  ~Parent() { sigprocmask(SIG_SETMASK, &usual_, nullptr); }
  Parent(const Parent&) = delete;
  Parent& operator=(const Parent&) = delete;

  const sigset_t& usual_signals() const { return usual_; }
  bool stopping() const { return stopping_; }

  // The wait status of the child.
  int WaitFor(pid_t child) {
    for (;;) {
      int status = 0;
      if (waitpid(child, &status, WNOHANG) == child) return status;
      const int signal = sigwaitinfo(&signals_, nullptr);
      if (signal == SIGTERM || signal == SIGINT) {
        stopping_ = true;
        kill(child, signal);
      }
    }
  }

  void Sleep(std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (!stopping_) {
      const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(
          end - std::chrono::steady_clock::now());
      if (left.count() <= 0) return;
      const timespec limit{static_cast<time_t>(left.count() / 1000000000),
                           static_cast<long>(left.count() % 1000000000)};
      const int signal = sigtimedwait(&signals_, nullptr, &limit);
      if (signal == SIGTERM || signal == SIGINT) stopping_ = true;
    }
  }

 private:
  sigset_t signals_;
  sigset_t usual_;
  bool stopping_ = false;
};

size_t ThreadsOfThisProcess() {
  std::error_code error;
  size_t threads = 0;
  for (std::filesystem::directory_iterator at("/proc/self/task", error), end; !error && at != end;
       at.increment(error)) {
    ++threads;
  }
  return threads;
}

int RunForked(const Options& options, const ServiceFactory& factory) {
  // ThreadSanitizer has a thread of its own, and starts it anew in the child.
  const size_t usual = __tsan_acquire != nullptr ? 2 : 1;
  if (const size_t threads = ThreadsOfThisProcess(); threads > usual) {
    LogLine("semper::Run was called when the process had " + std::to_string(threads) +
            " threads already; it forks, so call it first and start threads in Service::OnLive");
    return kExitUsage;
  }
  Parent parent;
  BackOff back_off;
  while (!parent.stopping()) {
    const auto begin = std::chrono::steady_clock::now();
    std::fflush(nullptr);  // else what is buffered would be written twice
    const pid_t self = getpid();
    const pid_t child = fork();
    if (child == 0) RunChild(options, factory, self, parent.usual_signals());
    bool failed = true;
    if (child < 0) {
      LogLine(std::string("cannot fork a process for the service: ") + std::strerror(errno));
    } else {
      const int status = parent.WaitFor(child);
      if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == kExitUsage)) {
        return WEXITSTATUS(status);
      }
      // SIGKILL comes from outside, and says nothing about the service either.
      failed = !(WIFEXITED(status) && WEXITSTATUS(status) == kExitLinkLost) &&
               !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
      if (WIFSIGNALED(status) && !parent.stopping()) {
        LogLine("the service's process " + std::to_string(child) + " was ended by signal " +
                std::to_string(WTERMSIG(status)) + "; it begins anew");
      } else if (WIFEXITED(status) && failed && WEXITSTATUS(status) != kExitServiceFailed) {
        LogLine("the service's process " + std::to_string(child) + " ended with status " +
                std::to_string(WEXITSTATUS(status)) + "; it begins anew");
      }
    }
    parent.Sleep(back_off.AfterLife(std::chrono::steady_clock::now() - begin, failed));
  }
  return 0;
}

}  // namespace

int Run(const Options& options, const ServiceFactory& factory) {
  if (const std::string mistake = internal::CheckLink(options.link); !mistake.empty()) {
    LogLine(mistake);
    return kExitUsage;
  }
  return options.run_in_process ? RunInProcess(options, factory) : RunForked(options, factory);
}

int Main(int argc, char** argv, Options options, const ServiceFactory& factory) {
  constexpr std::string_view kLinkFlag = "--semper-link=";
  if (const char* link = std::getenv("SEMPER_LINK"); link != nullptr && *link != '\0')
    options.link = link;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help") {
      std::printf(
          "usage: %s [--semper-link=unix:/path] [--help] [--version]\n"
          "An immortal's service (semper-cpp/%s); it runs beside a semper-sidecar.\n"
          "  --semper-link=unix:/path  where the coordinator listens; by default $SEMPER_LINK\n",
          argv[0], kVersion);
      return 0;
    }
    if (argument == "--version") {
      std::printf("semper-cpp/%s\n", kVersion);
      return 0;
    }
    if (argument.substr(0, kLinkFlag.size()) == kLinkFlag)
      options.link = argument.substr(kLinkFlag.size());
  }
  return Run(options, factory);
}

}  // namespace semper
