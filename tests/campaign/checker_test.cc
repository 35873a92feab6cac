// The checker itself: a run in which all went well, and what it says when one thing in it is
// edited.
#include "tests/campaign/checker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace campaign {
namespace {

// A ledger of the purest kind: operations one after the other, told at once.
class CheckerTest : public testing::Test {
 protected:
  CheckerTest() {
    for (int round = 0; round < 4; ++round) {
      for (uint32_t immortal = 0; immortal < kImmortals; ++immortal) {
        Do({.kind = Kind::kAdd, .immortal = immortal, .place = 2});
        Do({.kind = Kind::kAppend, .immortal = immortal, .place = 3});
        for (uint32_t to = 0; to < kImmortals; ++to) {
          Do({.kind = Kind::kTransfer,
              .immortal = immortal,
              .place = 4,
              .to_immortal = to,
              .to_place = 5,
              .amount = 7});
        }
      }
    }
  }

  void Do(Operation operation) {
    operation.id = ++last_id_;
    Record record{.operation = operation, .invoked_us = ++now_, .fate = Fate::kOk};
    LedgerState& own = state_[operation.immortal];
    LedgerState& other = state_[operation.to_immortal];
    if (operation.kind == Kind::kAdd) {
      record.first = ++own.counters[operation.place];
    } else if (operation.kind == Kind::kAppend) {
      record.first = Add(own.lists[operation.place], operation.id);
    } else {
      own.accounts[operation.place] -= operation.amount;
      other.accounts[operation.to_place] += operation.amount;
      if (operation.immortal == operation.to_immortal) {
        record.first = Add(own.local, operation.id);
      } else {
        record.first = Add(own.sent[operation.to_immortal], operation.id);
        Add(own.settled[operation.to_immortal], operation.id);
        record.second = Add(other.received[operation.immortal], operation.id);
      }
    }
    record.ended_us = ++now_;
    records_.push_back(record);
  }
  static uint64_t Add(Ids& ids, uint64_t id) {
    ids.push_back(id);
    return ids.size();
  }

  Record& Nth(Kind kind, size_t n) {
    for (Record& record : records_) {
      if (record.operation.kind == kind && n-- == 0) return record;
    }
    throw std::logic_error("no such operation");
  }
  Ids& List() { return state_[0].lists[3]; }

  // All copies of each immortal are the same, but for what `edit` does to the last one of the
  // first.
  Verdict Judge(const std::function<void(LedgerState&)>& edit = {}) const {
    FinalStates states;
    for (uint32_t i = 0; i < kImmortals; ++i)
      states[i] = {{"m1", state_[i]}, {"m2", state_[i]}, {"m3", state_[i]}};
    if (edit) edit(states[0][2].state);
    return Check(records_, states);
  }

  // The same after a way through the file format.
  Verdict JudgeText(const std::string& history) {
    records_.clear();
    const absl::Status read = ParseHistory(history, records_);
    EXPECT_TRUE(read.ok()) << read;
    return Judge();
  }
  std::string Text() const {
    std::string text;
    for (const Record& record : records_) {
      text += "i " + std::to_string(record.invoked_us) + " " + FormatOperation(record.operation) +
              "\n" + "o " + std::to_string(record.ended_us) + " " +
              std::to_string(record.operation.id) + " " + std::to_string(record.first) + " " +
              std::to_string(record.second) + "\n";
    }
    return text;
  }

