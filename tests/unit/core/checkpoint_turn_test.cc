#include "sidecar/core/checkpoint_turn.h"

#include <gtest/gtest.h>

namespace semper::core {
namespace {

constexpr uint64_t kLimit = 1000;

class Turns : public ::testing::Test {
 protected:
  // A look at that time. Who was late; "-": nobody.
  std::string At(uint64_t now, bool due = true) {
    return turn_.Look({now, kLimit, due, Index{index_}}, ready_).value_or("-");
  }
  // It becomes due at `now`, with input after input; nobody delivers. The time after the last look.
  uint64_t DueFrom(uint64_t now) {
    At(now, false);
    ++index_;
    EXPECT_EQ(At(now), "-");
    return now + kLimit;
  }

  CheckpointTurn turn_;
  std::vector<std::string> ready_ = {"B", "C"};
  uint64_t index_ = 10;
};

TEST_F(Turns, AreTheLeadersWithoutAFellow) {
  ready_.clear();
  EXPECT_EQ(At(0, false), "-");
  EXPECT_EQ(turn_.member(), "");
}

TEST_F(Turns, StayWithAFellowThatIsReady) {
  ready_ = {"C"};
  At(0, false);
  ready_ = {"B", "C"};
  At(1, false);
  EXPECT_EQ(turn_.member(), "C");
}

TEST_F(Turns, GoToAnotherWhenAFellowIsNoLongerReady) {
  At(0, false);
  ready_ = {"C"};
  EXPECT_EQ(At(1, false), "-");
  EXPECT_EQ(turn_.member(), "C");
}

TEST_F(Turns, AreNotOverWhileNothingIsDue) {
  At(0, false);
  ++index_;
  EXPECT_EQ(At(100 * kLimit, false), "-");
  EXPECT_EQ(turn_.member(), "B");
}

TEST_F(Turns, OfALeaderThatBeginsLateBeginThen) {
  EXPECT_EQ(At(100 * kLimit), "-");
  EXPECT_EQ(turn_.member(), "B");
}

TEST_F(Turns, PassToTheNextAndAtLastToTheLeader) {
  const uint64_t over = DueFrom(5);
  EXPECT_EQ(At(over - 1), "-");
  EXPECT_EQ(At(over), "B");
  EXPECT_EQ(turn_.member(), "C");
  ++index_;
  EXPECT_EQ(At(over + kLimit - 1), "-");
  EXPECT_EQ(At(over + kLimit), "C");
  EXPECT_EQ(turn_.member(), "");
}

// It cuts at the end of a record with inputs, and there was none.
TEST_F(Turns, DoNotPassWithoutInputs) {
  uint64_t now = DueFrom(5);
  ASSERT_EQ(At(now), "B");
  EXPECT_EQ(At(now += 100 * kLimit), "-");
  ++index_;
  EXPECT_EQ(At(now + kLimit - 1), "-");
  EXPECT_EQ(At(now + kLimit), "C");
}

TEST_F(Turns, ComeBackAfterSomeCheckpointsOfOthers) {
  ASSERT_EQ(At(DueFrom(5)), "B");
  for (int i = 0; i < 8; ++i) {
    ready_ = {"B"};
    At(2000, false);
    EXPECT_EQ(turn_.member(), "") << i;
    turn_.OnCheckpoint("");
  }
  At(2000, false);
  EXPECT_EQ(turn_.member(), "B");
}

TEST_F(Turns, ComeBackToWhoDeliversLate) {
  ASSERT_EQ(At(DueFrom(5)), "B");
  turn_.OnCheckpoint("B");
  ready_ = {"B"};
  At(2000, false);
  EXPECT_EQ(turn_.member(), "B");
}

TEST_F(Turns, ComeBackToWhoConnectsAnew) {
  ASSERT_EQ(At(DueFrom(5)), "B");
  turn_.OnFound("B");
  ready_ = {"B"};
  At(2000, false);
  EXPECT_EQ(turn_.member(), "B");
}

class LeadersTurn : public Turns {
 protected:
  LeadersTurn() {
    ready_ = {"B"};
    now_ = DueFrom(5);
    EXPECT_EQ(At(now_), "B");
    EXPECT_EQ(turn_.member(), "");
    ++index_;
  }
  uint64_t now_ = 0;
};

TEST_F(LeadersTurn, PassesToTheFirstFellowAgain) {
  EXPECT_EQ(At(now_ + kLimit - 1), "-");
  EXPECT_EQ(At(now_ + kLimit), "");
  EXPECT_EQ(turn_.member(), "B");
}

TEST_F(LeadersTurn, PassesAtOnceWhenItFails) {
  turn_.OnOwnFailed();
  EXPECT_EQ(At(now_ + 1), "-");
  EXPECT_EQ(turn_.member(), "B");
}

TEST_F(LeadersTurn, IsNotOverWithoutAFellow) {
  ready_.clear();
  EXPECT_EQ(At(now_ + 100 * kLimit), "-");
  EXPECT_EQ(turn_.member(), "");
}

}  // namespace
}  // namespace semper::core
