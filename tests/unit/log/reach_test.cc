// Reports of standbys that do not reach who leads.
#include "sidecar/log/reach.h"

#include "gmock/gmock.h"
#include "tests/unit/log/leader.h"
#include "tests/unit/log/memory_disk.h"

namespace semper::log {
namespace {

using core::Epoch;
using core::ReachReport;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ReachReports : public ::testing::Test {
 protected:
  ReachReports() { Create(disk_); }
  MemoryDisk disk_;
  const ReachReport two_{Epoch{5}, 0xab, "orders-2.shop_x"};
};

TEST_F(ReachReports, AreNoneBeforeTheFirst) {
  EXPECT_THAT(*ReadReachReports(disk_, kDir), IsEmpty());
}

TEST_F(ReachReports, AreReadAsTheyWereWritten) {
  ASSERT_TRUE(WriteReachReport(disk_, kDir, two_).ok());
  EXPECT_THAT(*ReadReachReports(disk_, kDir), ElementsAre(two_));
}

TEST_F(ReachReports, ReplaceOlderOnesOfTheSameMemberOnly) {
  const ReachReport one{Epoch{4}, 1, "orders-1"};
  const ReachReport again{Epoch{5}, 0xac, two_.member};
  ASSERT_TRUE(WriteReachReport(disk_, kDir, one).ok());
  ASSERT_TRUE(WriteReachReport(disk_, kDir, two_).ok());
  ASSERT_TRUE(WriteReachReport(disk_, kDir, again).ok());
  EXPECT_THAT(*ReadReachReports(disk_, kDir), ElementsAre(one, again));
}

TEST_F(ReachReports, OtherNamesAreNotLookedAt) {
  ASSERT_TRUE(WriteReachReport(disk_, kDir, two_).ok());
  for (const char* name : {"notes", "0000000000000005-000000AB-b", "0000000000000005_000000ab_b",
                           "0000000000000005-000000ab-"}) {
    ASSERT_TRUE(disk_.Open(absl::StrCat(kDir, "/reach/", name), OpenMode::kCreateExclusive).ok());
  }
  EXPECT_THAT(*ReadReachReports(disk_, kDir), ElementsAre(two_));
}

}  // namespace
}  // namespace semper::log
