#include "base/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace semper {
namespace {

using absl::StatusCode;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const ConfigTable& Table() {
  static const ConfigTable& table = *new ConfigTable({
      StringKey("listen", "127.0.0.1:7600", ConfigClass::kRestart, "Where peers connect."),
      BytesKey("segment-bytes", "64MiB", "1MiB", "1GiB", ConfigClass::kRestart,
               "Size of a segment."),
      DurationKey("silence", "1s", "10ms", "1h", ConfigClass::kLogged, "When to claim."),
      IntKey("retries", "3", "-1", "10", ConfigClass::kLive, "How often."),
      EnumKey("log-format", "text", {"text", "json"}, ConfigClass::kLive, "How lines look."),
      BoolKey("metrics", true, ConfigClass::kLive, "Whether to measure | count."),
      ListKey("peer", "", ConfigClass::kLive, "Other immortals as name=address."),
  });
  return table;
}

class ConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/semper-config-XXXXXX";
    dir_ = mkdtemp(pattern.data());
    file_ = dir_ + "/c.yaml";
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  void WriteFile(const std::string& text) const { std::ofstream(file_) << text; }

  // `arguments` without the program's name.
  static absl::StatusOr<ParsedCommandLine> Parse(const std::vector<std::string>& arguments,
                                                 const std::vector<std::string>& environment = {}) {
    std::vector<const char*> argv = {"program"};
    argv.reserve(arguments.size() + 1);
    for (const std::string& one : arguments) argv.push_back(one.c_str());
    std::vector<const char*> env;
    env.reserve(environment.size() + 1);
    for (const std::string& one : environment) env.push_back(one.c_str());
    env.push_back(nullptr);
    return ParseConfig(Table(), static_cast<int>(argv.size()), argv.data(), env.data());
  }

  static ParsedCommandLine MustParse(const std::vector<std::string>& arguments,
                                     const std::vector<std::string>& environment = {}) {
    auto parsed = Parse(arguments, environment);
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    return parsed.ok() ? *std::move(parsed) : ParsedCommandLine{.config = Config(Table())};
  }

  static std::string ErrorOf(const std::vector<std::string>& arguments,
                             const std::vector<std::string>& environment = {}) {
    const auto parsed = Parse(arguments, environment);
    EXPECT_EQ(parsed.status().code(), StatusCode::kInvalidArgument);
    return std::string(parsed.status().message());
  }

  std::string dir_;
  std::string file_;
};

TEST_F(ConfigTest, HasItsDefaults) {
  const Config config = MustParse({}).config;
  EXPECT_EQ(config.String("listen"), "127.0.0.1:7600");
  EXPECT_EQ(config.Bytes("segment-bytes"), 64u << 20);
  EXPECT_EQ(config.Duration("silence"), std::chrono::seconds(1));
  EXPECT_EQ(config.Int("retries"), 3);
  EXPECT_EQ(config.Enum("log-format"), "text");
  EXPECT_TRUE(config.Bool("metrics"));
  EXPECT_THAT(config.List("peer"), IsEmpty());
  EXPECT_TRUE(config.IsDefault("listen"));
}

TEST_F(ConfigTest, TakesFlagsInAllTheirForms) {
  const Config config = MustParse({"--listen=[::1]:1", "--segment-bytes", "2MiB", "--no-metrics",
                                   "--retries", "-1", "--peer", "a=1", "--peer=b=2,c=3"})
                            .config;
  EXPECT_EQ(config.String("listen"), "[::1]:1");
  EXPECT_EQ(config.Bytes("segment-bytes"), 2u << 20);
  EXPECT_FALSE(config.Bool("metrics"));
  EXPECT_EQ(config.Int("retries"), -1);
  EXPECT_THAT(config.List("peer"), ElementsAre("a=1", "b=2", "c=3"));
  EXPECT_TRUE(MustParse({"--no-metrics", "--metrics"}).config.Bool("metrics"));
  EXPECT_FALSE(MustParse({"--metrics=off"}).config.Bool("metrics"));
}

