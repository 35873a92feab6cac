// An older copy of the log directory comes into its place under a live leader: it confirms nothing
// any more, and says so.
#include <gmock/gmock.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/integration/members/counter_fixture.h"

namespace shop::demo {
namespace {

using testing::HasSubstr;

class ReplacedFilesTest : public CounterTest {
 protected:
  // `a` leads, has counted 1, was copied, and has counted 2.
  void StartAndCopy() {
    Start("a");
    ASSERT_TRUE(WaitForStanding("a", Standing::kLeads)) << Log("a");
    ASSERT_TRUE(Add("a")) << Log("a");
    std::filesystem::copy(Live(), Older(), std::filesystem::copy_options::recursive);
    ASSERT_TRUE(Add("a")) << Log("a");
  }
  std::string Live() const { return File("logs/demo/counter"); }
  std::string Older() const { return File("logs/demo/older"); }
  std::string Kept() const { return File("logs/demo/kept"); }
  // The directory itself is looked at once a second.
  void Exchange() const {
    std::filesystem::rename(Live(), Kept());
    std::filesystem::rename(Older(), Live());
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  }

  void ExpectThatItRefuses(const std::string& key) {
    const std::string why = "were replaced under a running member";
    EXPECT_TRUE(WaitForLog(key, why)) << Log(key);
    EXPECT_THAT(Log(key), HasSubstr("refused to go on: "));
    EXPECT_TRUE(WaitFor([&] { return ReadyText(key).starts_with("refused: "); })) << Log(key);
    EXPECT_THAT(Status(key), HasSubstr("put them back and start all members again"));
  }
  void ExpectThatNothingIsConfirmed() {
    const std::string before = ContentOf(File("a.totals"));
    ASSERT_EQ(write(members_["a"].numbers, "1\n", 2), 2);
    ExpectThatItRefuses("a");
    EXPECT_EQ(ContentOf(File("a.totals")), before);
  }
};

TEST_F(ReplacedFilesTest, AnOlderCopyThatIsRenamedIntoPlaceIsNotGoneOnWith) {
  StartAndCopy();
  Exchange();
  ExpectThatNothingIsConfirmed();
  EXPECT_FALSE(std::filesystem::exists(Claim(2)));
  // The remedy.
  members_["a"].process->Kill();
  std::filesystem::rename(Live(), Older());
  std::filesystem::rename(Kept(), Live());
  Start("a");
  ASSERT_TRUE(WaitForStanding("a", Standing::kLeads)) << Log("a");
  // The number that was not confirmed is in the log and may count.
  ASSERT_EQ(write(members_["a"].numbers, "1\n", 2), 2);
  EXPECT_TRUE(WaitFor([&] {
    const std::string totals = ContentOf(File("a.totals"));
    return totals.ends_with(": total 3\n") || totals.ends_with(": total 4\n");
  })) << ContentOf(File("a.totals"));
}

TEST_F(ReplacedFilesTest, OlderFilesInThePlaceOfNewerOnesAreNotGoneOnWith) {
  StartAndCopy();
  std::filesystem::remove_all(Live() + "/log");
  std::filesystem::rename(Older() + "/log", Live() + "/log");
  ExpectThatNothingIsConfirmed();
}

// What it has applied is not in the copy, which its own clients and other immortals remember.
TEST_F(ReplacedFilesTest, AStandbyDoesNotLeadAnOlderCopy) {
  StartAndCopy();
  Start("b");
  ASSERT_TRUE(WaitForStanding("b", Standing::kReady)) << Log("b");
  Exchange();
  ExpectThatItRefuses("a");
  ExpectThatItRefuses("b");
  EXPECT_THAT(Log("b"), HasSubstr(" was committed"));
  EXPECT_EQ(ContentOf(File("b.totals")), "");
}

}  // namespace
}  // namespace shop::demo
