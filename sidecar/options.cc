#include "sidecar/options.h"

#include <arpa/inet.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/check.h"

namespace semper {
namespace {

using std::chrono::nanoseconds;

constexpr uint64_t kUnitBytesMost = 32u << 20;
// An open unit below its limit still takes one whole frame; the record must hold both, and their
// entries.
static_assert(kUnitBytesMost + core::kFramePayloadBytesMax + core::kFrameHeaderBytes <=
              log::kRecordBodyBytesMax);
static_assert(core::kMessageBytesMax == 16u << 20, "the limits in the table are written as text");

std::vector<ConfigKey> IdentityKeys() {
  const auto restart = ConfigClass::kRestart;
  return {
      StringKey("name", "", restart,
                "The immortal that this process coordinates, as namespace/name. Needed."),
      StringKey("cluster", "default", restart,
                "Immortals of different clusters do not talk to each other. Fixed by the genesis."),
      StringKey("member", "", restart,
                "This process among its fellows, for people; it stands in claims. "
                "Empty: the host name."),
      ListKey(
          "members", "", restart,
          "Where the members of this immortal are found, each on its peer port, as HOST:PORT; a "
          "host name may stand for several, as that of a headless service does, and is looked "
          "up every 10 s. This member's own address may be among them. Empty: it is alone."),
      StringKey("log-dir", "", restart,
                "Directory of all logs on this volume; this immortal's is below it, at "
                "namespace/name. Needed."),
      StringKey("genesis", "require", restart,
                "What to do about the identity on the volume. require: it must be there. create: "
                "make it if the directory has nothing of this name. expect:INCARNATION: it must "
                "be there and have these 32 hexadecimal digits."),
      BoolKey("exit-on-refusal", false, restart,
              "Ends the process with code 3 if the volume is not as it should be (no genesis, a "
              "wrong one, damage), instead of serving its status with the reason."),
  };
}

std::vector<ConfigKey> AddressKeys() {
  const auto restart = ConfigClass::kRestart;
  return {
      StringKey("service-socket", "/run/semper/service.sock", restart,
                "Unix socket on which the service connects; mode 0600, same user or root only."),
      StringKey("peer-listen", "127.0.0.1:7600", restart,
                "Where other immortals connect, as ADDRESS:PORT with a literal address; port 0 "
                "takes a free one. Only a loopback address is safe on an open network. Empty: "
                "nowhere."),
      ListKey("peer", "", ConfigClass::kLive,
              "Where an immortal is found, as NAMESPACE/NAME=HOST:PORT[,HOST:PORT...] with the "
              "addresses of all its members; the leader is looked for among them. The same name "
              "again adds addresses. Goes before peer-dns."),
      StringKey("peer-dns", "", restart,
                "Where all other immortals are found, as HOST:PORT with {namespace} and {name} in "
                "it, such as {name}.{namespace}.svc.cluster.local:7600. Every address that the "
                "name resolves to is one of a member, so that a headless service fits. Empty: only "
                "those that peer names."),
      StringKey("admin-http", "127.0.0.1:7601", restart,
                "Where /livez, /readyz, /startupz and /metrics are served, as ADDRESS:PORT; port "
                "0 takes a free one. Empty: off."),
      StringKey("admin-socket", "/run/semper/admin.sock", restart,
                "Unix socket for semperctl; mode 0600, same user or root only. Empty: off."),
  };
}

std::vector<ConfigKey> LimitKeys() {
  const auto restart = ConfigClass::kRestart;
  return {
      EnumKey("log-profile", "auto", {"auto", "local", "shared"}, restart,
              "How segments are written. local: filled with zeroes beforehand, for a volume that "
              "one node uses. shared: aligned and appended, for a volume of several nodes. auto: "
              "by the kind of file system."),
      BytesKey("segment-bytes", "64MiB", "64KiB", "4GiB", restart,
               "Size of one file of the log. A record that is larger gets a file of its own."),
      BytesKey("unit-bytes-max", "8MiB", "4KiB", "32MiB", restart,
               "Inputs that are written and committed together, in bytes."),
      BytesKey("receive-buffer-bytes", "64MiB", "4MiB", "64GiB", restart,
               "Memory for received bytes that are not yet durable, or not yet taken by the "
               "service. When it is full nothing more is read from peers. At least twice "
               "message-bytes-max."),
      BytesKey("held-output-bytes", "64MiB", "1MiB", "64GiB", restart,
               "Memory for outputs that their destinations have not acknowledged. At least twice "
               "message-bytes-max."),
      IntKey("backlog-inputs", "100000000", "1", "1000000000000", restart,
             "Logged inputs that the service has not finished, at which nothing more is taken "
             "from peers."),
      BytesKey("message-bytes-max", "16MiB", "1KiB", "16MiB", ConfigClass::kLogged,
               "The largest message. It stands in the first input of the log: later changes have "
               "no effect on an immortal that exists."),
      BytesKey("ack-note-bytes", "16MiB", "64KiB", "64GiB", restart,
               "After so many acknowledged output bytes the log notes how far destinations have "
               "acknowledged, so that a replay need not keep more."),
  };
}

std::vector<ConfigKey> PolicyKeys() {
  const auto restart = ConfigClass::kRestart;
  return {
      BytesKey("checkpoint-every-bytes", "1GiB", "0", "1TiB", restart,
               "Takes a checkpoint after so many bytes of log. 0: not by bytes."),
      IntKey("checkpoint-every-inputs", "0", "0", "1000000000000", restart,
             "Takes a checkpoint after so many inputs. 0: not by inputs."),
      DurationKey("checkpoint-interval", "0", "0", "720h", restart,
                  "Takes a checkpoint after so much logged time with inputs in it. 0: not by "
                  "time."),
      DurationKey("silence-limit", "1s", "100ms", "1h", restart,
                  "A standby takes over when the log has shown nothing new for so long. A leader "
                  "with nothing to write shows a sign three times in it."),
      DurationKey("still-limit", "30ms", "5ms", "1m", restart,
                  "A standby whose connection to the leader broke takes over when the log stands "
                  "still for so long."),
      DurationKey("claim-interval", "1s", "10ms", "1h", restart,
                  "A member that lost the lead waits about so long before it claims again, longer "
                  "each time it loses it soon."),
      EnumKey("checkpoint-on", "auto", {"auto", "leader"}, restart,
              "Who takes checkpoints. auto: a standby that is ready, or else the leader."),
      IntKey("checkpoint-keep", "2", "2", "100", restart,
             "Checkpoints to keep. The log is kept from the oldest of them on."),
      DurationKey("drain-timeout", "10s", "100ms", "1h", restart,
                  "After SIGTERM the process finishes what it has for at most this long. What is "
                  "left then is recovered at the next start."),
      EnumKey("log-level", "info", {"debug", "info", "warning", "error"}, ConfigClass::kLive,
              "The least important lines that are written to stderr."),
      EnumKey("log-format", "text", {"text", "json"}, ConfigClass::kLive,
              "How lines on stderr look."),
  };
}

std::vector<ConfigKey> AllKeys() {
  std::vector<ConfigKey> all;
  for (std::vector<ConfigKey> group : {IdentityKeys(), AddressKeys(), LimitKeys(), PolicyKeys()}) {
    all.insert(all.end(), group.begin(), group.end());
  }
  return all;
}

// "log-dir (flag --log-dir): text".
absl::Status Wrong(const Config& config, std::string_view key, std::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat(std::string(key), " (", config.SourceOf(key), "): ", std::string(text)));
}

bool IsWord(std::string_view word) {
  return !word.empty() && word.size() <= 253 && word[0] != '.' && word[0] != '-' &&
         std::all_of(word.begin(), word.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
         });
}