TEST_F(ConfigTest, TakesTheLastOfSeveralFlags) {
  EXPECT_EQ(MustParse({"--retries=1", "--retries=2"}).config.Int("retries"), 2);
}

TEST_F(ConfigTest, PrefersFlagToEnvironmentToFileToDefault) {
  WriteFile("silence: 3s\nretries: 5\nlog-format: json\nlisten: 1.1.1.1:1\n");
  const Config config = MustParse({"--config", file_, "--silence=1s500ms"},
                                  {"SEMPER_SILENCE=2s", "SEMPER_RETRIES=6", "HOME=/root"})
                            .config;
  EXPECT_EQ(config.Duration("silence"), milliseconds(1500));
  EXPECT_EQ(config.SourceOf("silence"), "flag --silence");
  EXPECT_EQ(config.Int("retries"), 6);
  EXPECT_EQ(config.SourceOf("retries"), "environment variable SEMPER_RETRIES");
  EXPECT_EQ(config.Enum("log-format"), "json");
  EXPECT_EQ(config.SourceOf("log-format"), file_ + ":3");
  EXPECT_EQ(config.SourceOf("metrics"), "default");
}

TEST_F(ConfigTest, ReplacesListsOfLowerSources) {
  WriteFile("peer:\n  - a=1\n  - b=2\n");
  EXPECT_THAT(MustParse({"--config=" + file_}).config.List("peer"), ElementsAre("a=1", "b=2"));
  EXPECT_THAT(MustParse({"--config=" + file_}, {"SEMPER_PEER=c=3, d=4"}).config.List("peer"),
              ElementsAre("c=3", "d=4"));
  EXPECT_THAT(MustParse({"--config=" + file_, "--peer="}).config.List("peer"), IsEmpty());
}

TEST_F(ConfigTest, FindsTheFileByEnvironmentToo) {
  WriteFile("retries: 7\n");
  EXPECT_EQ(MustParse({}, {"SEMPER_CONFIG=" + file_}).config.Int("retries"), 7);
  EXPECT_EQ(MustParse({}, {"SEMPER_CONFIG=" + file_}).config_file, file_);
}

TEST_F(ConfigTest, AcceptsAnEmptyFile) {
  WriteFile("# nothing yet\n");
  EXPECT_EQ(MustParse({"--config", file_}).config.Int("retries"), 3);
}

TEST_F(ConfigTest, KeepsWhatIsForOthers) {
  const ParsedCommandLine parsed =
      MustParse({"log", "--retries=1", "list", "--", "./service", "--retries=2", "--"});
  EXPECT_THAT(parsed.positional, ElementsAre("log", "list"));
  EXPECT_THAT(parsed.child_command, ElementsAre("./service", "--retries=2", "--"));
  EXPECT_TRUE(parsed.has_child_command);
  EXPECT_EQ(parsed.config.Int("retries"), 1);
}

TEST_F(ConfigTest, KnowsItsVerbs) {
  EXPECT_EQ(MustParse({}).verb, CommandLineVerb::kRun);
  EXPECT_EQ(MustParse({"--nonsense", "--help"}).verb, CommandLineVerb::kHelp);
  EXPECT_EQ(MustParse({"-h"}).verb, CommandLineVerb::kHelp);
  EXPECT_EQ(MustParse({"--version"}).verb, CommandLineVerb::kVersion);
  EXPECT_EQ(MustParse({"--check-config"}).verb, CommandLineVerb::kCheckConfig);
  EXPECT_EQ(MustParse({"--print-config-docs"}).verb, CommandLineVerb::kPrintConfigDocs);
  EXPECT_EQ(MustParse({"--", "--help"}).verb, CommandLineVerb::kRun);
}

