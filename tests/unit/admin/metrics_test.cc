#include "sidecar/admin/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "tests/unit/admin/fake_backend.h"

namespace semper::admin {
namespace {

using testing::HasSubstr;

TEST(Metrics, ShowPositionsAndPeers) {
  const std::string text = MetricsText(LeadingSnapshot());
  EXPECT_THAT(text, HasSubstr("\nsemper_index_committed 118\n"));
  EXPECT_THAT(text, HasSubstr("\nsemper_source_sequence{source=\"shop/stock\"} 11\n"));
  EXPECT_THAT(text, HasSubstr("\nsemper_destination_quarantined{destination=\"shop/stock\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nsemper_phase{phase=\"leading\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nsemper_checkpoints_total{result=\"failed\"} 2\n"));
}

TEST(Metrics, HistogramsCumulateAndEndWithInfinity) {
  StatusSnapshot s = LeadingSnapshot();
  s.sync.Record(std::chrono::microseconds(10));
  s.sync.Record(std::chrono::microseconds(20));
  s.sync.Record(std::chrono::seconds(60));
  const std::string text = MetricsText(s);
  EXPECT_THAT(text, HasSubstr("semper_sync_seconds_bucket{le=\"1.6e-05\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("semper_sync_seconds_bucket{le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("semper_sync_seconds_count 3\n"));
}

TEST(Metrics, EveryFamilyHasHelpAndTypeOnceAndAConventionalName) {
  const std::string text = MetricsText(LeadingSnapshot());
  std::map<std::string, std::string> types;
  std::set<std::string> helped;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash, what, name, type;
    words >> hash >> what >> name;
    if (hash != "#") continue;
    if (what == "HELP") {
      EXPECT_TRUE(helped.insert(name).second) << name << " appears as two families";
    } else {
      words >> type;
      types[name] = type;
    }
  }
  EXPECT_EQ(helped.size(), types.size());
  for (const auto& [name, type] : types) {
    EXPECT_TRUE(std::regex_match(name, std::regex("(semper|process)_[a-z0-9_]+"))) << name;
    EXPECT_EQ(name.ends_with("_total"), type == "counter") << name;
  }
}

TEST(Metrics, EscapesLabels) {
  StatusSnapshot s = LeadingSnapshot();
  s.member = "a\"b\nc";
  EXPECT_THAT(MetricsText(s), HasSubstr("member=\"a\\\"b\\nc\""));
}

}  // namespace
}  // namespace semper::admin
