// Configuration: one table defines each key once; flags, YAML file, environment and documentation
// follow from it.
//
//   const ConfigTable kTable({
//       StringKey("listen", "127.0.0.1:7600", ConfigClass::kRestart, "Where peers connect."),
//       BytesKey("segment-bytes", "64MiB", "1MiB", "1GiB", ConfigClass::kRestart,
//                "Size of a segment of the log."),
//       EnumKey("log-format", "text", {"text", "json"}, ConfigClass::kLive, "How log lines look."),
//   });
//   auto parsed = ParseConfig(kTable, argc, argv, environ);
//   if (!parsed.ok()) → print parsed.status().message(), exit 2
//   parsed->config.Bytes("segment-bytes")
//
// A key `segment-bytes` is the flag --segment-bytes=64MiB (or --segment-bytes 64MiB), the
// environment variable SEMPER_SEGMENT_BYTES and the line `segment-bytes: 64MiB` of the file that
// --config (or SEMPER_CONFIG) names. A flag overrides the environment, that the file, that the
// default. Of a boolean, `--key` means true and `--no-key` false. A list is repeated (--peer a
// --peer b), or separated by commas, or a sequence in YAML; a source replaces the lists of lower
// ones. Suffixes: bytes B, KiB, MiB, GiB, TiB; durations ns, us, ms, s, m, h ("1m30s" too); a
// number alone is right only where it is 0.
//
// Every error is INVALID_ARGUMENT with one sentence that names key, value, limit and source, and
// says what to do. Values are immutable; a reload makes a new Config. Threads: any, for const use.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace semper {

enum class ConfigType { kBool, kInt, kBytes, kDuration, kEnum, kString, kList };

// When a changed value takes effect.
enum class ConfigClass {
  kLive,     // when the file is read again (SIGHUP)
  kRestart,  // when the process starts
  kLogged,   // as a control input of the log: what changes replicated behaviour
};

// One key. Made by the functions below; texts are literals.
struct ConfigKey {
  std::string_view name;  // kebab-case
  ConfigType type;
  std::string_view fallback;  // the default, written as a user would
  std::string_view minimum;   // kInt, kBytes, kDuration
  std::string_view maximum;
  std::vector<std::string_view> values;  // kEnum
  ConfigClass when;
  std::string_view help;  // one or more sentences
};

ConfigKey BoolKey(std::string_view name, bool fallback, ConfigClass when, std::string_view help);
ConfigKey IntKey(std::string_view name, std::string_view fallback, std::string_view minimum,
                 std::string_view maximum, ConfigClass when, std::string_view help);
ConfigKey BytesKey(std::string_view name, std::string_view fallback, std::string_view minimum,
                   std::string_view maximum, ConfigClass when, std::string_view help);
ConfigKey DurationKey(std::string_view name, std::string_view fallback, std::string_view minimum,
                      std::string_view maximum, ConfigClass when, std::string_view help);
ConfigKey EnumKey(std::string_view name, std::string_view fallback,
                  std::initializer_list<std::string_view> values, ConfigClass when,
                  std::string_view help);
ConfigKey StringKey(std::string_view name, std::string_view fallback, ConfigClass when,
                    std::string_view help);
ConfigKey ListKey(std::string_view name, std::string_view fallback, ConfigClass when,
                  std::string_view help);

// kBool: bool; kInt and kBytes: int64_t; kDuration: nanoseconds; kEnum and kString: string; kList:
// vector.
using ConfigValue =
    std::variant<bool, int64_t, std::chrono::nanoseconds, std::string, std::vector<std::string>>;

// All keys of a program. Checks (SEMPER_CHECK) that names are unique and kebab-case, and that
// defaults and limits parse.
class ConfigTable {
 public:
  explicit ConfigTable(std::vector<ConfigKey> keys);

  const std::vector<ConfigKey>& keys() const { return keys_; }
  const ConfigValue& fallback(size_t key) const { return fallbacks_[key]; }

