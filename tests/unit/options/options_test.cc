#include "sidecar/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace semper {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

absl::StatusOr<ParsedCommandLine> Parse(const std::vector<std::string>& arguments) {
  std::vector<const char*> argv = {"semper-sidecar"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  return ParseConfig(SidecarConfigTable(), static_cast<int>(argv.size()), argv.data(), nullptr);
}

// Parses and reads, with the two keys that are needed in front.
absl::StatusOr<SidecarOptions> Read(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"--name", "shop/orders", "--log-dir", "/log"});
  const absl::StatusOr<ParsedCommandLine> parsed = Parse(arguments);
  if (!parsed.ok()) return parsed.status();
  return ReadOptions(parsed->config);
}

TEST(ConfigTable, EveryKeyIsFoundWhenItIsMisspelt) {
  for (const ConfigKey& key : SidecarConfigTable().keys()) {
    std::string misspelt(key.name);
    misspelt.erase(misspelt.size() / 2, 1);
    const auto parsed = Parse({"--" + misspelt + "=x"});
    ASSERT_FALSE(parsed.ok()) << misspelt;
    EXPECT_THAT(parsed.status().message(), HasSubstr("did you mean --" + std::string(key.name)));
  }
}

TEST(ConfigTable, EveryKeyRefusesAnotherType) {
  for (const ConfigKey& key : SidecarConfigTable().keys()) {
    if (key.type == ConfigType::kString || key.type == ConfigType::kList) continue;
    const std::string flag = "--" + std::string(key.name);
    const auto parsed = Parse({flag + "=pineapple"});
    ASSERT_FALSE(parsed.ok()) << flag;
    EXPECT_THAT(parsed.status().message(), AllOf(HasSubstr(flag), HasSubstr("pineapple")));
  }
}

TEST(ConfigTable, EveryKeyRefusesWhatIsOutOfItsRange) {
  for (const ConfigKey& key : SidecarConfigTable().keys()) {
    std::vector<std::string> outside;
    if (key.type == ConfigType::kInt) outside = {"-1", "9000000000000000000"};
    if (key.type == ConfigType::kBytes) outside = {"2TiB"};
    if (key.type == ConfigType::kBytes && key.minimum != "0") outside.push_back("1B");
    if (key.type == ConfigType::kDuration) outside = {"10000h"};
    if (key.type == ConfigType::kDuration && key.minimum != "0") outside.push_back("1ns");
    for (const std::string& value : outside) {
      const std::string flag = "--" + std::string(key.name);
      const auto parsed = Parse({flag + "=" + value});
      ASSERT_FALSE(parsed.ok()) << flag << " " << value;
      EXPECT_THAT(parsed.status().message(), HasSubstr(flag));
    }
  }
}

TEST(ConfigTable, ThePageInDocsIsTheOneOfTheTable) {
  std::ifstream file(std::string(SEMPER_SOURCE_DIR) + "/docs/configuration.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(page, ConfigurationPage())
      << "run: semper-sidecar --print-config-docs > docs/configuration.md";
}

TEST(Options, DefaultsFitTogether) {
  const absl::StatusOr<SidecarOptions> options = Read({});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->runtime.name, "shop/orders");
  EXPECT_EQ(options->runtime.log_dir, "/log");
  EXPECT_EQ(options->runtime.genesis, runtime::GenesisMode::kRequire);
  EXPECT_EQ(options->runtime.service_address, "unix:/run/semper/service.sock");
  EXPECT_FALSE(options->runtime.member.empty());
  EXPECT_FALSE(options->profile.has_value());
}

TEST(Options, ListenOnLoopbackUnlessToldOtherwise) {
  const absl::StatusOr<SidecarOptions> options = Read({});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->runtime.peer_address, "127.0.0.1:7600");
  EXPECT_EQ(options->admin_http, "127.0.0.1:7601");
}

