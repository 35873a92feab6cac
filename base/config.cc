// ParseConfig and ReloadConfig: from command line, environment and YAML file to a Config.
#include "base/config.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "base/config_value.h"
#include "base/errno_status.h"

namespace semper {
namespace {

constexpr std::string_view kVariablePrefix = "SEMPER_";
constexpr std::string_view kConfigVariable = "SEMPER_CONFIG";
constexpr size_t kFileBytesMax = size_t{1} << 20;

template <typename... Args>
absl::Status Wrong(fmt::format_string<Args...> format, Args&&... args) {
  return absl::InvalidArgumentError(fmt::format(format, std::forward<Args>(args)...));
}

std::string VariableOf(std::string_view key) {
  std::string name(kVariablePrefix);
  for (const char c : key) {
    name += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return name;
}

// What a source says, not yet interpreted. A list may have several texts.
struct Given {
  std::vector<std::string> texts;
  std::string source;
};
using GivenByKey = std::map<size_t, Given>;

// What the command line says.
struct Arguments {
  CommandLineVerb verb = CommandLineVerb::kRun;
  GivenByKey given;
  std::optional<std::string> config_file;
  std::vector<std::string> positional;
  std::vector<std::string> child_command;
  bool has_child_command = false;
};

class ArgumentReader {
 public:
  ArgumentReader(const ConfigTable& table, const std::vector<std::string>& all)
      : table_(table), all_(all) {}

  absl::StatusOr<Arguments> Read() {
    for (; next_ < all_.size(); ++next_) {
      const std::string_view argument = all_[next_];
      if (argument == "--") {
        out_.has_child_command = true;
        out_.child_command.assign(all_.begin() + static_cast<ptrdiff_t>(next_) + 1, all_.end());
        break;
      }
      if (argument.size() > 1 && argument[0] == '-') {
        if (absl::Status status = ReadFlag(argument); !status.ok()) return status;
      } else {
        out_.positional.emplace_back(argument);
      }
    }
    return std::move(out_);
  }

 private:
  absl::Status ReadFlag(std::string_view argument);
  absl::Status ReadKey(size_t key, std::string_view name, std::optional<std::string> value);
  absl::Status Unknown(std::string_view argument, std::string_view name) const;

  // The argument after this one, unless it is a flag itself.
  std::optional<std::string> TakeNext() {
    if (next_ + 1 >= all_.size() || all_[next_ + 1].rfind("--", 0) == 0) return std::nullopt;
    return all_[++next_];
  }

  const ConfigTable& table_;
  const std::vector<std::string>& all_;
  size_t next_ = 0;
  Arguments out_;
};

absl::Status ArgumentReader::ReadFlag(std::string_view argument) {
  static const std::map<std::string_view, CommandLineVerb> kVerbs = {
      {"help", CommandLineVerb::kHelp},
      {"version", CommandLineVerb::kVersion},
      {"check-config", CommandLineVerb::kCheckConfig},
      {"print-config-docs", CommandLineVerb::kPrintConfigDocs}};
  if (argument == "-h") argument = "--help";
  if (argument.substr(0, 2) != "--") {
    return Wrong("flag {}: no such flag; flags begin with two dashes (--help lists them)",
                 argument);
  }
  std::string_view name = argument.substr(2);
  std::optional<std::string> value;
  if (const size_t equals = name.find('='); equals != std::string_view::npos) {
    value = std::string(name.substr(equals + 1));
    name = name.substr(0, equals);
  }
  if (const auto verb = kVerbs.find(name); verb != kVerbs.end()) {
    if (value.has_value()) return Wrong("flag --{}: takes no value, not '{}'", name, *value);
    out_.verb = verb->second;
    return absl::OkStatus();
  }
  if (name == "config") {
    if (!value.has_value()) value = TakeNext();
    if (!value.has_value() || value->empty())
      return Wrong("flag --config: the name of a file must follow");
    out_.config_file = std::move(value);
    return absl::OkStatus();
  }
  if (const auto key = table_.Find(name); key.has_value()) {
    return ReadKey(*key, name, std::move(value));
  }
  if (name.substr(0, 3) == "no-") {
    if (const auto key = table_.Find(name.substr(3)); key.has_value()) {
      if (table_.keys()[*key].type != ConfigType::kBool) {
        return Wrong("flag --{}: {} is not true or false; give it as --{}=VALUE", name,
                     name.substr(3), name.substr(3));
      }
      if (value.has_value()) return Wrong("flag --{}: takes no value, not '{}'", name, *value);
      out_.given[*key] = {.texts = {"false"}, .source = fmt::format("flag --{}", name)};
      return absl::OkStatus();
    }
  }
  return Unknown(argument, name);
}

absl::Status ArgumentReader::ReadKey(size_t key, std::string_view name,
                                     std::optional<std::string> value) {
  if (!value.has_value()) {
    const bool is_bool = table_.keys()[key].type == ConfigType::kBool;
    value = is_bool ? std::optional<std::string>("true") : TakeNext();
  }
  if (!value.has_value()) {
    return Wrong("flag --{}: a value must follow, as --{}=VALUE", name, name);
  }
  Given& given = out_.given[key];
  given.texts.push_back(*std::move(value));
  given.source = fmt::format("flag --{}", name);
  return absl::OkStatus();
}

absl::Status ArgumentReader::Unknown(std::string_view argument, std::string_view name) const {
  if (const auto nearest = table_.Nearest(name); nearest.has_value()) {
    return Wrong("flag {}: no such flag; did you mean --{}? (--help lists all)", argument,
                 *nearest);
  }
  return Wrong("flag {}: no such flag (--help lists all)", argument);
}

struct Environment {
  GivenByKey given;
  std::optional<std::string> config_file;
  std::vector<std::string> warnings;
};

Environment ReadEnvironment(const ConfigTable& table, const std::vector<std::string>& all) {
  Environment out;
  std::map<std::string, size_t> keys;
  for (size_t i = 0; i < table.keys().size(); ++i) keys[VariableOf(table.keys()[i].name)] = i;
  std::vector<std::string_view> names;
  names.reserve(keys.size());
  for (const auto& [name, key] : keys) names.push_back(name);
  for (const std::string& entry : all) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos || entry.rfind(kVariablePrefix, 0) != 0) continue;
    const std::string name = entry.substr(0, equals);
    const std::string value = entry.substr(equals + 1);
    if (name == kConfigVariable) {
      if (!value.empty()) out.config_file = value;
    } else if (const auto key = keys.find(name); key != keys.end()) {
      out.given[key->second] = {.texts = {value},
                                .source = fmt::format("environment variable {}", name)};
    } else if (const std::string_view near = NearestName(name, names); !near.empty()) {
      out.warnings.push_back(fmt::format(
          "environment variable {} is none of ours and is ignored; did you mean {}?", name, near));
    }
  }
  return out;
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return ErrnoStatus(errno, "configuration file ", path);
  std::string text(kFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return ErrnoStatus(errno, "read configuration file ", path);
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kFileBytesMax) {
    return Wrong("configuration file {}: larger than {} bytes", path, kFileBytesMax);
  }
  return text;
}

std::string Place(const std::string& path, const YAML::Node& node) {
  return fmt::format("{}:{}", path, node.Mark().line + 1);
}

absl::Status ReadEntry(const ConfigTable& table, const std::string& path,
                       const YAML::Node& name_node, const YAML::Node& value, GivenByKey& out) {
  const std::string place = Place(path, name_node);
  if (!name_node.IsScalar()) return Wrong("{}: a key must be a word", place);
  const std::string& name = name_node.Scalar();
  const auto key = table.Find(name);
  if (!key.has_value()) {
    const auto nearest = table.Nearest(name);
    if (!nearest.has_value()) return Wrong("{}: unknown key '{}' (--help lists all)", place, name);
    return Wrong("{}: unknown key '{}'; did you mean '{}'?", place, name, *nearest);
  }
  if (const auto before = out.find(*key); before != out.end()) {
    return Wrong("{}: key '{}' was given before, at {}; remove one of them", place, name,
                 before->second.source);
  }
  Given given{.texts = {}, .source = place};
  if (value.IsScalar()) {
    given.texts.push_back(value.Scalar());
  } else if (value.IsSequence() && table.keys()[*key].type == ConfigType::kList) {
    for (const YAML::Node& element : value) {
      if (!element.IsScalar()) {
        return Wrong("{}: an element of '{}' is no plain value", Place(path, element), name);
      }
      given.texts.push_back(element.Scalar());
    }
  } else if (value.IsNull()) {
    return Wrong("{}: key '{}' has no value; remove the line to get the default", place, name);
  } else {
    return Wrong("{}: key '{}' takes one plain value", place, name);
  }
  out[*key] = std::move(given);
  return absl::OkStatus();
}

absl::StatusOr<GivenByKey> ReadYaml(const ConfigTable& table, const std::string& path) {
  auto text = ReadFile(path);
  if (!text.ok()) return absl::InvalidArgumentError(text.status().message());
  GivenByKey out;
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(*text);
    if (documents.size() > 1)
      return Wrong("{}: has {} documents; one is right", path, documents.size());
    if (documents.empty() || documents[0].IsNull()) return out;
    if (!documents[0].IsMap()) {
      return Wrong("{}: expected lines 'key: value'", Place(path, documents[0]));
    }
    for (const auto& entry : documents[0]) {
      absl::Status status = ReadEntry(table, path, entry.first, entry.second, out);
      if (!status.ok()) return status;
    }
  } catch (const YAML::Exception& error) {
    return Wrong("{}:{}: no valid YAML: {}", path, error.mark.line + 1, error.msg);
  }
  return out;
}

