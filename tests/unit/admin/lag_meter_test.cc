#include "sidecar/admin/lag_meter.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace semper::admin {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(LagMeter, IsZeroBeforeTheLeaderSaidAnything) {
  EXPECT_EQ(LagMeter().Seconds(seconds(5), 0), 0);
}

TEST(LagMeter, IsTheAgeOfTheOldestWordThatIsNotApplied) {
  LagMeter meter;
  meter.Told(seconds(1), 10, 0);
  meter.Told(seconds(2), 20, 0);
  meter.Told(seconds(3), 30, 0);
  EXPECT_DOUBLE_EQ(meter.Seconds(seconds(4), 10), 2);
}

TEST(LagMeter, IsZeroWhenAllIsApplied) {
  LagMeter meter;
  meter.Told(seconds(1), 10, 0);
  EXPECT_EQ(meter.Seconds(seconds(9), 10), 0);
}

TEST(LagMeter, ALeaderThatCommitsNothingNewLeavesNobodyBehind) {
  LagMeter meter;
  meter.Told(seconds(1), 10, 0);
  EXPECT_EQ(meter.Seconds(seconds(2), 10), 0);
  meter.Told(seconds(3), 10, 10);
  EXPECT_EQ(meter.Seconds(seconds(60), 10), 0);
}

TEST(LagMeter, AConstantDistanceIsAConstantLag) {
  LagMeter meter;
  for (int i = 0; i < 100; ++i) {
    const auto now = milliseconds(100 * i);
    // Applies what was committed a second ago: the word after it is 0.9 s old.
    const auto applied = static_cast<uint64_t>(100 * std::max(0, i - 10));
    meter.Told(now, static_cast<uint64_t>(100 * i), applied);
    if (i > 10) {
      EXPECT_NEAR(meter.Seconds(now, applied), 0.9, 1e-9);
    }
  }
}

TEST(LagMeter, KeepsTheOldestWordHoweverLongItTakes) {
  LagMeter meter;
  for (int i = 1; i <= 100'000; ++i) {
    meter.Told(milliseconds(100 * i), static_cast<uint64_t>(i), 0);
  }
  EXPECT_DOUBLE_EQ(meter.Seconds(milliseconds(10'000'100), 0), 10'000);
}

}  // namespace
}  // namespace semper::admin
