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

TEST(Metrics, ShowTheRoleAndTheFellowMembers) {
  const std::string text = MetricsText(LeadingSnapshot());
  EXPECT_THAT(text, HasSubstr("\nsemper_role{role=\"leader\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nsemper_role{role=\"standby\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("\nsemper_members{state=\"connected\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("\nsemper_members{state=\"ready\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nsemper_takeovers_total 1\n"));
  EXPECT_THAT(text, HasSubstr("\nsemper_takeover_duration_seconds 0.25\n"));
}

TEST(Metrics, ShowHowFarAStandbyIsBehind) {
  const std::string text = MetricsText(StandbySnapshot());
  EXPECT_THAT(text, HasSubstr("\nsemper_role{role=\"standby\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nsemper_phase{phase=\"following\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nsemper_epoch 8\n"));
  EXPECT_THAT(text, HasSubstr("\nsemper_standby_lag_inputs 12\n"));
  EXPECT_THAT(text, HasSubstr("\nsemper_standby_lag_seconds 0.1\n"));
  EXPECT_THAT(text, HasSubstr("\nsemper_takeovers_total 0\n"));
}

TEST(Metrics, ExactlyOneRoleIsSet) {
  struct Case {
    const char* role;
    Phase phase;
    const char* expected;
  };
  for (const Case& c :
       {Case{"leader", Phase::kWaitingForService, "leader"},
        Case{"alone", Phase::kLeading, "leader"}, Case{"alone", Phase::kDraining, "leader"},
        Case{"alone", Phase::kReplaying, "joining"}, Case{"standby", Phase::kTakingOver, "standby"},
        Case{"joining", Phase::kStarting, "joining"}, Case{"unfit", Phase::kFollowing, "unfit"},
        Case{"", Phase::kRefused, "joining"}}) {
    StatusSnapshot s;
    s.role = c.role;
    s.phase = c.phase;
    std::istringstream lines(MetricsText(s));
    std::vector<std::string> set;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("semper_role{") && line.ends_with(" 1")) set.push_back(line);
    }
    EXPECT_THAT(set,
                testing::ElementsAre("semper_role{role=\"" + std::string(c.expected) + "\"} 1"))
        << c.role << ", " << PhaseName(c.phase);
  }
}

TEST(Metrics, EscapesLabels) {
  StatusSnapshot s = LeadingSnapshot();
  s.member = "a\"b\nc";
  EXPECT_THAT(MetricsText(s), HasSubstr("member=\"a\\\"b\\nc\""));
}

}  // namespace
}  // namespace semper::admin