TEST_F(ConfigTest, WarnsOfAVariableThatIsNearlyOurs) {
  EXPECT_THAT(
      MustParse({}, {"SEMPER_SEGMENT_BYTE=1MiB"}).warnings,
      ElementsAre("environment variable SEMPER_SEGMENT_BYTE is none of ours and is ignored; "
                  "did you mean SEMPER_SEGMENT_BYTES?"));
  EXPECT_THAT(MustParse({}, {"SEMPER_SERVICE_HOST=10.0.0.1", "OTHER=1"}).warnings, IsEmpty());
}

struct BadFlags {
  std::vector<std::string> arguments;
  const char* error;
};

TEST_F(ConfigTest, SaysWhatIsWrongWithAFlag) {
  const BadFlags cases[] = {
      {{"--segmnt-bytes=1MiB"},
       "flag --segmnt-bytes=1MiB: no such flag; did you mean --segment-bytes? (--help lists all)"},
      {{"--hepl"}, "flag --hepl: no such flag; did you mean --help? (--help lists all)"},
      {{"--qwertz"}, "flag --qwertz: no such flag (--help lists all)"},
      {{"-v"}, "flag -v: no such flag; flags begin with two dashes (--help lists them)"},
      {{"--listen"}, "flag --listen: a value must follow, as --listen=VALUE"},
      {{"--listen", "--metrics"}, "flag --listen: a value must follow, as --listen=VALUE"},
      {{"--no-listen"}, "flag --no-listen: listen is not true or false; give it as --listen=VALUE"},
      {{"--no-metrics=true"}, "flag --no-metrics: takes no value, not 'true'"},
      {{"--check-config=yes"}, "flag --check-config: takes no value, not 'yes'"},
      {{"--config"}, "flag --config: the name of a file must follow"},
      {{"--config="}, "flag --config: the name of a file must follow"},
      {{"--metrics=maybe"}, "metrics (from flag --metrics): 'maybe' is neither true nor false"},
      {{"--retries=11"},
       "retries (from flag --retries): '11' is above the maximum of 10; give a value from -1 to "
       "10"},
      {{"--retries=-2"},
       "retries (from flag --retries): '-2' is below the minimum of -1; give a value from -1 to "
       "10"},
      {{"--retries=2.5"}, "retries (from flag --retries): '2.5' is no whole number"},
      {{"--retries="}, "retries (from flag --retries): '' is no whole number"},
      {{"--retries=99999999999999999999"},
       "retries (from flag --retries): '99999999999999999999' is no whole number"},
      {{"--log-format=jsno"},
       "log-format (from flag --log-format): 'jsno' is none of text, json; did you mean 'json'?"},
      {{"--log-format="}, "log-format (from flag --log-format): '' is none of text, json"},
      {{"--segment-bytes=3GiB"},
       "segment-bytes (from flag --segment-bytes): '3GiB' is above the maximum of 1GiB; give a "
       "value "
       "from 1MiB to 1GiB"},
  };
  for (const BadFlags& bad : cases) EXPECT_EQ(ErrorOf(bad.arguments), bad.error);
}

struct BadText {
  const char* text;
  const char* complaint;
};

TEST_F(ConfigTest, SaysWhatIsWrongWithASize) {
  const BadText cases[] = {
      {"64", "'64' has no unit; write a whole number with B, KiB"},
      {"64MB", "has an unknown unit 'MB'"},
      {"64 MiB", "has an unknown unit ' MiB'"},
      {"1.5MiB", "has an unknown unit '.'"},
      {"-1MiB", "is no size that fits here"},
      {"MiB", "is no size that fits here"},
      {"", "is no size that fits here"},
      {"99999999999TiB", "is too large"},
      {"99999999999999999999B", "is no size that fits here"},
      {"1MiB1KiB", "goes on after its unit"},
      {"0", "is below the minimum of 1MiB"},
  };
  for (const BadText& bad : cases) {
    const std::string error = ErrorOf({std::string("--segment-bytes=") + bad.text});
    EXPECT_THAT(error, HasSubstr("segment-bytes (from flag --segment-bytes): ")) << bad.text;
    EXPECT_THAT(error, HasSubstr(bad.complaint)) << bad.text;
  }
}