bool IsName(std::string_view name) {
  const size_t slash = name.find('/');
  return slash != std::string_view::npos && IsWord(name.substr(0, slash)) &&
         IsWord(name.substr(slash + 1));
}

bool IsPort(std::string_view text, bool zero) {
  int port = 0;
  return absl::SimpleAtoi(std::string(text), &port) && port >= (zero ? 0 : 1) && port <= 65535;
}

bool IsLiteral(std::string host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

// An address to listen on, as "literal:port"; "localhost" is 127.0.0.1. Empty stays empty.
absl::StatusOr<std::string> ListenAddress(const Config& config, std::string_view key) {
  const std::string& text = config.String(key);
  if (text.empty()) return text;
  const size_t colon = text.rfind(':');
  std::string host = text.substr(0, colon);
  if (host == "localhost") host = "127.0.0.1";
  if (colon == std::string::npos || !IsLiteral(host) || !IsPort(text.substr(colon + 1), true)) {
    return Wrong(config, key,
                 absl::StrCat("'", text,
                              "' is no ADDRESS:PORT with a literal address, such as "
                              "127.0.0.1:7600 or [::1]:7600"));
  }
  return absl::StrCat(host, text.substr(colon));
}

// Absolute: the service, which is told the path of its socket, may work in another directory.
absl::StatusOr<std::string> SocketPath(const Config& config, std::string_view key, bool needed) {
  std::string path = config.String(key);
  if (path.empty() && !needed) return path;
  std::error_code error;
  if (!path.empty()) path = std::filesystem::absolute(path, error).string();
  constexpr size_t kLengthMax = sizeof(sockaddr_un::sun_path) - 1;
  if (path.empty() || path.size() > kLengthMax) {
    return Wrong(config, key,
                 absl::StrCat("the path of a Unix socket has 1 to ", kLengthMax, " bytes, '", path,
                              "' has ", path.size()));
  }
  return path;
}

bool IsHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  return colon != std::string_view::npos && colon > 0 && IsPort(text.substr(colon + 1), false);
}

