#include "base/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <thread>

namespace semper {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::internal::CaptureStderr;
using testing::internal::GetCapturedStderr;

class LogTest : public testing::Test {
 protected:
  void TearDown() override {
    SetLogLevel(LogLevel::kInfo);
    SetLogFormat(LogFormat::kText);
    SetProcessLogFields({});
  }

  template <typename F>
  static std::string Captured(F f) {
    CaptureStderr();
    f();
    return GetCapturedStderr();
  }
};

TEST_F(LogTest, WritesOneTextLineWithTimeAndLevel) {
  EXPECT_THAT(Captured([] { SEMPER_LOG(kWarning, "waited {} ms for {}", 12, "orders"); }),
              MatchesRegex("[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+\\.[0-9]+Z W "
                           "waited 12 ms for orders\n"));
}

TEST_F(LogTest, EvaluatesNothingBelowTheLevel) {
  int evaluated = 0;
  EXPECT_EQ(Captured([&] { SEMPER_LOG(kDebug, "{}", ++evaluated); }), "");
  EXPECT_EQ(evaluated, 0);
}

TEST_F(LogTest, ChangesTheLevelAtRunTime) {
  SetLogLevel(LogLevel::kDebug);
  EXPECT_THAT(Captured([] { SEMPER_LOG(kDebug, "seen"); }), HasSubstr(" D seen\n"));
  SetLogLevel(LogLevel::kError);
  EXPECT_EQ(Captured([] { SEMPER_LOG(kWarning, "not seen"); }), "");
  SetLogLevel(LogLevel::kOff);
  EXPECT_EQ(Captured([] { SEMPER_LOG(kError, "not seen"); }), "");
}

TEST_F(LogTest, WritesFieldsAfterTheText) {
  SetProcessLogFields({{"immortal", "shop/orders"}});
  EXPECT_THAT(Captured([] {
                SEMPER_LOG_FIELDS(kInfo, (LogFields{{"epoch", 3u}, {"why", "two words"}}), "claim");
              }),
              HasSubstr(" I claim epoch=3 why=\"two words\" immortal=shop/orders\n"));
}

TEST_F(LogTest, WritesJson) {
  SetLogFormat(LogFormat::kJson);
  EXPECT_THAT(
      Captured([] {
        SEMPER_LOG_FIELDS(kError, (LogFields{{"n", -1}, {"ok", false}, {"s", "a\"b"}}), "x\ty");
      }),
      MatchesRegex(
          "\\{\"time\":\"[^\"]+Z\",\"level\":\"error\",\"message\":\"x\\\\u0009y\",\"n\":-1,"
          "\"ok\":false,\"s\":\"a\\\\\"b\"\\}\n"));
}

TEST_F(LogTest, KeepsALineALine) {
  EXPECT_THAT(Captured([] { SEMPER_LOG(kInfo, "a\nb\x1b[0m"); }), HasSubstr("a\\nb\\x1b[0m\n"));
}

TEST_F(LogTest, CutsLongTexts) {
  const std::string line = Captured([] { SEMPER_LOG(kInfo, "{}", std::string(10'000, 'x')); });
  EXPECT_LE(line.size(), 4096u);
  EXPECT_THAT(line, HasSubstr("x …\n"));
}

TEST_F(LogTest, LosesLinesRatherThanWaitForAStuckReader) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const int saved = dup(STDERR_FILENO);
  ASSERT_EQ(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
  for (int i = 0; i < 1000; ++i) SEMPER_LOG(kInfo, "{}", std::string(1000, 'x'));
  std::string all(1 << 20, ' ');
  const ssize_t first = read(ends[0], all.data(), all.size());
  SEMPER_LOG(kInfo, "after");
  const ssize_t second = read(ends[0], all.data(), all.size());
  dup2(saved, STDERR_FILENO);
  close(saved);
  close(ends[0]);
  close(ends[1]);
  EXPECT_GT(first, 0);
  ASSERT_GT(second, 0);
  EXPECT_THAT(all.substr(0, static_cast<size_t>(second)),
              MatchesRegex("\\(stderr was stuck: [0-9]+ lines lost\\)\n.* I after\n"));
}

TEST_F(LogTest, KnowsTheNamesOfLevelsAndFormats) {
  EXPECT_EQ(ParseLogLevel("warning"), LogLevel::kWarning);
  EXPECT_EQ(ParseLogLevel("off"), LogLevel::kOff);
  EXPECT_EQ(ParseLogLevel("loud"), std::nullopt);
  EXPECT_EQ(ParseLogFormat("json"), LogFormat::kJson);
  EXPECT_EQ(ParseLogFormat(""), std::nullopt);
}

}  // namespace
}  // namespace semper
