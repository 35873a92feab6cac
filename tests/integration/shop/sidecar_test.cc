// One semper-sidecar and the counter: supervision, drain, refusal, and a counter that outlives
// SIGKILL.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cctype>
#include <csignal>

#include "tests/integration/shop/shop_fixture.h"

namespace shop::demo {
namespace {

class SidecarTest : public WorkDirTest {
 protected:
  SidecarTest() { std::filesystem::create_directory(File("logs")); }

  std::vector<std::string> Flags(const std::string& genesis) const {
    return {"--name=demo/counter",
            "--log-dir=" + File("logs"),
            "--genesis=" + genesis,
            "--service-socket=" + File("link.sock"),
            "--admin-socket=" + File("admin.sock"),
            "--peer-listen=",
            "--admin-http="};
  }

  // A sidecar that supervises the counter, which reads the fifo "numbers".
  void StartSupervising() {
    mkfifo(File("numbers").c_str(), 0600);
    numbers_ = open(File("numbers").c_str(), O_RDWR | O_CLOEXEC);
    std::vector<std::string> command = Flags("create");
    command.insert(command.begin(), BinDirectory() + "/semper-sidecar");
    command.insert(command.end(), {"--", "/bin/sh", "-c",
                                   "exec '" + BinDirectory() + "/semper-counter' <'" +
                                       File("numbers") + "' >>'" + File("totals") + "'"});
    sidecar_ = std::make_unique<Process>(std::move(command), File("log"));
    ASSERT_TRUE(sidecar_->Start());
  }
  ~SidecarTest() override {
    if (numbers_ >= 0) close(numbers_);
  }

  void Feed(int count) const {
    for (int i = 0; i < count; ++i) ASSERT_EQ(write(numbers_, "1\n", 2), 2);
  }

  struct Total {
    uint64_t index = 0;
    int64_t total = 0;
  };
  // What the counter said so far: only what is committed.
  std::vector<Total> Totals() const {
    std::vector<Total> totals;
    std::istringstream in(ContentOf(File("totals")));
    for (std::string line; std::getline(in, line) && !in.eof();) {
      Total one;
      if (std::sscanf(line.c_str(), "input %lu: total %ld", &one.index, &one.total) == 2) {
        totals.push_back(one);
      }
    }
    return totals;
  }
  bool WaitForTotals(size_t count) const {
    return WaitFor([&] { return Totals().size() >= count; });
  }

  pid_t CounterPid() const {  // the process that counts: the child of the SDK's parent
    std::ifstream children("/proc/" + std::to_string(sidecar_->Child()) + "/task/" +
                           std::to_string(sidecar_->Child()) + "/children");
    pid_t pid = 0;
    children >> pid;
    return pid;
  }

  // How often the service went live.
  int Lives() const {
    const std::string log = ContentOf(File("log"));
    int lives = 0;
    for (size_t at = 0; (at = log.find("the service is live", at)) != log.npos; ++at) ++lives;
    return lives;
  }
  // Has any thread of another process the numbers open? One that ends may outlive its first thread.
  bool IsRead() const {
    std::error_code error;
    for (const auto& process : std::filesystem::directory_iterator("/proc")) {
      const std::string pid = process.path().filename();
      if (std::isdigit(pid[0]) == 0 || pid == std::to_string(getpid())) continue;
      for (const auto& thread :
           std::filesystem::directory_iterator(process.path() / "task", error)) {
        for (const auto& file : std::filesystem::directory_iterator(thread.path() / "fd", error)) {
          if (std::filesystem::read_symlink(file.path(), error) == File("numbers")) return true;
        }
      }
    }
    return false;
  }

  std::unique_ptr<Process> sidecar_;
  int numbers_ = -1;
};

TEST_F(SidecarTest, CountsOnAfterItsServiceWasKilled) {
  StartSupervising();
  for (size_t round = 1; round <= 5; ++round) {
    Feed(1);
    ASSERT_TRUE(WaitForTotals(round)) << ContentOf(File("log"));
    ASSERT_TRUE(WaitFor([&] { return CounterPid() > 0; }));
    const pid_t counter = CounterPid();
    ASSERT_EQ(kill(counter, SIGKILL), 0);
    // It does not go at once, and would take the next number with it.
    ASSERT_TRUE(WaitFor([&] { return !IsAlive(counter); }));
  }
  const std::vector<Total> totals = Totals();
  EXPECT_EQ(totals.back().total, 5);
}

TEST_F(SidecarTest, CountsOnAfterEverythingWasKilled) {
  StartSupervising();
  for (size_t round = 1; round <= 5; ++round) {
    Feed(1);
    ASSERT_TRUE(WaitForTotals(round)) << ContentOf(File("log"));
    sidecar_->Kill();
    // The service goes along, but not at once: its parent may even start another counter, which
    // would take the next number with it.
    ASSERT_TRUE(WaitFor([&] { return !IsRead(); }));
    ASSERT_TRUE(sidecar_->Start());
  }
  const std::vector<Total> totals = Totals();
  for (size_t i = 1; i < totals.size(); ++i) EXPECT_GT(totals[i].index, totals[i - 1].index);
  EXPECT_EQ(totals.back().total, 5);
}

TEST_F(SidecarTest, StartsItsServiceAgainWhenThatEnds) {
  StartSupervising();
  Feed(1);
  ASSERT_TRUE(WaitForTotals(1));
  const pid_t first = sidecar_->Child();
  const pid_t counter = CounterPid();
  ASSERT_EQ(kill(first, SIGKILL), 0);
  EXPECT_TRUE(WaitFor([&] { return sidecar_->Child() > 0 && sidecar_->Child() != first; }));
  // A number that is fed before is taken by a counter whose link is lost.
  ASSERT_TRUE(WaitFor([&] { return !IsAlive(counter) && Lives() == 2; }));
  Feed(1);
  EXPECT_TRUE(WaitForTotals(2));
}

TEST_F(SidecarTest, DrainsOnSigtermAndTakesItsServiceAlong) {
  StartSupervising();
  Feed(1);
  ASSERT_TRUE(WaitForTotals(1));
  const pid_t service = sidecar_->Child();
  sidecar_->Signal(SIGTERM);
  const std::optional<int> status = sidecar_->WaitFor(std::chrono::seconds(20));
  ASSERT_TRUE(status.has_value());
  EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 0) << DescribeStatus(*status);
  EXPECT_TRUE(WaitFor([&] { return !IsAlive(service); }));
}

TEST_F(SidecarTest, RefusesAVolumeWithoutGenesis) {
  std::vector<std::string> command = Flags("require");
  command.insert(command.begin(), "semper-sidecar");
  command.push_back("--exit-on-refusal=true");
  EXPECT_EQ(Run(command, "log"), 3) << ContentOf(File("log"));
}

}  // namespace
}  // namespace shop::demo