absl::Status Apply(const GivenByKey& given, Config& config) {
  for (const auto& [key, one] : given) {
    if (config.table().keys()[key].type == ConfigType::kList) {
      std::vector<std::string> list;
      for (const std::string& text : one.texts) {
        auto part = config.table().ParseValue(key, text, one.source);
        if (!part.ok()) return part.status();
        for (std::string& element : std::get<std::vector<std::string>>(*part)) {
          list.push_back(std::move(element));
        }
      }
      config.Set(key, std::move(list), one.source);
      continue;
    }
    // The last one counts.
    auto value = config.table().ParseValue(key, one.texts.back(), one.source);
    if (!value.ok()) return value.status();
    config.Set(key, *std::move(value), one.source);
  }
  return absl::OkStatus();
}

absl::StatusOr<ParsedCommandLine> Parse(const ConfigTable& table,
                                        std::vector<std::string> arguments,
                                        std::vector<std::string> environment) {
  ParsedCommandLine out{.config = Config(table)};
  for (const std::string& argument : arguments) {
    if (argument == "--") break;
    if (argument == "--help" || argument == "-h") out.verb = CommandLineVerb::kHelp;
    if (argument == "--version") out.verb = CommandLineVerb::kVersion;
    if (out.verb != CommandLineVerb::kRun) return out;
  }
  auto read = ArgumentReader(table, arguments).Read();
  if (!read.ok()) return read.status();
  Environment variables = ReadEnvironment(table, environment);
  out.verb = read->verb;
  out.positional = std::move(read->positional);
  out.child_command = std::move(read->child_command);
  out.has_child_command = read->has_child_command;
  out.warnings = std::move(variables.warnings);
  out.config_file = read->config_file.value_or(variables.config_file.value_or(""));
  // From the weakest source to the strongest.
  if (!out.config_file.empty()) {
    const auto file = ReadYaml(table, out.config_file);
    if (!file.ok()) return file.status();
    if (absl::Status status = Apply(*file, out.config); !status.ok()) return status;
  }
  if (absl::Status status = Apply(variables.given, out.config); !status.ok()) return status;
  if (absl::Status status = Apply(read->given, out.config); !status.ok()) return status;
  out.arguments = std::move(arguments);
  out.environment = std::move(environment);
  return out;
}

}  // namespace

