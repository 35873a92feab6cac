#include "sidecar/supervise/service_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/check.h"

extern char** environ;

namespace semper::supervise {
namespace {

// What exec needs, made before the fork: a child of a program with threads must not allocate.
class ExecImage {
 public:
  ExecImage(const std::vector<std::string>& command, const ServiceProcess::Variables& variables) {
    for (const std::string& argument : command) arguments_.push_back(argument.c_str());
    arguments_.push_back(nullptr);
    for (const auto& [name, value] : variables) added_.push_back(absl::StrCat(name, "=", value));
    for (char** variable = environ; *variable != nullptr; ++variable) {
      const std::string_view text = *variable;
      const std::string_view name = text.substr(0, text.find('='));
      const bool replaced = std::any_of(variables.begin(), variables.end(),
                                        [&](const auto& added) { return added.first == name; });
      if (!replaced) environment_.push_back(*variable);
    }
    for (const std::string& text : added_) environment_.push_back(text.c_str());
    environment_.push_back(nullptr);
  }

  // In the child: becomes the program, or writes errno to `report`.
  [[noreturn]] void Become(pid_t parent, int report) const {
    // A group of its own: Ctrl-C in a terminal reaches the coordinator alone, which ends the
    // service in its order.
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);  // it died before the line above
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    sigaction(SIGPIPE, &standard, nullptr);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    execvpe(arguments_[0], const_cast<char* const*>(arguments_.data()),
            const_cast<char* const*>(environment_.data()));
    const int error = errno;
    [[maybe_unused]] const ssize_t written = write(report, &error, sizeof error);
    _exit(127);
  }

 private:
  std::vector<const char*> arguments_;
  std::vector<std::string> added_;
  std::vector<const char*> environment_;
};

std::string HowItEnded(int status) {
  if (WIFSIGNALED(status)) {
    return absl::StrCat("was ended by signal ", WTERMSIG(status), " (", strsignal(WTERMSIG(status)),
                        ")");
  }
  return absl::StrCat("ended with exit code ", WEXITSTATUS(status));
}

}  // namespace

std::chrono::milliseconds RestartBackOff::AfterLife(std::chrono::nanoseconds life) {
  if (life >= kGoodLife) next_ = std::chrono::milliseconds(0);
  const std::chrono::milliseconds wait = next_;
  next_ = std::min(std::max(kFirst, 2 * next_), kMost);
  return wait;
}

ServiceProcess::ServiceProcess(std::vector<std::string> command, Variables variables)
    : command_(std::move(command)), variables_(std::move(variables)) {
  SEMPER_CHECK(!command_.empty(), "a service needs a command");
}

ServiceProcess::~ServiceProcess() {
  Kill();
  if (running()) waitpid(pid_, nullptr, 0);
}

absl::Status ServiceProcess::Start(Clock::time_point now) {
  SEMPER_CHECK(!running(), "the service runs already");
  next_start_.reset();
  const ExecImage image(command_, variables_);
  int pipe[2];
  if (pipe2(pipe, O_CLOEXEC) != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot start the service: pipe: ", strerror(errno)));
  }
  const pid_t parent = getpid();
  const pid_t child = fork();
  const int fork_error = errno;
  if (child == 0) image.Become(parent, pipe[1]);
  close(pipe[1]);
  int error = 0;
  ssize_t got = 0;
  if (child > 0) {
    // Ends at once: exec closes the pipe, a failed exec writes to it.
    while ((got = read(pipe[0], &error, sizeof error)) < 0 && errno == EINTR) {
    }
  }
  close(pipe[0]);
  if (child < 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot start the service ", command_[0], ": fork: ", strerror(fork_error)));
  }
  if (got == sizeof error) {
    waitpid(child, nullptr, 0);
    return absl::ErrnoToStatus(error, absl::StrCat("cannot start the service ", command_[0]));
  }
  pid_ = child;
  started_ = now;
  return absl::OkStatus();
}

std::optional<std::string> ServiceProcess::Reap(Clock::time_point now) {
  if (!running()) return std::nullopt;
  int status = 0;
  const pid_t ended = waitpid(pid_, &status, WNOHANG);
  if (ended != pid_) return std::nullopt;
  // What it left behind in its group (a child of its own) would talk to the next one's coordinator.
  kill(-pid_, SIGKILL);
  pid_ = -1;
  if (!ending_) next_start_ = now + back_off_.AfterLife(now - started_);
  return HowItEnded(status);
}

absl::Status ServiceProcess::StartIfDue(Clock::time_point now) {
  if (!next_start_ || now < *next_start_) return absl::OkStatus();
  absl::Status started = Start(now);
  if (!started.ok()) next_start_ = now + back_off_.AfterLife(std::chrono::nanoseconds(0));
  return started;
}

void ServiceProcess::Terminate() {
  ending_ = true;
  next_start_.reset();
  if (running()) kill(pid_, SIGTERM);
}

void ServiceProcess::Kill() {
  ending_ = true;
  next_start_.reset();
  if (running()) {
    kill(pid_, SIGKILL);
    kill(-pid_, SIGKILL);
  }
}

}  // namespace semper::supervise
