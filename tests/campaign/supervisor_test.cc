#include "tests/campaign/supervisor.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>

namespace campaign {
namespace {

using std::chrono::milliseconds;

struct Shared {
  Heartbeat heartbeat;
  std::atomic<pid_t> grandchild{0};
};

class Supervisor : public testing::Test {
 protected:
  std::string Run(const std::function<void()>& work) {
    return Supervise(shared_.heartbeat, {milliseconds(300), milliseconds(300)}, work);
  }
  Shared& shared_ = *new (AllocateShared(sizeof(Shared))) Shared;
};

TEST_F(Supervisor, HasNothingToSayWhenTheWorkReturns) {
  EXPECT_EQ(Run([] {}), "");
}

TEST_F(Supervisor, SurvivesAnAbort) {
  EXPECT_EQ(Run([] { kill(getpid(), SIGKILL); }), "the driver was ended by signal 9");
}

TEST_F(Supervisor, SurvivesAnException) {
  EXPECT_EQ(Run([] { throw std::runtime_error("thrown"); }), "the driver ended with status 3");
}

TEST_F(Supervisor, KillsWhatDoesNothing) {
  const std::string why = Run([] {
    for (;;) pause();
  });
  EXPECT_EQ(why, "the driver hangs: it did nothing for 0 s");
}

TEST_F(Supervisor, KillsWhatIgnoresASignal) {
  const std::string why = Run([this] {
    std::signal(SIGTERM, SIG_IGN);
    kill(getppid(), SIGTERM);
    for (;;) {
      ++shared_.heartbeat.beats;
      usleep(1000);
    }
  });
  EXPECT_EQ(why, "the driver did not end when it was asked to");
}

TEST_F(Supervisor, LeavesNoOrphans) {
  const std::string why = Run([this] {
    const pid_t child = fork();
    if (child != 0) return;
    setsid();
    shared_.grandchild = getpid();
    for (;;) pause();
  });
  EXPECT_EQ(why, "");
  if (shared_.grandchild != 0) {
    EXPECT_EQ(kill(shared_.grandchild, 0), -1);
  }
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
}

}  // namespace
}  // namespace campaign
