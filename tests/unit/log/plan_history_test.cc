// Scenarios: a line per epoch that has files, "3<1:4" sealed on batches 0..3 of epoch 1, "3"
// without a valid seal; and the plan as one line.
#include <gtest/gtest.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "sidecar/core/history.h"

namespace semper::core {
namespace {

uint64_t Number(absl::string_view text) {
  uint64_t number = 0;
  EXPECT_TRUE(absl::SimpleAtoi(text, &number)) << text;
  return number;
}

EpochSummary Parse(absl::string_view word) {
  const std::vector<absl::string_view> parts = absl::StrSplit(word, absl::ByAnyChar("<:"));
  EpochSummary summary{.epoch = Epoch{Number(parts[0])}};
  if (parts.size() == 3) {
    const uint64_t base = Number(parts[1]);
    summary.seal = SealSummary{
        .base_epoch = Epoch{base}, .base_batches = Number(parts[2]), .first_void = Epoch{base + 1}};
  }
  return summary;
}

std::string Plan(absl::string_view epochs) {
  std::vector<EpochSummary> summaries;
  for (absl::string_view word : absl::StrSplit(epochs, ' ', absl::SkipEmpty()))
    summaries.push_back(Parse(word));
  const auto plan = PlanHistory(summaries);
  if (!plan.ok()) return absl::IsDataLoss(plan.status()) ? "damage" : "?";
  std::string text;
  for (const PlannedRange& r : plan->ranges) {
    absl::StrAppend(&text, text.empty() ? "" : " ", Raw(r.epoch));
    if (r.batches_end != UINT64_MAX) absl::StrAppend(&text, ":", r.batches_end);
  }
  for (Epoch e : plan->void_epochs) absl::StrAppend(&text, " void=", Raw(e));
  if (plan->gone.has_value()) absl::StrAppend(&text, " gone=", Raw(*plan->gone));
  return text;
}

TEST(PlanHistory, OfNothingIsEmpty) { EXPECT_EQ(Plan(""), ""); }
TEST(PlanHistory, OfUnsealedEpochsIsEmpty) { EXPECT_EQ(Plan("1 2"), " void=1 void=2"); }
TEST(PlanHistory, OfTheFirstEpochIsUnlimited) { EXPECT_EQ(Plan("1<0:0"), "1"); }
TEST(PlanHistory, OfALaterFirstSealedEpoch) { EXPECT_EQ(Plan("1 2 3<0:0"), "3 void=1 void=2"); }
TEST(PlanHistory, CutsTheBaseWhereTheSealSays) { EXPECT_EQ(Plan("1<0:0 2<1:7"), "1:7 2"); }
TEST(PlanHistory, FollowsBasesDown) { EXPECT_EQ(Plan("1<0:0 2<1:7 3<2:1 4<3:9"), "1:7 2:1 3:9 4"); }
TEST(PlanHistory, TakesEpochsInAnyOrder) {
  EXPECT_EQ(Plan("3<2:1 1<0:0 4<3:9 2<1:7"), "1:7 2:1 3:9 4");
}
TEST(PlanHistory, LeavesOutUnsealedNewestEpochs) {
  EXPECT_EQ(Plan("1<0:0 2<1:7 3 4"), "1:7 2 void=3 void=4");
}
TEST(PlanHistory, LeavesOutUnsealedEpochsInBetween) {
  EXPECT_EQ(Plan("1<0:0 2 3 4<1:2"), "1:2 4 void=2 void=3");
}
TEST(PlanHistory, LeavesOutASealedEpochOfWhichNothingWasProven) {
  EXPECT_EQ(Plan("1<0:0 2<1:7 3<1:7"), "1:7 3 void=2");
}
TEST(PlanHistory, LeavesOutAnUnprovenFirstEpoch) { EXPECT_EQ(Plan("1<0:0 2<0:0"), "2 void=1"); }
TEST(PlanHistory, NewestSealWinsOverTheOneItVoids) {
  EXPECT_EQ(Plan("1<0:0 2<1:7 3<1:7 4 5<3:2 6<3:2"), "1:7 3:2 6 void=2 void=4 void=5");
}
TEST(PlanHistory, BeginsWhereRetentionLeftIt) { EXPECT_EQ(Plan("3<2:1 4<3:9"), "3:9 4 gone=2"); }
TEST(PlanHistory, LeavesOutWhatIsOlderThanARemovedBase) {
  EXPECT_EQ(Plan("1 3<2:1"), "3 void=1 gone=2");
}
TEST(PlanHistory, RefusesABaseWithoutSeal) { EXPECT_EQ(Plan("1 2<1:7"), "damage"); }
TEST(PlanHistory, RefusesABaseThatIsNotBelow) { EXPECT_EQ(Plan("2<2:7"), "damage"); }
TEST(PlanHistory, RefusesABaseOfNoBatches) { EXPECT_EQ(Plan("1<0:0 2<1:0"), "damage"); }
TEST(PlanHistory, RefusesBatchesOfNoBase) { EXPECT_EQ(Plan("2<0:3"), "damage"); }

TEST(PlanHistory, RefusesASealThatLeavesAnEpochOpen) {
  const EpochSummary epochs[] = {
      {.epoch = Epoch{4},
       .seal = SealSummary{.base_epoch = Epoch{1}, .base_batches = 1, .first_void = Epoch{3}}}};
  EXPECT_TRUE(absl::IsDataLoss(PlanHistory(epochs).status()));
}

TEST(PlanBase, IsBehindWhatIsProven) {
  const BasePlan plan =
      PlanBase(Epoch{4}, {.base_epoch = Epoch{2}, .base_batches = 9, .first_void = Epoch{3}}, 6);
  EXPECT_EQ(plan.base_epoch, Epoch{4});
  EXPECT_EQ(plan.base_batches, 6u);
  EXPECT_EQ(plan.first_void, Epoch{5});
  EXPECT_FALSE(plan.copy_whole_epoch);
}

TEST(PlanBase, IsTheBaseOfAnUnprovenEpoch) {
  const BasePlan plan =
      PlanBase(Epoch{4}, {.base_epoch = Epoch{2}, .base_batches = 9, .first_void = Epoch{3}}, 0);
  EXPECT_EQ(plan.base_epoch, Epoch{2});
  EXPECT_EQ(plan.base_batches, 9u);
  EXPECT_EQ(plan.first_void, Epoch{3});
  EXPECT_TRUE(plan.copy_whole_epoch);
}

}  // namespace
}  // namespace semper::core
