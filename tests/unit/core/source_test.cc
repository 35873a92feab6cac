// What another immortal sends to us.
#include "tests/unit/core/core_fixture.h"

namespace semper::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SourceTest : public CoreTest {
 protected:
  SourceTest() {
    LeadWithService();
    OrdersGreets();
    CommitAll();
    Effects();
  }
  std::string LastPayload() const {
    return std::string(AsText(sink_.logged().back().payload.bytes()));
  }
};

TEST_F(SourceTest, AckWaitsForTheCommit) {
  OrdersSends(1, {"a", "b"});
  core_.EndOfRound();
  WriteIsDurable();
  EXPECT_THAT(Effects("ack"), IsEmpty());
  NoNewerClaim();
  EXPECT_THAT(Effects("ack"), ElementsAre("ack 7 2"));
}

TEST_F(SourceTest, IsLoggedAndDeliveredBeforeItIsWritten) {
  OrdersSends(1, {"a", "b"});
  EXPECT_THAT(Effects(), ElementsAre("log peer 3+2", "deliver peer 3+2"));
}

TEST_F(SourceTest, KnownFrameIsDropped) {
  OrdersSends(1, {"a", "b"});
  Effects();
  OrdersSends(1, {"a", "b"});
  EXPECT_THAT(Effects(), IsEmpty());
  EXPECT_EQ(core_.frames_dropped(), 1u);
}

TEST_F(SourceTest, KnownPrefixIsCutOff) {
  OrdersSends(1, {"a", "bb"});
  Effects();
  OrdersSends(2, {"bb", "ccc"});
  EXPECT_THAT(Effects("log"), ElementsAre("log peer 5+1"));
  EXPECT_EQ(LastPayload(), Messages({"ccc"}));
  EXPECT_EQ(core_.state().sources()[0].position, After({}, {"a", "bb", "ccc"}));
}

TEST_F(SourceTest, GapClosesTheConnection) {
  OrdersSends(1, {"a"});
  Effects();
  OrdersSends(3, {"c"});
  EXPECT_THAT(Effects(), ElementsAre("refuse 7 GAP"));
  OrdersSends(2, {"b"});
  EXPECT_THAT(Effects(), IsEmpty());
}

TEST_F(SourceTest, WelcomeTellsWhereToResumeAndWhatIsCommitted) {
  OrdersSends(1, {"a"});
  CommitAll();
  OrdersSends(2, {"b", "c"});
  Effects();
  OrdersGreets(1, ConnectionId{8});
  EXPECT_THAT(Effects("welcome"), ElementsAre("welcome 8 resume=3 committed=1"));
}

TEST_F(SourceTest, EpochThatWentBackIsRefused) {
  OrdersGreets(4, ConnectionId{8});
  Effects();
  OrdersGreets(3, ConnectionId{9});
  EXPECT_THAT(Effects(), ElementsAre("refuse 9 NOT_LEADER"));
}

TEST_F(SourceTest, FramesOfAReplacedConnectionAreNotTaken) {
  OrdersGreets(2, ConnectionId{8});
  Effects();
  OrdersSends(1, {"a"});
  EXPECT_THAT(Effects(), IsEmpty());
}

}  // namespace
}  // namespace semper::core
