#include "examples/shop/demo/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <thread>

namespace shop::demo {

namespace {

using Clock = std::chrono::steady_clock;

// In the child. Calls only what is allowed after a fork.
[[noreturn]] void Execute(char* const* arguments, int out, int error, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null >= 0) dup2(null, STDIN_FILENO);
  if (out >= 0) dup2(out, STDOUT_FILENO);
  if (error >= 0) dup2(error, STDERR_FILENO);
  execvp(arguments[0], arguments);
  _exit(127);
}

pid_t Fork(const std::vector<std::string>& command, int out, int error) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) Execute(arguments.data(), out, error, parent);
  return child;
}

}  // namespace

bool Process::Start() {
  const int log = open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0) return false;
  pid_ = Fork(command_, log, log);
  const int error = errno;
  close(log);
  errno = error;
  return pid_ > 0;
}

void Process::Signal(int number) const {
  if (pid_ > 0) kill(pid_, number);
}

void Process::Kill() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::optional<int> Process::Reap() {
  int status = 0;
  if (pid_ <= 0 || waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  pid_ = -1;
  return status;
}

std::optional<int> Process::WaitFor(std::chrono::milliseconds limit) {
  const auto end = Clock::now() + limit;
  for (;;) {
    if (const std::optional<int> status = Reap()) return status;
    if (Clock::now() >= end) return std::nullopt;
    SleepFor(std::chrono::milliseconds(1));
  }
}

pid_t Process::Child() const {
  if (pid_ <= 0) return 0;
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", pid_));
  pid_t child = 0;
  children >> child;
  return child;
}

bool RunProgram(const std::vector<std::string>& command, const std::string& out,
                std::chrono::seconds limit, std::string& why) {
  const int file = open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) {
    why = fmt::format("cannot write {}: {}", out, std::strerror(errno));
    return false;
  }
  const pid_t child = Fork(command, file, -1);
  close(file);
  const auto end = Clock::now() + limit;
  int status = 0;
  while (child > 0 && waitpid(child, &status, WNOHANG) == 0) {
    if (Clock::now() >= end) kill(-child, SIGKILL);
    SleepFor(std::chrono::milliseconds(1));
  }
  if (child > 0 && status == 0) return true;
  why = fmt::format("{} {}", command[0], child > 0 ? DescribeStatus(status) : std::strerror(errno));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) why += " (is it installed?)";
  return false;
}

std::string DescribeStatus(int wait_status) {
  return WIFSIGNALED(wait_status) ? fmt::format("was ended by signal {}", WTERMSIG(wait_status))
                                  : fmt::format("ended with status {}", WEXITSTATUS(wait_status));
}

void SleepFor(std::chrono::nanoseconds time) {
  if (time.count() > 0) std::this_thread::sleep_for(time);
}

}  // namespace shop::demo