absl::StatusOr<ParsedCommandLine> ParseConfig(const ConfigTable& table, int argc,
                                              const char* const* argv, const char* const* env) {
  std::vector<std::string> environment;
  for (; env != nullptr && *env != nullptr; ++env) environment.emplace_back(*env);
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) arguments.emplace_back(argv[i]);
  return Parse(table, std::move(arguments), std::move(environment));
}

absl::StatusOr<ConfigReload> ReloadConfig(const ParsedCommandLine& start, const Config& current) {
  const ConfigTable& table = start.config.table();
  auto read = Parse(table, start.arguments, start.environment);
  if (!read.ok()) return read.status();
  ConfigReload reload{.config = std::move(read->config)};
  std::string refused;
  for (size_t i = 0; i < table.keys().size(); ++i) {
    const ConfigKey& key = table.keys()[i];
    if (reload.config.value(i) == current.value(i)) continue;
    if (key.when == ConfigClass::kLive) reload.live.emplace_back(key.name);
    if (key.when == ConfigClass::kLogged) reload.logged.emplace_back(key.name);
    if (key.when == ConfigClass::kRestart) {
      refused += fmt::format("{}{} (from {}): '{}' instead of '{}'", refused.empty() ? "" : "; ",
                             key.name, reload.config.SourceOf(key.name),
                             reload.config.Text(key.name), current.Text(key.name));
    }
  }
  if (!refused.empty()) {
    return absl::FailedPreconditionError(fmt::format(
        "not taken over, all values stay as they are: {}; this needs a restart", refused));
  }
  return reload;
}

}  // namespace semper
