#include "sidecar/admin/histogram.h"

#include <gtest/gtest.h>

#include "sidecar/admin/status_proto.h"

namespace semper::admin {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

TEST(LatencyHistogram, BoundsAreInclusive) {
  LatencyHistogram histogram;
  histogram.Record(nanoseconds(0));
  histogram.Record(microseconds(16));
  histogram.Record(nanoseconds(16'001));
  histogram.Record(microseconds(32));
  histogram.Record(microseconds(33));
  EXPECT_EQ(histogram.counts[0], 2u);
  EXPECT_EQ(histogram.counts[1], 2u);
  EXPECT_EQ(histogram.counts[2], 1u);
}

TEST(LatencyHistogram, KeepsWhatIsLongerThanTheLastBound) {
  LatencyHistogram histogram;
  histogram.Record(std::chrono::hours(24));
  EXPECT_EQ(histogram.counts[LatencyHistogram::kBoundCount], 1u);
}

TEST(LatencyHistogram, TakesANegativeDurationAsNone) {
  LatencyHistogram histogram;
  histogram.Record(nanoseconds(-5));
  EXPECT_EQ(histogram.counts[0], 1u);
  EXPECT_EQ(histogram.sum_nanos, 0u);
}

TEST(AddTotals, CountersAndHistogramsOfALifeGoOnInTheNext) {
  StatusSnapshot earlier;
  earlier.counters.inputs = 3;
  earlier.counters.takeovers = 1;
  earlier.sync.Record(microseconds(10));
  earlier.epoch = 7;
  StatusSnapshot now;
  now.counters.inputs = 4;
  now.sync.Record(microseconds(20));
  AddTotals(earlier, now);
  EXPECT_EQ(now.counters.inputs, 7u);
  EXPECT_EQ(now.counters.takeovers, 1u);
  EXPECT_EQ(now.sync.counts[0], 1u);
  EXPECT_EQ(now.sync.counts[1], 1u);
  EXPECT_EQ(now.sync.sum_nanos, 30'000u);
  EXPECT_EQ(now.epoch, 0u) << "only totals go on";
}

TEST(QuantileSeconds, IsTheBoundOfTheBucketThatHoldsTheRank) {
  LatencyHistogram histogram;
  for (int i = 0; i < 99; ++i) histogram.Record(microseconds(10));
  histogram.Record(microseconds(100));
  EXPECT_DOUBLE_EQ(QuantileSeconds(histogram, 0.5), 16e-6);
  EXPECT_DOUBLE_EQ(QuantileSeconds(histogram, 0.99), 16e-6);
  EXPECT_DOUBLE_EQ(QuantileSeconds(histogram, 1.0), 128e-6);
}

TEST(QuantileSeconds, IsZeroWithoutSamples) {
  EXPECT_EQ(QuantileSeconds(LatencyHistogram{}, 0.99), 0);
}

}  // namespace
}  // namespace semper::admin
