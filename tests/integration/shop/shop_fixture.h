// What the tests of real binaries share: the shop on a small catalog, programs that are run to
// their end, waiting.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "examples/shop/demo/audit.h"
#include "examples/shop/demo/process.h"
#include "examples/shop/demo/stack.h"
#include "examples/shop/demo/work_dir.h"
#include "tests/support/sanitizer_reports.h"

namespace shop::demo {

inline std::string BinDirectory() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
}

inline std::string ContentOf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream all;
  all << in.rdbuf();
  return std::move(all).str();
}

// True as soon as `met` is; false after the limit. The limit is for failures only.
inline bool WaitFor(const std::function<bool()>& met,
                    std::chrono::seconds limit = std::chrono::seconds(30)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!met()) {
    if (std::chrono::steady_clock::now() > end) return false;
    SleepFor(std::chrono::milliseconds(2));
  }
  return true;
}

// False for a zombie, too: whether somebody collects it is up to process 1.
inline bool IsAlive(pid_t pid) {
  // Each thread: of a process that was killed the first may be gone while another still ends, and
  // takes what arrives in the pipe that it reads.
  std::error_code error;
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks, error)) {
    const std::string stat = ContentOf(task.path() / "stat");
    const size_t name_end = stat.rfind(')');
    const std::string state = name_end == std::string::npos ? "" : stat.substr(name_end, 3);
    if (!state.empty() && state != ") Z" && state != ") X") return true;
  }
  return false;
}

class WorkDirTest : public testing::Test {
 protected:
  WorkDirTest() : dir_(WorkDir::Make(why_not_)) {
    if (!dir_) throw std::runtime_error(why_not_);
    semper::SendSanitizerReportsTo(dir_->path());
  }
  ~WorkDirTest() override {
    semper::ExpectNoSanitizerReports(dir_->path());
    if (HasFailure()) {
      dir_->Keep();
      std::fprintf(stderr, "kept for a look: %s\n", dir_->path().c_str());
    }
  }

  std::string File(const std::string& name) const { return dir_->File(name); }

  // Runs a program of the project to its end; its exit status, or -1. What it says goes to `out` of
  // the work directory.
  int Run(std::vector<std::string> command, const std::string& out,
          std::chrono::seconds limit = std::chrono::seconds(60)) const {
    command[0] = BinDirectory() + "/" + command[0];
    Process process(std::move(command), File(out));
    if (!process.Start()) return -1;
    const std::optional<int> status = process.WaitFor(limit);
    return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
  }

  static uint64_t Random() {
    return static_cast<uint64_t>(getpid()) * 7919 +
           static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  }

  std::string why_not_;
  std::optional<WorkDir> dir_;
};

// The four processes on a catalog of three lines.
class ShopTest : public WorkDirTest {
 protected:
  ShopTest() {
    std::ofstream(File("catalog")) << "apple\tfruit\t10\nbrick\tbuilding\t2000\npear\tfruit\t12\n";
    StackOptions options;
    options.dir = dir_->path();
    options.bin = BinDirectory();
    options.sidecar = "semper-sidecar";
    options.catalog = File("catalog");
    options.random = Random();
    options.coordinator_flags = {"--segment-bytes=1MiB", "--checkpoint-every-bytes=2MiB"};
    stack_ = std::make_unique<Stack>(std::move(options));
    std::string why;
    if (!stack_->Start(why)) throw std::runtime_error(why);
  }

  uint64_t Settled() const { return stack_->page().orders.settled.load(); }
  bool WaitForOrders(uint64_t more) const {
    const uint64_t goal = Settled() + more;
    return WaitFor([&] { return Settled() >= goal; });
  }
  bool AllRunning() const {
    for (const Role role : kRoles) {
      if (stack_->process(role).Reap()) return false;
    }
    return true;
  }

  std::unique_ptr<Stack> stack_;
};

}  // namespace shop::demo
