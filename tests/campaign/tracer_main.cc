// campaign-tracer PID CALL SKIP ACTION LIMIT_MS: waits until the process PID is about to make the
// system call CALL for the SKIP+1-th time, in whichever of its threads, and then
//   hold:MS    stops that thread there for so long; the others go on
//   freeze:MS  the same, and no other thread gets past its next system call
//   kill       kills the process with SIGKILL before the call is made
//   fail:N     has the call fail with the error number N without being made
// Exits 0 if that happened, 1 if not within the limit or if the process ended before, 2 if it
// cannot be traced. When the tracer ends, or is killed, the process goes on.
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct Call {
  const char* name;
  long number;
};
constexpr Call kCalls[] = {
    {"fdatasync", SYS_fdatasync}, {"fsync", SYS_fsync},           {"pwrite64", SYS_pwrite64},
    {"pwritev", SYS_pwritev},     {"write", SYS_write},           {"writev", SYS_writev},
    {"openat", SYS_openat},       {"getdents64", SYS_getdents64}, {"sendmsg", SYS_sendmsg},
    {"sendto", SYS_sendto},       {"recvmsg", SYS_recvmsg},       {"renameat2", SYS_renameat2},
    {"unlinkat", SYS_unlinkat},   {"fallocate", SYS_fallocate},   {"pread64", SYS_pread64},
};

std::optional<long> NumberOf(std::string_view name) {
  for (const Call& call : kCalls) {
    if (name == call.name) return call.number;
  }
  return std::nullopt;
}

enum class Action { kHold, kFreeze, kKill, kFail };

class Tracer {
 public:
  Tracer(pid_t pid, long call, int skip, Action action, int argument)
      : pid_(pid), call_(call), skip_(skip), action_(action), argument_(argument) {}

  bool Attach() {
    std::error_code error;
    const std::string tasks = "/proc/" + std::to_string(pid_) + "/task";
    bool any = false;
    for (const auto& task : std::filesystem::directory_iterator(tasks, error)) {
      const pid_t thread = std::atoi(task.path().filename().c_str());
      if (ptrace(PTRACE_SEIZE, thread, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE) != 0)
        continue;
      ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr);
      any = true;
    }
    return any;
  }

  // The exit status.
  int Run(Clock::time_point end) {
    while (Clock::now() < end && !done_) {
      for (auto held = held_.begin(); held != held_.end();) {
        if (Clock::now() < held->second) {
          ++held;
          continue;
        }
        done_ = true;
        held = held_.erase(held);
      }
      int status = 0;
      const pid_t thread = waitpid(-1, &status, __WALL | WNOHANG);
      if (thread < 0) break;  // all have ended
      if (thread == 0) {
        std::this_thread::sleep_for(milliseconds(1));
      } else if (WIFSTOPPED(status)) {
        OnStop(thread, status);
      }
    }
    return hit_ ? 0 : 1;
  }

 private:
  void OnStop(pid_t thread, int status) {
    const int signal = WSTOPSIG(status);
    const bool event = (status >> 16) != 0;
    if (signal == (SIGTRAP | 0x80)) {
      OnSystemCall(thread);
    } else if (event && (status >> 16) == PTRACE_EVENT_STOP && signal != SIGTRAP) {
      ptrace(PTRACE_LISTEN, thread, nullptr, nullptr);  // stopped by SIGSTOP, and stays so
    } else {
      Resume(thread, event ? 0 : signal);
    }
  }

  void Resume(pid_t thread, int signal) const {
    const auto number = static_cast<long>(signal);
    ptrace(PTRACE_SYSCALL, thread, nullptr, reinterpret_cast<void*>(number));
  }

  void OnSystemCall(pid_t thread) {
    __ptrace_syscall_info info{};
    ptrace(static_cast<__ptrace_request>(PTRACE_GET_SYSCALL_INFO), thread, sizeof info, &info);
    if (thread == failing_ && info.op == PTRACE_SYSCALL_INFO_EXIT) return FinishFailing(thread);
    const bool meant = info.op == PTRACE_SYSCALL_INFO_ENTRY &&
                       info.entry.nr == static_cast<uint64_t>(call_) && !hit_ && skip_-- <= 0;
    if (!meant) return Resume(thread, 0);
    hit_ = true;
    switch (action_) {
      case Action::kHold:
        held_[thread] = Clock::now() + milliseconds(argument_);
        return;
      case Action::kFreeze:
        std::this_thread::sleep_for(milliseconds(argument_));
        done_ = true;
        return;
      case Action::kKill:
        kill(pid_, SIGKILL);
        done_ = true;
        return;
      case Action::kFail:
        return BeginFailing(thread);
    }
  }

#if defined(__x86_64__)
  void BeginFailing(pid_t thread) {
    user_regs_struct registers{};
    ptrace(PTRACE_GETREGS, thread, nullptr, &registers);
    registers.orig_rax = static_cast<unsigned long long>(-1);  // no such call
    ptrace(PTRACE_SETREGS, thread, nullptr, &registers);
    failing_ = thread;
    Resume(thread, 0);
  }
  void FinishFailing(pid_t thread) {
    user_regs_struct registers{};
    ptrace(PTRACE_GETREGS, thread, nullptr, &registers);
    registers.rax = static_cast<unsigned long long>(-argument_);
    ptrace(PTRACE_SETREGS, thread, nullptr, &registers);
    done_ = true;
  }
#else
  void BeginFailing(pid_t thread) {
    hit_ = false;
    done_ = true;
    Resume(thread, 0);
  }
  void FinishFailing(pid_t) {}
#endif

  const pid_t pid_;
  const long call_;
  int skip_;
  const Action action_;
  const int argument_;
  std::map<pid_t, Clock::time_point> held_;
  pid_t failing_ = 0;
  bool hit_ = false;
  bool done_ = false;
};

bool ParseAction(const std::string& text, Action& action, int& argument) {
  const size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  if (colon != std::string::npos) argument = std::atoi(text.c_str() + colon + 1);
  if (name == "hold") action = Action::kHold;
  if (name == "freeze") action = Action::kFreeze;
  if (name == "kill") action = Action::kKill;
  if (name == "fail") action = Action::kFail;
  return name == "kill" || ((name == "hold" || name == "freeze" || name == "fail") && argument > 0);
}

}  // namespace

int main(int argc, char** argv) {
  Action action = Action::kHold;
  int argument = 0;
  const std::optional<long> call = argc == 6 ? NumberOf(argv[2]) : std::nullopt;
  if (!call || !ParseAction(argv[4], action, argument)) {
    std::fprintf(stderr,
                 "usage: campaign-tracer PID CALL SKIP hold:MS|freeze:MS|kill|fail:N LIMIT_MS\n");
    return 2;
  }
  Tracer tracer(std::atoi(argv[1]), *call, std::atoi(argv[3]), action, argument);
  if (!tracer.Attach()) {
    std::fprintf(stderr, "campaign-tracer: cannot trace %s: %s\n", argv[1], std::strerror(errno));
    return 2;
  }
  return tracer.Run(Clock::now() + milliseconds(std::atoi(argv[5])));
}