absl::Status ReadPeerDns(const Config& config, runtime::Options& options) {
  options.peer_dns = config.String("peer-dns");
  if (options.peer_dns.empty()) return absl::OkStatus();
  const std::string example =
      absl::StrReplaceAll(options.peer_dns, {{"{namespace}", "a"}, {"{name}", "b"}});
  const bool both = options.peer_dns.find("{namespace}") != std::string::npos &&
                    options.peer_dns.find("{name}") != std::string::npos;
  if (!both || example.find_first_of("{}") != std::string::npos || !IsHostPort(example)) {
    return Wrong(config, "peer-dns",
                 absl::StrCat("'", options.peer_dns, "' is no HOST:PORT with {namespace} and ",
                              "{name} in it, such as {name}.{namespace}.svc.cluster.local:7600"));
  }
  return absl::OkStatus();
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

absl::Status ReadGenesisMode(const Config& config, runtime::Options& options) {
  const std::string& text = config.String("genesis");
  if (text == "require") {
    options.genesis = runtime::GenesisMode::kRequire;
    return absl::OkStatus();
  }
  if (text == "create") {
    options.genesis = runtime::GenesisMode::kCreate;
    return absl::OkStatus();
  }
  const std::string_view prefix = "expect:";
  const bool expects = std::string_view(text).substr(0, prefix.size()) == prefix;
  const std::string digits = expects ? text.substr(prefix.size()) : "";
  const bool hex =
      std::all_of(digits.begin(), digits.end(), [](char c) { return HexDigit(c) >= 0; });
  if (!expects || !hex || digits.size() != 2 * options.expected_incarnation.size()) {
    return Wrong(config, "genesis",
                 absl::StrCat("'", text, "' is neither require, nor create, nor expect: with the ",
                              "32 hexadecimal digits of an incarnation"));
  }
  options.genesis = runtime::GenesisMode::kExpect;
  for (size_t i = 0; i < options.expected_incarnation.size(); ++i) {
    options.expected_incarnation[i] =
        std::byte(16 * HexDigit(digits[2 * i]) + HexDigit(digits[2 * i + 1]));
  }
  return absl::OkStatus();
}

absl::Status ReadIdentity(const Config& config, runtime::Options& options) {
  options.name = config.String("name");
  if (options.name.empty()) {
    return Wrong(config, "name", "is missing; say --name NAMESPACE/NAME");
  }
  if (!IsName(options.name)) {
    return Wrong(config, "name",
                 absl::StrCat("'", options.name,
                              "' is no NAMESPACE/NAME of "
                              "letters, digits, '-', '_' and '.'"));
  }
  options.cluster = config.String("cluster");
  if (!IsWord(options.cluster)) {
    return Wrong(
        config, "cluster",
        absl::StrCat("'", options.cluster, "' is no word of letters, digits, '-', '_', '.'"));
  }
  options.log_dir = config.String("log-dir");
  if (options.log_dir.empty()) {
    return Wrong(config, "log-dir", "is missing; say --log-dir DIRECTORY");
  }
  options.member = config.String("member");
  if (options.member.empty()) {
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    options.member = host;
  }
  if (!IsWord(options.member)) {
    return Wrong(
        config, "member",
        absl::StrCat("'", options.member, "' is no word of letters, digits, '-', '_', '.'"));
  }
  for (const std::string& member : config.List("members")) {
    if (!IsHostPort(member)) {
      return Wrong(config, "members", absl::StrCat("'", member, "' is no HOST:PORT"));
    }
    options.members.push_back(member);
  }
  return ReadGenesisMode(config, options);
}

absl::Status ReadLimits(const Config& config, runtime::Options& options) {
  options.segment_bytes = config.Bytes("segment-bytes");
  options.unit_bytes_max = config.Bytes("unit-bytes-max");
  SEMPER_CHECK(options.unit_bytes_max <= kUnitBytesMost, "the table allows a larger unit");
  options.receive_bytes_max = config.Bytes("receive-buffer-bytes");
  options.held_output_bytes_max = config.Bytes("held-output-bytes");
  options.backlog_inputs_max = static_cast<uint64_t>(config.Int("backlog-inputs"));
  options.message_bytes_max = config.Bytes("message-bytes-max");
  options.ack_note_bytes = config.Bytes("ack-note-bytes");
  // One message is being received while another waits for the log, the service or its destination.
  for (const char* key : {"receive-buffer-bytes", "held-output-bytes"}) {
    if (config.Bytes(key) < 2 * options.message_bytes_max) {
      return Wrong(
          config, key,
          absl::StrCat(config.Text(key), " is less than twice message-bytes-max (",
                       config.Text("message-bytes-max"), "); raise the one or lower the other"));
    }
  }
  options.checkpoint_every_bytes = config.Bytes("checkpoint-every-bytes");
  options.checkpoint_every_inputs = static_cast<uint64_t>(config.Int("checkpoint-every-inputs"));
  options.checkpoint_every = config.Duration("checkpoint-interval");
  options.checkpoint_keep = static_cast<int>(config.Int("checkpoint-keep"));
  options.silence_limit = config.Duration("silence-limit");
  options.still_limit = config.Duration("still-limit");
  if (options.still_limit > options.silence_limit) {
    return Wrong(config, "still-limit",
                 absl::StrCat(config.Text("still-limit"), " is more than silence-limit (",
                              config.Text("silence-limit"), ")"));
  }
  if (config.Enum("checkpoint-on") == "leader")
    options.checkpoint_on = runtime::Options::CheckpointOn::kLeader;
  return absl::OkStatus();
}

}  // namespace