TEST_F(ConfigTest, SaysWhatIsWrongWithADuration) {
  const BadText cases[] = {
      {"10", "has no unit"},
      {"10sec", "has an unknown unit 'sec'"},
      {"1s1m", "has an unknown unit 'm'"},
      {"1s1s", "has an unknown unit 's'"},
      {"1s5", "has no unit"},
      {"9999999999h", "is too large"},
      {"2h", "is above the maximum of 1h"},
      {"1us", "is below the minimum of 10ms"},
  };
  for (const BadText& bad : cases) {
    EXPECT_THAT(ErrorOf({std::string("--silence=") + bad.text}), HasSubstr(bad.complaint))
        << bad.text;
  }
}

TEST_F(ConfigTest, NamesTheVariableOfABadValue) {
  EXPECT_EQ(ErrorOf({}, {"SEMPER_RETRIES=many"}),
            "retries (from environment variable SEMPER_RETRIES): 'many' is no whole number");
}

TEST_F(ConfigTest, SaysWhatIsWrongWithTheFile) {
  const BadText cases[] = {
      {"retries: 1\nretires: 2\n", ":2: unknown key 'retires'; did you mean 'retries'?"},
      {"qwertz: 1\n", ":1: unknown key 'qwertz' (--help lists all)"},
      {"\nretries: 99\n", ":2): '99' is above the maximum of 10"},
      {"retries: 1\nretries: 2\n", ":2: key 'retries' was given before, at "},
      {"retries:\n", ":1: key 'retries' has no value"},
      {"retries: [1, 2]\n", ":1: key 'retries' takes one plain value"},
      {"listen: {a: b}\n", ":1: key 'listen' takes one plain value"},
      {"peer:\n  - [a]\n", ":2: an element of 'peer' is no plain value"},
      {"[a]: 1\n", ":1: a key must be a word"},
      {"- a\n", ":1: expected lines 'key: value'"},
      {"just text\n", ":1: expected lines 'key: value'"},
      {"retries: 1\n---\nretries: 2\n", ": has 2 documents"},
      {"retries: [1\n", ": no valid YAML: "},
      {"a: b: c\n", ":1: no valid YAML: "},
  };
  for (const BadText& bad : cases) {
    WriteFile(bad.text);
    const std::string error = ErrorOf({"--config", file_});
    EXPECT_THAT(error, HasSubstr(file_)) << bad.text;
    EXPECT_THAT(error, HasSubstr(bad.complaint)) << bad.text;
  }
}

TEST_F(ConfigTest, NamesAMissingFile) {
  EXPECT_EQ(ErrorOf({"--config", file_}),
            "configuration file " + file_ + ": No such file or directory (ENOENT)");
}

TEST_F(ConfigTest, RefusesAnEndlessFile) {
  EXPECT_THAT(ErrorOf({"--config", "/dev/zero"}), HasSubstr("larger than 1048576 bytes"));
}

TEST_F(ConfigTest, ReadsLiveAndLoggedKeysAgain) {
  WriteFile("retries: 1\n");
  const ParsedCommandLine start = MustParse({"--config", file_, "--log-format=json"});
  WriteFile("retries: 2\nsilence: 5s\nlog-format: text\n");
  const auto reload = ReloadConfig(start, start.config);
  ASSERT_TRUE(reload.ok()) << reload.status();
  EXPECT_THAT(reload->live, ElementsAre("retries"));
  EXPECT_THAT(reload->logged, ElementsAre("silence"));
  EXPECT_EQ(reload->config.Int("retries"), 2);
  EXPECT_EQ(reload->config.Enum("log-format"), "json");
}

