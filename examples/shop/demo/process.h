// Process: a child process that is killed without mercy and started again. One thread: the kernel
// kills the child when the thread that started it ends.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace shop::demo {

class Process {
 public:
  // `command`: program and arguments. What it writes is appended to the file `log`.
  Process(std::vector<std::string> command, std::string log)
      : command_(std::move(command)), log_(std::move(log)) {}
  ~Process() { Kill(); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Starts it, in a process group of its own. False with errno if no process can be made.
  bool Start();

  pid_t pid() const { return pid_; }
  bool running() const { return pid_ > 0; }
  const std::string& log() const { return log_; }
  const std::vector<std::string>& command() const { return command_; }

  // Sends SIGKILL and collects it.
  void Kill();
  void Signal(int number) const;

  // The wait status if it has ended.
  std::optional<int> Reap();
  std::optional<int> WaitFor(std::chrono::milliseconds limit);

  // The pid of its first child, 0 if it has none.
  pid_t Child() const;

 private:
  const std::vector<std::string> command_;
  const std::string log_;
  pid_t pid_ = -1;
};

// Runs a program to its end, at most `limit` long; its standard output goes to the file `out`.
// False, with a sentence in `why`, if it cannot be started or does not end with status 0.
bool RunProgram(const std::vector<std::string>& command, const std::string& out,
                std::chrono::seconds limit, std::string& why);

// "ended with status 1" or "was ended by signal 6".
std::string DescribeStatus(int wait_status);

void SleepFor(std::chrono::nanoseconds time);

}  // namespace shop::demo
