#include "cli/invocation.h"

#include <gmock/gmock.h>

#include <string_view>

#include "base/version.h"
#include "tests/unit/cli/sample_log.h"

namespace semper::cli {
namespace {

using testing::HasSubstr;

TEST(Semperctl, HelpNamesEveryVerbAndTheExitCodes) {
  const Result result = Semperctl({"--help"});
  EXPECT_EQ(result.code, kExitOk);
  for (const char* verb :
       {"status", "switchover", "log list", "log show", "log verify", "checkpoint list",
        "checkpoint take", "checkpoint verify", "Exit codes"}) {
    EXPECT_THAT(result.out, HasSubstr(verb));
  }
}

TEST(Semperctl, EveryVerbHasHelp) {
  for (const std::vector<std::string>& verb :
       std::vector<std::vector<std::string>>{{"status"},
                                             {"switchover"},
                                             {"log", "list"},
                                             {"log", "show"},
                                             {"log", "verify"},
                                             {"checkpoint", "list"},
                                             {"checkpoint", "take"},
                                             {"checkpoint", "verify"}}) {
    std::vector<std::string> arguments = verb;
    arguments.push_back("--help");
    const Result result = Semperctl(arguments);
    EXPECT_EQ(result.code, kExitOk);
    EXPECT_THAT(result.out, HasSubstr("usage: semperctl " + verb[0]));
  }
}

TEST(Semperctl, TellsItsVersion) {
  EXPECT_EQ(Semperctl({"--version"}).out, std::string("semperctl ") + kVersion + "\n");
}

struct Mistake {
  std::vector<std::string> arguments;
  const char* text;
};

TEST(Semperctl, ExplainsMistakes) {
  const std::vector<Mistake> mistakes = {
      {{"stauts"}, "did you mean 'status'?"},
      {{"log", "shwo"}, "did you mean 'log show'?"},
      {{"log"}, "'log' needs one more word: log list, log show, log verify"},
      {{"log", "frobnicate"}, "there are: log list, log show, log verify"},
      {{"elephant"}, "see semperctl --help"},
      {{"log", "show", "--form", "3"}, "did you mean --from?"},
      {{"log", "show", "--from"}, "--from needs a value: INDEX"},
      {{"log", "show", "--records=yes"}, "--records takes no value"},
      {{"log", "show", "extra"}, "'extra' is one argument too many"},
      {{"status", "-o", "yaml"}, "--output is text or json, not 'yaml'"},
      {{"log", "list", "--name", "a/b"}, "--log-dir is missing"},
  };
  for (const Mistake& mistake : mistakes) {
    const Result result = Semperctl(mistake.arguments);
    EXPECT_EQ(result.code, kExitUsage) << mistake.text;
    EXPECT_THAT(result.err, HasSubstr(mistake.text));
    EXPECT_EQ(result.out, "");
  }
}

TEST(Semperctl, TakesDefaultsFromTheEnvironment) {
  std::ostringstream out, err;
  const int code = RunSemperctl({"log", "list"}, out, err, [](const char* name) -> const char* {
    return name == std::string_view("SEMPER_LOG_DIR") ? "/nowhere" : "a/b";
  });
  EXPECT_EQ(code, kExitUnreachable);
  EXPECT_THAT(err.str(), HasSubstr("there is no directory /nowhere; correct --log-dir"));
}

}  // namespace
}  // namespace semper::cli