const ConfigTable& SidecarConfigTable() {
  static const auto& table = *new ConfigTable(AllKeys());
  return table;
}

std::string_view SidecarUsage() {
  return "usage: semper-sidecar --name NAMESPACE/NAME --log-dir DIR [--KEY VALUE...] [-- SERVICE "
         "ARG...]\n"
         "       semper-sidecar create --name NAMESPACE/NAME --log-dir DIR [--cluster NAME]\n"
         "\n"
         "Coordinates one immortal. With -- it also starts the service and starts it again when "
         "it\n"
         "ends; the service finds the socket in SEMPER_LINK. `create` makes the immortal's "
         "identity\n"
         "(its genesis) on the volume, prints its incarnation, and ends.\n"
         "\n"
         "SIGTERM and SIGINT finish what is there and end; SIGHUP reads the live keys again.\n"
         "\n"
         "Exit codes: 0 drained, or done; 1 gave up its epoch: start it again, it recovers from "
         "the\n"
         "log; 2 wrong configuration; 3 refused the volume (see exit-on-refusal); 4 not drained "
         "in\n"
         "time: nothing is lost, the next start recovers.";
}

std::string ConfigurationPage() {
  return absl::StrCat(
      "# Configuration of semper-sidecar\n"
      "\n"
      "<!-- Made by `semper-sidecar --print-config-docs`; a test compares. Change "
      "sidecar/options.cc. -->\n"
      "\n"
      "Each key is a flag (`--segment-bytes 64MiB`), an environment variable\n"
      "(`SEMPER_SEGMENT_BYTES`) and a line of the YAML file that `--config` names. A flag "
      "overrides\n"
      "the environment, the environment the file, the file the default. Sizes carry a unit (B, "
      "KiB,\n"
      "MiB, GiB, TiB), durations too (ns, us, ms, s, m, h). `--check-config` reads everything and\n"
      "ends.\n"
      "\n"
      "Class: *restart* keys count when the process starts, *live* ones also when SIGHUP has it "
      "read\n"
      "the file again, *logged* ones change replicated behaviour and stand in the log.\n"
      "\n",
      SidecarConfigTable().Markdown());
}

