// ConfigTable and Config: the keys, their values, their documentation.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/config.h"
#include "base/config_value.h"

namespace semper {
namespace {

// Flags of every program, and what Kubernetes sets as SEMPER_… for a service of the name "semper".
constexpr std::string_view kReservedNames[] = {
    "check-config",      "config",       "help",         "port",
    "print-config-docs", "service-host", "service-port", "version"};

constexpr size_t kHelpColumn = 34;
constexpr size_t kHelpWidth = 100;

bool IsKebabCase(std::string_view name) {
  if (name.empty() || name.front() == '-' || name.back() == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

bool HasRange(ConfigType type) {
  return type == ConfigType::kInt || type == ConfigType::kBytes || type == ConfigType::kDuration;
}

std::string_view TypeWord(ConfigType type) {
  switch (type) {
    case ConfigType::kBool:
      return "bool";
    case ConfigType::kInt:
      return "number";
    case ConfigType::kBytes:
      return "bytes";
    case ConfigType::kDuration:
      return "duration";
    case ConfigType::kEnum:
      return "one of";
    case ConfigType::kString:
      return "text";
    case ConfigType::kList:
      return "list";
  }
  return "";
}

std::string_view ClassWord(ConfigClass when) {
  switch (when) {
    case ConfigClass::kLive:
      return "live";
    case ConfigClass::kRestart:
      return "restart";
    case ConfigClass::kLogged:
      return "logged";
  }
  return "";
}

std::string Possible(const ConfigKey& key) {
  if (key.type == ConfigType::kEnum) return fmt::format("{}", fmt::join(key.values, ", "));
  if (HasRange(key.type)) return fmt::format("{} to {}", key.minimum, key.maximum);
  return std::string(TypeWord(key.type));
}

std::string DefaultText(const ConfigKey& key) {
  return key.fallback.empty() ? "none" : std::string(key.fallback);
}

// Words of `text` in lines that begin at kHelpColumn; the first line stands behind `head`.
std::string Paragraph(std::string head, std::string_view text) {
  std::string out;
  std::string line = std::move(head);
  if (line.size() >= kHelpColumn) {
    out = line + "\n";
    line.clear();
  }
  line.resize(kHelpColumn, ' ');
  while (!text.empty()) {
    const size_t length = std::min(text.find(' '), text.size());
    if (line.size() > kHelpColumn && line.size() + 1 + length > kHelpWidth) {
      out += line + "\n";
      line.assign(kHelpColumn, ' ');
    }
    if (line.size() > kHelpColumn) line += ' ';
    line += text.substr(0, length);
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return out + line + "\n";
}

ConfigKey RangeKey(std::string_view name, ConfigType type, std::string_view fallback,
                   std::string_view minimum, std::string_view maximum, ConfigClass when,
                   std::string_view help) {
  return {.name = name,
          .type = type,
          .fallback = fallback,
          .minimum = minimum,
          .maximum = maximum,
          .values = {},
          .when = when,
          .help = help};
}

ConfigKey PlainKey(std::string_view name, ConfigType type, std::string_view fallback,
                   ConfigClass when, std::string_view help) {
  return RangeKey(name, type, fallback, "", "", when, help);
}

}  // namespace

ConfigKey BoolKey(std::string_view name, bool fallback, ConfigClass when, std::string_view help) {
  return PlainKey(name, ConfigType::kBool, fallback ? "true" : "false", when, help);
}

ConfigKey IntKey(std::string_view name, std::string_view fallback, std::string_view minimum,
                 std::string_view maximum, ConfigClass when, std::string_view help) {
  return RangeKey(name, ConfigType::kInt, fallback, minimum, maximum, when, help);
}

ConfigKey BytesKey(std::string_view name, std::string_view fallback, std::string_view minimum,
                   std::string_view maximum, ConfigClass when, std::string_view help) {
  return RangeKey(name, ConfigType::kBytes, fallback, minimum, maximum, when, help);
}

ConfigKey DurationKey(std::string_view name, std::string_view fallback, std::string_view minimum,
                      std::string_view maximum, ConfigClass when, std::string_view help) {
  return RangeKey(name, ConfigType::kDuration, fallback, minimum, maximum, when, help);
}

ConfigKey EnumKey(std::string_view name, std::string_view fallback,
                  std::initializer_list<std::string_view> values, ConfigClass when,
                  std::string_view help) {
  ConfigKey key = PlainKey(name, ConfigType::kEnum, fallback, when, help);
  key.values = values;
  return key;
}

ConfigKey StringKey(std::string_view name, std::string_view fallback, ConfigClass when,
                    std::string_view help) {
  return PlainKey(name, ConfigType::kString, fallback, when, help);
}

ConfigKey ListKey(std::string_view name, std::string_view fallback, ConfigClass when,
                  std::string_view help) {
  return PlainKey(name, ConfigType::kList, fallback, when, help);
}

ConfigTable::ConfigTable(std::vector<ConfigKey> keys) : keys_(std::move(keys)) {
  std::set<std::string_view> seen(std::begin(kReservedNames), std::end(kReservedNames));
  for (const ConfigKey& key : keys_) {
    SEMPER_CHECK(IsKebabCase(key.name) && key.name.substr(0, 3) != "no-", "key '", key.name, "'");
    SEMPER_CHECK(seen.insert(key.name).second, "key '", key.name, "' is reserved or there twice");
    SEMPER_CHECK(!key.help.empty(), "key '", key.name, "' has no help text");
  }
  for (size_t i = 0; i < keys_.size(); ++i) {
    auto fallback = ParseValue(i, keys_[i].fallback, "default");
    SEMPER_CHECK(fallback.ok(), fallback.status().ToString());
    fallbacks_.push_back(*std::move(fallback));
  }
}

std::optional<size_t> ConfigTable::Find(std::string_view name) const {
  for (size_t i = 0; i < keys_.size(); ++i) {
    if (keys_[i].name == name) return i;
  }
  return std::nullopt;
}

std::optional<std::string_view> ConfigTable::Nearest(std::string_view name) const {
  std::vector<std::string_view> names = {"config", "help", "version", "check-config",
                                         "print-config-docs"};
  for (const ConfigKey& key : keys_) names.push_back(key.name);
  const std::string_view nearest = NearestName(name, names);
  if (nearest.empty()) return std::nullopt;
  return nearest;
}

absl::StatusOr<ConfigValue> ConfigTable::ParseValue(size_t index, std::string_view text,
                                                    std::string_view source) const {
  const ConfigKey& key = keys_[index];
  auto value = ParseConfigText(key, text);
  if (!value.ok()) {
    return absl::InvalidArgumentError(fmt::format("{} (from {}): '{}' {}", key.name, source, text,
                                                  std::string(value.status().message())));
  }
  if (!HasRange(key.type)) return value;
  const auto minimum = ParseConfigText(key, key.minimum);
  const auto maximum = ParseConfigText(key, key.maximum);
  SEMPER_CHECK(minimum.ok() && maximum.ok() && *minimum <= *maximum, "limits of ", key.name);
  if (*value < *minimum || *value > *maximum) {
    return absl::InvalidArgumentError(fmt::format(
        "{} (from {}): '{}' is {} the {} of {}; give a value from {} to {}", key.name, source, text,
        *value < *minimum ? "below" : "above", *value < *minimum ? "minimum" : "maximum",
        *value < *minimum ? key.minimum : key.maximum, key.minimum, key.maximum));
  }
  return value;
}

std::string ConfigTable::Help(std::string_view usage) const {
  std::string text = fmt::format(
      "{}\n"
      "Each key is a flag, an environment variable (SEMPER_ and the key in capitals with _), and a "
      "key of the\n"
      "YAML file of --config; a flag goes before the environment, that before the file.\n\n",
      usage);
  for (const ConfigKey& key : keys_) {
    std::string head = fmt::format("  --{}", key.name);
    if (key.type == ConfigType::kBool) {
      head = fmt::format("  --[no-]{}", key.name);
    } else if (key.type != ConfigType::kEnum) {
      head += fmt::format(" {}", TypeWord(key.type));
    }
    std::string facts = fmt::format(" [default: {}", DefaultText(key));
    if (HasRange(key.type) || key.type == ConfigType::kEnum) facts += "; " + Possible(key);
    facts += fmt::format("; {}]", ClassWord(key.when));
    text += Paragraph(head, std::string(key.help) + facts);
  }
  text += "\n";
  text += Paragraph("  --config FILE", "A YAML file with keys of above. SIGHUP reads it again.");
  text += Paragraph("  --check-config", "Read everything, say what is wrong, and end.");
  text += Paragraph("  --print-config-docs", "Print a table of all keys in Markdown.");
  text += Paragraph("  --version", "Print the version.");
  text += Paragraph("  --help", "Print this text.");
  text +=
      "\nlive: changes when the file is read again; restart: when the process starts; logged: "
      "through the log.\n";
  return text;
}

std::string ConfigTable::Markdown() const {
  std::string text =
      "| key | type | default | possible | class | meaning |\n| --- | --- | --- | --- | --- | --- "
      "|\n";
  for (const ConfigKey& key : keys_) {
    std::string help(key.help);
    for (size_t at = 0; (at = help.find('|', at)) != std::string::npos; at += 2)
      help.insert(at, "\\");
    const bool listed = HasRange(key.type) || key.type == ConfigType::kEnum;
    text += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", key.name, TypeWord(key.type),
                        key.fallback.empty() ? "" : fmt::format("`{}`", key.fallback),
                        listed ? Possible(key) : "", ClassWord(key.when), help);
  }
  return text;
}

Config::Config(const ConfigTable& table)
    : table_(&table), sources_(table.keys().size(), "default") {
  for (size_t i = 0; i < table.keys().size(); ++i) values_.push_back(table.fallback(i));
}

const ConfigValue& Config::Get(std::string_view name, ConfigType type) const {
  const auto key = table_->Find(name);
  SEMPER_CHECK(key.has_value(), "no configuration key '", name, "'");
  SEMPER_CHECK(table_->keys()[*key].type == type, "configuration key '", name, "' is of type ",
               TypeWord(table_->keys()[*key].type));
  return values_[*key];
}

bool Config::Bool(std::string_view name) const {
  return std::get<bool>(Get(name, ConfigType::kBool));
}
int64_t Config::Int(std::string_view name) const {
  return std::get<int64_t>(Get(name, ConfigType::kInt));
}
uint64_t Config::Bytes(std::string_view name) const {
  return static_cast<uint64_t>(std::get<int64_t>(Get(name, ConfigType::kBytes)));
}
std::chrono::nanoseconds Config::Duration(std::string_view name) const {
  return std::get<std::chrono::nanoseconds>(Get(name, ConfigType::kDuration));
}
const std::string& Config::Enum(std::string_view name) const {
  return std::get<std::string>(Get(name, ConfigType::kEnum));
}
const std::string& Config::String(std::string_view name) const {
  return std::get<std::string>(Get(name, ConfigType::kString));
}
const std::vector<std::string>& Config::List(std::string_view name) const {
  return std::get<std::vector<std::string>>(Get(name, ConfigType::kList));
}

const std::string& Config::SourceOf(std::string_view name) const {
  const auto key = table_->Find(name);
  SEMPER_CHECK(key.has_value(), "no configuration key '", name, "'");
  return sources_[*key];
}

std::string Config::Text(std::string_view name) const {
  const auto key = table_->Find(name);
  SEMPER_CHECK(key.has_value(), "no configuration key '", name, "'");
  return ConfigValueText(table_->keys()[*key].type, values_[*key]);
}

void Config::Set(size_t key, ConfigValue value, std::string source) {
  SEMPER_CHECK(value.index() == table_->fallback(key).index(), "wrong type for ",
               table_->keys()[key].name);
  values_[key] = std::move(value);
  sources_[key] = std::move(source);
}

}  // namespace semper