TEST_F(ConfigTest, RefusesToReloadAChangedRestartKey) {
  WriteFile("retries: 1\n");
  const ParsedCommandLine start = MustParse({"--config", file_});
  WriteFile("retries: 2\nlisten: 1.2.3.4:5\nsegment-bytes: 1MiB\n");
  const auto reload = ReloadConfig(start, start.config);
  EXPECT_EQ(reload.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(std::string(reload.status().message()),
            "not taken over, all values stay as they are: listen (from " + file_ +
                ":2): '1.2.3.4:5' instead of '127.0.0.1:7600'; segment-bytes (from " + file_ +
                ":3): '1MiB' instead of '64MiB'; this needs a restart");
}

TEST_F(ConfigTest, RefusesToReloadABrokenFile) {
  WriteFile("retries: 1\n");
  const ParsedCommandLine start = MustParse({"--config", file_});
  WriteFile("retries: often\n");
  EXPECT_EQ(ReloadConfig(start, start.config).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(ConfigTest, WritesValuesAsTheyCanBeRead) {
  const Config config =
      MustParse({"--segment-bytes=1536KiB", "--silence=90s", "--peer=a,b"}).config;
  EXPECT_EQ(config.Text("segment-bytes"), "1536KiB");
  EXPECT_EQ(config.Text("silence"), "1m30s");
  EXPECT_EQ(config.Text("peer"), "a,b");
  EXPECT_EQ(config.Text("metrics"), "true");
  EXPECT_EQ(config.Text("retries"), "3");
}

TEST_F(ConfigTest, ExplainsEveryKeyInItsHelp) {
  const std::string help = Table().Help("usage: program [flags]\n");
  EXPECT_THAT(help, HasSubstr("usage: program [flags]\n"));
  EXPECT_THAT(help,
              HasSubstr("  --segment-bytes bytes           Size of a segment. [default: 64MiB; "
                        "1MiB to 1GiB; restart]\n"));
  EXPECT_THAT(help, HasSubstr("  --[no-]metrics"));
  EXPECT_THAT(help, HasSubstr("text, json; live]"));
  for (const ConfigKey& key : Table().keys()) EXPECT_THAT(help, HasSubstr(std::string(key.name)));
}

TEST_F(ConfigTest, ExplainsEveryKeyInMarkdown) {
  const std::string text = Table().Markdown();
  EXPECT_THAT(
      text, HasSubstr("| `silence` | duration | `1s` | 10ms to 1h | logged | When to claim. |\n"));
  EXPECT_THAT(
      text, HasSubstr("| `metrics` | bool | `true` |  | live | Whether to measure \\| count. |\n"));
}

using ConfigDeathTest = ConfigTest;

TEST_F(ConfigDeathTest, FindsBugsInATable) {
  const auto one = [](const ConfigKey& key) { ConfigTable table({key}); };
  EXPECT_DEATH(one(BoolKey("Bad_Name", true, ConfigClass::kLive, "x")), "Bad_Name");
  EXPECT_DEATH(one(BoolKey("no-way", true, ConfigClass::kLive, "x")), "no-way");
  EXPECT_DEATH(one(BoolKey("help", true, ConfigClass::kLive, "x")), "reserved or there twice");
  EXPECT_DEATH(one(IntKey("n", "5", "1", "4", ConfigClass::kLive, "x")), "above the maximum");
  EXPECT_DEATH(one(IntKey("n", "5", "9", "1", ConfigClass::kLive, "x")), "limits of n");
  EXPECT_DEATH(one(EnumKey("e", "c", {"a", "b"}, ConfigClass::kLive, "x")), "is none of a, b");
}

TEST_F(ConfigDeathTest, FindsBugsInItsUse) {
  const Config config(Table());
  EXPECT_DEATH(config.Bool("nothing"), "no configuration key 'nothing'");
  EXPECT_DEATH(config.Int("metrics"), "'metrics' is of type bool");
}

}  // namespace
}  // namespace semper