absl::StatusOr<std::map<std::string, std::vector<std::string>>> ReadPeers(const Config& config) {
  std::map<std::string, std::vector<std::string>> peers;
  std::string name;
  for (const std::string& entry : config.List("peer")) {
    // A comma separates entries of the list, so a further address arrives as one without a name.
    const size_t equals = entry.find('=');
    if (equals != std::string::npos) name = entry.substr(0, equals);
    const std::string address = equals == std::string::npos ? entry : entry.substr(equals + 1);
    if (!IsName(name) || !IsHostPort(address)) {
      return Wrong(
          config, "peer",
          absl::StrCat("'", entry, "' is no NAMESPACE/NAME=HOST:PORT, nor a further HOST:PORT"));
    }
    std::vector<std::string>& addresses = peers[name];
    if (std::find(addresses.begin(), addresses.end(), address) != addresses.end()) {
      return Wrong(config, "peer",
                   absl::StrCat(name, " has ", address, " twice; give each address once"));
    }
    addresses.push_back(address);
  }
  return peers;
}

LogLevel ReadLogLevel(const Config& config) {
  return ParseLogLevel(config.Enum("log-level")).value_or(LogLevel::kInfo);
}

LogFormat ReadLogFormat(const Config& config) {
  return ParseLogFormat(config.Enum("log-format")).value_or(LogFormat::kText);
}

absl::StatusOr<SidecarOptions> ReadOptions(const Config& config) {
  SidecarOptions options;
  if (absl::Status s = ReadIdentity(config, options.runtime); !s.ok()) return s;
  auto peers = ReadPeers(config);
  if (!peers.ok()) return peers.status();
  options.runtime.peers = *std::move(peers);
  if (absl::Status s = ReadPeerDns(config, options.runtime); !s.ok()) return s;
  if (absl::Status s = ReadLimits(config, options.runtime); !s.ok()) return s;
  const std::string& profile = config.Enum("log-profile");
  if (profile == "local") options.profile = log::Profile::kLocal;
  if (profile == "shared") options.profile = log::Profile::kShared;

  absl::StatusOr<std::string> service = SocketPath(config, "service-socket", true);
  if (!service.ok()) return service.status();
  options.service_socket = *service;
  options.runtime.service_address = absl::StrCat("unix:", *service);
  absl::StatusOr<std::string> admin = SocketPath(config, "admin-socket", false);
  if (!admin.ok()) return admin.status();
  options.admin_socket = *std::move(admin);
  if (options.admin_socket == options.service_socket) {
    return Wrong(config, "admin-socket", "is the service-socket, too; give each its own path");
  }
  absl::StatusOr<std::string> listen = ListenAddress(config, "peer-listen");
  if (!listen.ok()) return listen.status();
  options.runtime.peer_address = *std::move(listen);
  absl::StatusOr<std::string> http = ListenAddress(config, "admin-http");
  if (!http.ok()) return http.status();
  options.admin_http = *std::move(http);

  options.log_level = ReadLogLevel(config);
  options.log_format = ReadLogFormat(config);
  options.drain_timeout = config.Duration("drain-timeout");
  options.claim_interval = config.Duration("claim-interval");
  options.exit_on_refusal = config.Bool("exit-on-refusal");
  return options;
}

}  // namespace semper
