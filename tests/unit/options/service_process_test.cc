#include "sidecar/supervise/service_process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

namespace semper::supervise {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using Clock = ServiceProcess::Clock;

// Waits until the child has ended, and collects it.
std::string WaitFor(ServiceProcess& process, Clock::time_point now) {
  const int descriptor = static_cast<int>(syscall(SYS_pidfd_open, process.pid(), 0));
  pollfd wait{descriptor, POLLIN, 0};
  EXPECT_EQ(poll(&wait, 1, 30'000), 1) << "the child does not end";
  close(descriptor);
  return process.Reap(now).value_or("");
}

TEST(RestartBackOff, FirstLifeIsFollowedAtOnceThenWaitsDouble) {
  RestartBackOff back_off;
  EXPECT_EQ(back_off.AfterLife(seconds(0)), milliseconds(0));
  EXPECT_EQ(back_off.AfterLife(seconds(0)), milliseconds(50));
  EXPECT_EQ(back_off.AfterLife(seconds(0)), milliseconds(100));
}

TEST(RestartBackOff, HasAnEnd) {
  RestartBackOff back_off;
  for (int i = 0; i < 50; ++i) back_off.AfterLife(seconds(0));
  EXPECT_EQ(back_off.AfterLife(seconds(0)), RestartBackOff::kMost);
}

TEST(RestartBackOff, AGoodLifeIsForgiven) {
  RestartBackOff back_off;
  for (int i = 0; i < 5; ++i) back_off.AfterLife(seconds(0));
  EXPECT_EQ(back_off.AfterLife(RestartBackOff::kGoodLife), milliseconds(0));
}

TEST(ServiceProcess, TellsHowItEndedAndPlansTheNextStart) {
  ServiceProcess process({"sh", "-c", "exit 3"}, {});
  const Clock::time_point now{};
  ASSERT_TRUE(process.Start(now).ok());
  EXPECT_EQ(WaitFor(process, now), "ended with exit code 3");
  EXPECT_EQ(process.next_start(), now);
  ASSERT_TRUE(process.StartIfDue(now).ok());
  EXPECT_TRUE(process.running());
}

TEST(ServiceProcess, IsNotStartedBeforeItsTime) {
  ServiceProcess process({"true"}, {});
  const Clock::time_point now{};
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(process.Start(now).ok());
    WaitFor(process, now);
  }
  ASSERT_TRUE(process.StartIfDue(now + milliseconds(49)).ok());
  EXPECT_FALSE(process.running());
  ASSERT_TRUE(process.StartIfDue(now + milliseconds(50)).ok());
  EXPECT_TRUE(process.running());
}

TEST(ServiceProcess, GetsItsVariablesInPlaceOfInheritedOnes) {
  setenv("SEMPER_LINK", "inherited", 1);
  ServiceProcess process({"sh", "-c", "test \"$SEMPER_LINK\" = unix:/a && exit 7"},
                         {{"SEMPER_LINK", "unix:/a"}});
  ASSERT_TRUE(process.Start({}).ok());
  EXPECT_EQ(WaitFor(process, {}), "ended with exit code 7");
  unsetenv("SEMPER_LINK");
}

TEST(ServiceProcess, NamesAProgramThatIsNotThere) {
  ServiceProcess process({"/nowhere/service"}, {});
  const absl::Status status = process.Start({});
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("/nowhere/service"));
  EXPECT_FALSE(process.running());
}

TEST(ServiceProcess, TakesSignalsAlthoughItsParentBlocksThem) {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  ServiceProcess process({"sleep", "1000"}, {});
  ASSERT_TRUE(process.Start({}).ok());
  process.Terminate();
  EXPECT_THAT(WaitFor(process, {}), HasSubstr("signal 15"));
  EXPECT_FALSE(process.next_start().has_value()) << "what was ended stays ended";
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST(ServiceProcess, KillsTheWholeGroup) {
  // The shell's own child holds the pipe open until it is gone, too.
  int pipe[2];
  ASSERT_EQ(pipe2(pipe, 0), 0);
  ServiceProcess process({"sh", "-c", "sleep 1000 & wait"}, {});
  ASSERT_TRUE(process.Start({}).ok());
  close(pipe[1]);
  process.Kill();
  EXPECT_THAT(WaitFor(process, {}), HasSubstr("signal 9"));
  pollfd closed{pipe[0], POLLIN, 0};
  EXPECT_EQ(poll(&closed, 1, 30'000), 1);
  EXPECT_NE(closed.revents & POLLHUP, 0);
  close(pipe[0]);
}

}  // namespace
}  // namespace semper::supervise