  std::optional<size_t> Find(std::string_view name) const;
  // The known name nearest to `name`, or nothing if none is near.
  std::optional<std::string_view> Nearest(std::string_view name) const;

  // `text` as a value of `key`; `source` ("flag --x", "environment variable SEMPER_X",
  // "file.yaml:3") is for the error.
  absl::StatusOr<ConfigValue> ParseValue(size_t key, std::string_view text,
                                         std::string_view source) const;

  // For --help: `usage` and what stands before the keys, then each key with default, limits and
  // class.
  std::string Help(std::string_view usage) const;
  // A table in Markdown with one row for each key.
  std::string Markdown() const;

 private:
  std::vector<ConfigKey> keys_;
  std::vector<ConfigValue> fallbacks_;
};

// The value of each key of a table, and where it came from. The table must outlive it. A getter
// with a name that the table does not have, or of another type, is a bug.
class Config {
 public:
  explicit Config(const ConfigTable& table);  // all defaults

  bool Bool(std::string_view name) const;
  int64_t Int(std::string_view name) const;
  uint64_t Bytes(std::string_view name) const;
  std::chrono::nanoseconds Duration(std::string_view name) const;
  const std::string& Enum(std::string_view name) const;
  const std::string& String(std::string_view name) const;
  const std::vector<std::string>& List(std::string_view name) const;

  // "default", "flag --x", "environment variable SEMPER_X", "file.yaml:3".
  const std::string& SourceOf(std::string_view name) const;
  bool IsDefault(std::string_view name) const { return SourceOf(name) == "default"; }
  // The value as a user would write it.
  std::string Text(std::string_view name) const;

  const ConfigTable& table() const { return *table_; }
  const ConfigValue& value(size_t key) const { return values_[key]; }
  void Set(size_t key, ConfigValue value, std::string source);  // `value` has the type of the key

 private:
  const ConfigValue& Get(std::string_view name, ConfigType type) const;

  const ConfigTable* table_;
  std::vector<ConfigValue> values_;
  std::vector<std::string> sources_;
};

// What a command line asks for, beside the configuration.
enum class CommandLineVerb {
  kRun,
  kHelp,             // --help: print table.Help(...), exit 0
  kVersion,          // --version
  kCheckConfig,      // --check-config: everything was read and is right; the caller adds its own
                     // checks, exit 0
  kPrintConfigDocs,  // --print-config-docs: print table.Markdown(), exit 0
};

struct ParsedCommandLine {
  Config config;
  CommandLineVerb verb = CommandLineVerb::kRun;
  std::vector<std::string> positional;     // arguments that are no flags, in order
  std::vector<std::string> child_command;  // everything after "--"
  bool has_child_command = false;          // "--" was there
  std::string config_file;                 // empty if there was none
  std::vector<std::string> warnings;       // whole sentences, for the log
  // For ReloadConfig.
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
};

// Reads argv[1..], `env` (null-terminated; null for none) and the file that they name. With --help
// or --version nothing else is looked at. Unknown flags and keys of the file are errors; an unknown
// variable SEMPER_… is a warning if a known one is near and else ignored: Kubernetes and other
// programs of the project have theirs.
absl::StatusOr<ParsedCommandLine> ParseConfig(const ConfigTable& table, int argc,
                                              const char* const* argv, const char* const* env);

struct ConfigReload {
  Config config;                    // what holds now
  std::vector<std::string> live;    // names of live keys that changed
  std::vector<std::string> logged;  // names of logged keys that changed
};

// Reads the file of `start` again. Refused as a whole, with a text that names each, if a restart
// key changed (FAILED_PRECONDITION) or anything is wrong (INVALID_ARGUMENT): `current` holds on.
absl::StatusOr<ConfigReload> ReloadConfig(const ParsedCommandLine& start, const Config& current);

}  // namespace semper