  std::vector<Record> records_;
  std::array<LedgerState, kImmortals> state_;
  uint64_t last_id_ = 0;
  int64_t now_ = 0;
};

std::string All(const Verdict& verdict) {
  std::string text;
  for (const std::string& finding : verdict.findings) text += finding + "\n";
  return text;
}

void ExpectVerdict(const Verdict& verdict, uint64_t lost, uint64_t duplicated, uint64_t diverged) {
  EXPECT_EQ(verdict.lost, lost) << All(verdict);
  EXPECT_EQ(verdict.duplicated, duplicated) << All(verdict);
  EXPECT_EQ(verdict.diverged, diverged) << All(verdict);
}

TEST_F(CheckerTest, FindsNothingWhereAllIsWell) {
  const Verdict verdict = Judge();
  EXPECT_TRUE(verdict.clean()) << All(verdict);
  EXPECT_EQ(verdict.operations, 60u);
  EXPECT_EQ(verdict.ok, 60u);
}

TEST_F(CheckerTest, FindsNothingInAHistoryThatWasWrittenAndRead) {
  EXPECT_TRUE(JudgeText(Text()).clean());
}

TEST_F(CheckerTest, LetsAnUnknownOperationHaveTakenEffect) {
  for (Record& record : records_) record.fate = Fate::kUnknown;
  const Verdict verdict = Judge();
  EXPECT_TRUE(verdict.clean()) << All(verdict);
  EXPECT_EQ(verdict.unknown, 60u);
}

TEST_F(CheckerTest, LetsAnUnknownOperationHaveHadNoEffect) {
  Operation operation = Nth(Kind::kAppend, 0).operation;
  operation.id = ++last_id_;
  records_.push_back({.operation = operation, .invoked_us = 1});
  operation.kind = Kind::kAdd;
  operation.id = ++last_id_;
  records_.push_back({.operation = operation, .invoked_us = 1});
  EXPECT_TRUE(Judge().clean());
}

// Operations that were edited into a history.

TEST_F(CheckerTest, FindsAnAcknowledgedAppendThatIsNotInItsList) {
  Record lost = Nth(Kind::kAppend, 0);
  lost.operation.id = ++last_id_;
  lost.first = List().size() + 1;
  lost.invoked_us = lost.ended_us = ++now_;
  records_.push_back(lost);
  ExpectVerdict(Judge(), 1, 0, 0);
}

TEST_F(CheckerTest, FindsAnAcknowledgedTransferThatIsInNoJournal) {
  std::string text = Text();
  text += "i 1000 900 t 0 4 1 5 7\no 1001 900 5 5\n";
  ExpectVerdict(JudgeText(text), 2, 0, 0);  // not sent, not received
}

TEST_F(CheckerTest, FindsAnAcknowledgedAdditionThatTheCounterDoesNotHave) {
  ExpectVerdict(JudgeText(Text() + "i 1000 900 a 0 2 0 0 0\no 1001 900 5 0\n"), 1, 0, 0);
}

TEST_F(CheckerTest, FindsTwoAdditionsThatWereToldTheSameValue) {
  ExpectVerdict(JudgeText(Text() + "i 1000 900 a 0 2 0 0 0\no 1001 900 4 0\n"), 1, 0, 0);
}

TEST_F(CheckerTest, FindsAListEntryThatIsThereTwice) {
  List().push_back(List().front());
  ExpectVerdict(Judge(), 0, 1, 0);
}

TEST_F(CheckerTest, FindsAnAdditionThatTookEffectTwice) {
  ++state_[1].counters[2];
  ExpectVerdict(Judge(), 0, 1, 0);
}

TEST_F(CheckerTest, FindsADepositThatArrivedTwice) {
  state_[1].received[0].push_back(state_[1].received[0].back());
  state_[1].accounts[5] += 7;
  // In the journal, against what was sent; and the bank has 7 too much.
  ExpectVerdict(Judge(), 0, 2, 1);
}

TEST_F(CheckerTest, FindsADepositThatDidNotArrive) {
  state_[1].received[0].pop_back();
  state_[1].accounts[5] -= 7;
  ExpectVerdict(Judge(), 2, 0, 1);
}

TEST_F(CheckerTest, FindsTwoAppendsWhoseHistoriesWereExchanged) {
  std::swap(Nth(Kind::kAppend, 0).first, Nth(Kind::kAppend, 3).first);
  ExpectVerdict(Judge(), 0, 0, 2);
}

TEST_F(CheckerTest, FindsAListWhoseOrderContradictsTime) {
  std::swap(List()[0], List()[1]);
  std::swap(Nth(Kind::kAppend, 0).first, Nth(Kind::kAppend, 3).first);
  ExpectVerdict(Judge(), 0, 0, 1);
}

TEST_F(CheckerTest, FindsCounterValuesWhoseOrderContradictsTime) {
  std::swap(Nth(Kind::kAdd, 0).first, Nth(Kind::kAdd, 3).first);
  ExpectVerdict(Judge(), 0, 0, 1);
}

TEST_F(CheckerTest, FindsAnUnknownOperationThatTookEffectBeforeItWasInvoked) {
  Record& record = Nth(Kind::kAppend, 0);
  record.fate = Fate::kUnknown;
  record.invoked_us = now_;
  EXPECT_GE(Judge().diverged, 1u);
}

TEST_F(CheckerTest, FindsDepositsInAnotherOrderThanTheyWereSent) {
  Ids& received = state_[1].received[0];
  std::swap(received[0], received[1]);
  EXPECT_GE(Judge().diverged, 1u);
}

TEST_F(CheckerTest, FindsTheEffectOfARefusedOperation) {
  Nth(Kind::kAppend, 0).fate = Fate::kRefused;
  ExpectVerdict(Judge(), 0, 0, 1);
}

TEST_F(CheckerTest, FindsTheEffectOfARefusedAddition) {
  Nth(Kind::kAdd, 0).fate = Fate::kRefused;
  ExpectVerdict(Judge(), 0, 1, 0);
}

TEST_F(CheckerTest, FindsWhatNobodyAskedFor) {
  List().push_back(4711);
  ExpectVerdict(Judge(), 0, 0, 1);
}

TEST_F(CheckerTest, FindsAnOperationInAnotherList) {
  std::swap(state_[0].lists[3].front(), state_[1].lists[3].front());
  ExpectVerdict(Judge(), 2, 0, 2);
}

TEST_F(CheckerTest, FindsACopyThatDiffers) {
  ExpectVerdict(Judge([](LedgerState& state) { ++state.counters[9]; }), 0, 0, 1);
}

TEST_F(CheckerTest, FindsMoneyThatCameFromNowhere) {
  state_[2].accounts[0] += 1;
  ExpectVerdict(Judge(), 0, 0, 2);  // against its journals, and the sum
}

TEST_F(CheckerTest, FindsAnImmortalWithoutAFinalState) {
  FinalStates states;
  EXPECT_EQ(Check(records_, states).diverged, kImmortals);
}

TEST_F(CheckerTest, LetsATransferBeOnItsWayBeforeAllIsSettled) {
  Operation operation = Nth(Kind::kTransfer, 1).operation;
  ASSERT_NE(operation.immortal, operation.to_immortal);
  operation.id = ++last_id_;
  records_.push_back({.operation = operation, .invoked_us = ++now_});
  state_[0].sent[operation.to_immortal].push_back(operation.id);
  state_[0].accounts[operation.place] -= operation.amount;
  FinalStates states;
  for (uint32_t i = 0; i < kImmortals; ++i) states[i] = {{"m1", state_[i]}};
  EXPECT_TRUE(Check(records_, states, false).clean());
  EXPECT_FALSE(Check(records_, states, true).clean());
}

TEST(History, RefusesAnEndWithoutABeginning) {
  std::vector<Record> records;
  EXPECT_FALSE(ParseHistory("o 5 77 1 0\n", records).ok());
}

TEST(History, RefusesTwoEndsOfOneOperation) {
  std::vector<Record> records;
  EXPECT_FALSE(ParseHistory("i 1 7 a 0 0 0 0 0\no 5 7 1 0\no 6 7 1 0\n", records).ok());
}

TEST(History, TakesAnOperationWithoutAnEndAsUnknown) {
  std::vector<Record> records;
  ASSERT_TRUE(ParseHistory("i 1 7 a 0 0 0 0 0\n", records).ok());
  EXPECT_EQ(records.at(0).fate, Fate::kUnknown);
}

TEST(LedgerState, IsReadAsItWasWritten) {
  LedgerState state;
  state.counters[3] = 9;
  state.accounts[1] = -4;
  state.lists[2] = {5, 6};
  state.sent[1] = {8};
  state.received[2] = {9, 10};
  state.errors = 1;
  const absl::StatusOr<LedgerState> read = ParseState(FormatState(state));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, state);
}

TEST(LedgerState, RefusesAStateThatWasCutOff) {
  const std::string text = FormatState(LedgerState());
  EXPECT_FALSE(ParseState(text.substr(0, text.size() - 1)).ok());
}

}  // namespace
}  // namespace campaign
