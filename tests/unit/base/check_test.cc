#include "base/check.h"

#include <gtest/gtest.h>

namespace semper {
namespace {

TEST(Check, SaysNothingWhenTheConditionHolds) { SEMPER_CHECK(1 + 1 == 2, "arithmetic"); }

TEST(Check, EvaluatesItsPartsOnlyOnFailure) {
  int evaluated = 0;
  SEMPER_CHECK(true, "called ", ++evaluated);
  EXPECT_EQ(evaluated, 0);
}

TEST(CheckDeathTest, AbortsWithFileConditionAndText) {
  const std::string_view name = "orders";
  EXPECT_DEATH(SEMPER_CHECK(2 + 2 == 5, "sum of ", name, " is ", 4u, ", ", true),
               "check_test.cc:[0-9]+: check failed: 2 \\+ 2 == 5: sum of orders is 4, true");
}

TEST(CheckDeathTest, NeedsNoText) { EXPECT_DEATH(SEMPER_CHECK(false), "check failed: false\n"); }

}  // namespace
}  // namespace semper
