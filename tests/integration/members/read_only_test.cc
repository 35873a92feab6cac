// The volume of real members turns read-only, or is so from the start: each says so, nothing is
// lost, and once it can be written again they go on.
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>

#include "tests/integration/members/counter_fixture.h"

namespace shop::demo {
namespace {

using testing::HasSubstr;

// `logs` is a file system of its own, which the test's process and its children alone see.
class ReadOnlyTest : public CounterTest {
 protected:
  void SetUp() override {
    // Mounts end with this process, since nobody else is in its namespace.
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      GTEST_SKIP() << "no mount namespace of its own: " << std::strerror(errno);
    }
    std::ofstream(File("image")).flush();
    std::filesystem::resize_file(File("image"), 64 << 20);
    if (!Tool({"mkfs.ext4", "-q", "-F", "-m", "0", File("image")}) || !Mount())
      GTEST_SKIP() << "no loop device, or no e2fsprogs: " << why_not_;
  }
  void TearDown() override {
    for (auto& [key, member] : members_) {
      if (member.process) Kill(key);
    }
    umount(File("logs").c_str());
  }

  bool Tool(const std::vector<std::string>& command) {
    return RunProgram(command, File("tool"), std::chrono::seconds(30), why_not_);
  }
  bool Mount() { return Tool({"mount", "-o", "loop", File("image"), File("logs")}); }
  // As the kernel does it when the disk fails: also under a member that writes.
  bool TurnReadOnly() { return Tool({"mount", "-o", "remount,abort", File("logs")}); }

  void ExpectRefusal(const std::string& key) {
    EXPECT_TRUE(WaitFor([&] { return ReadyText(key).starts_with("refused: "); })) << Log(key);
    EXPECT_THAT(ReadyText(key), HasSubstr(File("logs") + "/demo"));
    EXPECT_TRUE(WaitForLog(key, "Read-only file system (EROFS)")) << Log(key);
    EXPECT_THAT(Status(key), HasSubstr("mount it with rw), then start it again"));
  }
};

TEST_F(ReadOnlyTest, TurnedSoUnderALeaderStopsEverybodyAndLosesNothing) {
  Start("a");
  ASSERT_TRUE(WaitForStanding("a", Standing::kLeads)) << Log("a");
  Start("b");
  ASSERT_TRUE(WaitForStanding("b", Standing::kReady)) << Log("b");
  ASSERT_TRUE(Add("a")) << Log("a");
  ASSERT_TRUE(TurnReadOnly()) << why_not_;
  for (const char* key : {"a", "b"}) {
    ExpectRefusal(key);
    Kill(key);
  }
  EXPECT_THAT(Log("a"), HasSubstr("begins anew: log of epoch 1: writing a record to "));
  EXPECT_FALSE(std::filesystem::exists(Claim(2)));
  // The remedy.
  ASSERT_EQ(umount(File("logs").c_str()), 0) << std::strerror(errno);
  ASSERT_TRUE(Mount()) << why_not_;
  Start("b");
  ASSERT_TRUE(WaitForStanding("b", Standing::kLeads)) << Log("b");
  EXPECT_TRUE(Add("b")) << Log("b");
}

TEST_F(ReadOnlyTest, FromTheStartIsNoPlaceForMembers) {
  ASSERT_TRUE(TurnReadOnly()) << why_not_;
  Start("a");
  const std::optional<int> status = members_["a"].process->WaitFor(std::chrono::seconds(30));
  ASSERT_TRUE(status && WIFEXITED(*status)) << Log("a");
  EXPECT_EQ(WEXITSTATUS(*status), 2);
  EXPECT_THAT(Log("a"), HasSubstr("(ext4) mounted on " + File("logs")));
  EXPECT_THAT(Log("a"), HasSubstr("it is mounted read-only. Mount it with rw"));
}

TEST_F(ReadOnlyTest, FromTheStartIsRefusedByAMemberThatIsAlone) {
  ASSERT_TRUE(TurnReadOnly()) << why_not_;
  Start("a", {"--members="});
  ExpectRefusal("a");
}

}  // namespace
}  // namespace shop::demo