TEST(Options, ReadPeersGenesisAndProfile) {
  const absl::StatusOr<SidecarOptions> options =
      Read({"--peer", "shop/stock=10.0.0.7:7600", "--peer", "shop/mail=mail:7600", "--peer-dns",
            "{name}.{namespace}.svc:7600", "--genesis", "expect:00112233445566778899aabbccddeeFF",
            "--log-profile", "shared", "--peer-listen", "localhost:0"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_THAT(options->runtime.peers.at("shop/stock"), ElementsAre("10.0.0.7:7600"));
  EXPECT_EQ(options->runtime.peers.size(), 2u);
  EXPECT_EQ(options->runtime.genesis, runtime::GenesisMode::kExpect);
  EXPECT_EQ(options->runtime.expected_incarnation[0], std::byte{0});
  EXPECT_EQ(options->runtime.expected_incarnation[15], std::byte{0xff});
  EXPECT_EQ(options->profile, log::Profile::kShared);
  EXPECT_EQ(options->runtime.peer_address, "127.0.0.1:0");
}

TEST(Options, APeerHasTheAddressesOfAllItsEntries) {
  const absl::StatusOr<SidecarOptions> options =
      Read({"--peer", "shop/stock=10.0.0.7:7600,10.0.0.8:7600", "--peer", "shop/mail=mail:7600",
            "--peer", "shop/stock=[::1]:7600"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_THAT(options->runtime.peers.at("shop/stock"),
              ElementsAre("10.0.0.7:7600", "10.0.0.8:7600", "[::1]:7600"));
  EXPECT_THAT(options->runtime.peers.at("shop/mail"), ElementsAre("mail:7600"));
}

TEST(Options, PeersAreReadAgainWhileTheProcessRuns) {
  const std::string path = testing::TempDir() + "semper-peers.yaml";
  std::ofstream(path) << "peer: shop/stock=10.0.0.7:7600\n";
  const absl::StatusOr<ParsedCommandLine> parsed = Parse({"--config=" + path});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  std::ofstream(path) << "peer: [\"shop/stock=10.0.0.8:7600,10.0.0.9:7600\"]\n";
  const absl::StatusOr<ConfigReload> reload = ReloadConfig(*parsed, parsed->config);
  ASSERT_TRUE(reload.ok()) << reload.status();
  EXPECT_THAT(reload->live, ElementsAre("peer"));
  const auto peers = ReadPeers(reload->config);
  ASSERT_TRUE(peers.ok()) << peers.status();
  EXPECT_THAT(peers->at("shop/stock"), ElementsAre("10.0.0.8:7600", "10.0.0.9:7600"));
}

TEST(Options, EmptyAddressesTurnServersOff) {
  const absl::StatusOr<SidecarOptions> options =
      Read({"--peer-listen=", "--admin-http=", "--admin-socket="});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->runtime.peer_address, "");
  EXPECT_EQ(options->admin_http, "");
  EXPECT_EQ(options->admin_socket, "");
}

TEST(Options, SocketsMayBeGivenRelativeToTheWorkingDirectory) {
  const absl::StatusOr<SidecarOptions> options =
      Read({"--service-socket=run/s", "--admin-socket=run/a"});
  ASSERT_TRUE(options.ok()) << options.status();
  const std::string here = std::filesystem::current_path().string();
  EXPECT_EQ(options->service_socket, here + "/run/s");
  EXPECT_EQ(options->runtime.service_address, "unix:" + here + "/run/s");
  EXPECT_EQ(options->admin_socket, here + "/run/a");
}

struct Mistake {
  std::vector<std::string> arguments;
  const char* text;
};

TEST(Options, NameTheKeyThatIsWrongAndWhereItCameFrom) {
  const std::vector<Mistake> mistakes = {
      {{"--name="}, "name (flag --name): is missing"},
      {{"--name=orders"}, "'orders' is no NAMESPACE/NAME"},
      {{"--name=a/../b"}, "is no NAMESPACE/NAME"},
      {{"--name=../orders"}, "is no NAMESPACE/NAME"},
      {{"--log-dir="}, "log-dir (flag --log-dir): is missing"},
      {{"--cluster=a b"}, "cluster (flag --cluster): 'a b' is no word"},
      {{"--member=a\nb"}, "member (flag --member)"},
      {{"--genesis=make"}, "'make' is neither require, nor create"},
      {{"--genesis=expect:1234"}, "32 hexadecimal digits"},
      {{"--genesis=expect:zz112233445566778899aabbccddeeff"}, "32 hexadecimal digits"},
      {{"--peer=shop/stock"}, "'shop/stock' is no NAMESPACE/NAME=HOST:PORT"},
      {{"--peer=stock=a:1"}, "is no NAMESPACE/NAME=HOST:PORT"},
      {{"--peer=a/b=c:0"}, "is no NAMESPACE/NAME=HOST:PORT"},
      {{"--peer=c:1"}, "'c:1' is no NAMESPACE/NAME=HOST:PORT"},
      {{"--peer=a/b=c:1,d"}, "'d' is no NAMESPACE/NAME=HOST:PORT, nor a further HOST:PORT"},
      {{"--peer=a/b=c:1,d:1", "--peer=a/b=c:1"}, "a/b has c:1 twice"},
      {{"--peer-dns={name}:7600"}, "peer-dns (flag --peer-dns)"},
      {{"--peer-dns={name}.{namespace}.{zone}:7600"}, "peer-dns (flag --peer-dns)"},
      {{"--peer-dns={name}.{namespace}"}, "peer-dns (flag --peer-dns)"},
      {{"--peer-listen=example.com:7600"}, "with a literal address"},
      {{"--peer-listen=127.0.0.1:70000"}, "peer-listen (flag --peer-listen)"},
      {{"--admin-http=7601"}, "admin-http (flag --admin-http)"},
      {{"--service-socket="}, "service-socket (flag --service-socket)"},
      {{"--service-socket=/" + std::string(120, 'x')},
       "the path of a Unix socket has 1 to 107 bytes"},
      {{"--service-socket=/a", "--admin-socket=/a"}, "is the service-socket, too"},
      {{"--receive-buffer-bytes=16MiB"}, "less than twice message-bytes-max (16MiB)"},
      {{"--held-output-bytes=16MiB"}, "held-output-bytes (flag --held-output-bytes)"},
  };
  for (const Mistake& mistake : mistakes) {
    const absl::StatusOr<SidecarOptions> options = Read(mistake.arguments);
    ASSERT_FALSE(options.ok()) << mistake.arguments[0];
    EXPECT_EQ(options.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(options.status().message(), HasSubstr(mistake.text));
  }
}

TEST(Options, SmallBuffersAreRightForSmallMessages) {
  EXPECT_TRUE(Read({"--message-bytes-max=512KiB", "--receive-buffer-bytes=4MiB",
                    "--held-output-bytes=1MiB"})
                  .ok());
}

}  // namespace
}  // namespace semper
