#include "base/config_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

namespace semper {
namespace {

struct Unit {
  std::string_view name;
  int64_t factor;
};
// From large to small.
constexpr std::array<Unit, 5> kBytesUnits = {{{"TiB", int64_t{1} << 40},
                                              {"GiB", int64_t{1} << 30},
                                              {"MiB", int64_t{1} << 20},
                                              {"KiB", int64_t{1} << 10},
                                              {"B", 1}}};
constexpr std::array<Unit, 6> kDurationUnits = {{{"h", 3'600'000'000'000},
                                                 {"m", 60'000'000'000},
                                                 {"s", 1'000'000'000},
                                                 {"ms", 1'000'000},
                                                 {"us", 1'000},
                                                 {"ns", 1}}};

constexpr std::string_view kBytesHint =
    "write a whole number with B, KiB, MiB, GiB or TiB, such as 64MiB";
constexpr std::string_view kDurationHint =
    "write whole numbers with ns, us, ms, s, m or h, such as 250ms or 1m30s";

template <typename... Args>
absl::Status Wrong(fmt::format_string<Args...> format, Args&&... args) {
  return absl::InvalidArgumentError(fmt::format(format, std::forward<Args>(args)...));
}

// A number at the front of `text`, which loses it; nothing if there is none or it is too large.
std::optional<int64_t> TakeNumber(std::string_view& text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

// Sums of number and unit, such as "1m30s"; units must get smaller.
template <size_t kCount>
absl::StatusOr<int64_t> ParseUnits(std::string_view text, const std::array<Unit, kCount>& units,
                                   bool several, std::string_view hint) {
  if (text == "0") return 0;
  int64_t sum = 0;
  auto unit = units.begin();
  do {
    const std::optional<int64_t> number = TakeNumber(text);
    if (!number.has_value() || *number < 0) return Wrong("is no size that fits here; {}", hint);
    const size_t length = std::min(text.find_first_of("0123456789"), text.size());
    const std::string_view name = text.substr(0, length);
    if (name.empty()) return Wrong("has no unit; {}", hint);
    unit = std::find_if(unit, units.end(), [&](const Unit& one) { return one.name == name; });
    if (unit == units.end()) return Wrong("has an unknown unit '{}'; {}", name, hint);
    if (*number > (std::numeric_limits<int64_t>::max() - sum) / unit->factor) {
      return Wrong("is too large; {}", hint);
    }
    sum += *number * unit->factor;
    text.remove_prefix(length);
    ++unit;
  } while (several && !text.empty());
  if (!text.empty()) return Wrong("goes on after its unit; {}", hint);
  return sum;
}

template <size_t kCount>
std::string UnitsText(int64_t value, const std::array<Unit, kCount>& units, bool several) {
  if (value == 0) return "0";
  std::string text;
  for (const Unit& unit : units) {
    if (several ? value < unit.factor : value % unit.factor != 0) continue;
    text += fmt::format("{}{}", value / unit.factor, unit.name);
    value %= unit.factor;
    if (value == 0) break;
  }
  return text;
}

absl::StatusOr<ConfigValue> ParseBool(std::string_view text) {
  for (const std::string_view yes : {"true", "yes", "on"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"false", "no", "off"}) {
    if (text == no) return false;
  }
  return Wrong("is neither true nor false");
}

absl::StatusOr<ConfigValue> ParseEnum(const ConfigKey& key, std::string_view text) {
  const auto found = std::find(key.values.begin(), key.values.end(), text);
  if (found != key.values.end()) return std::string(text);
  const std::string_view near = NearestName(text, key.values);
  if (!near.empty())
    return Wrong("is none of {}; did you mean '{}'?", fmt::join(key.values, ", "), near);
  return Wrong("is none of {}", fmt::join(key.values, ", "));
}

std::vector<std::string> ParseList(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    std::string_view part = text.substr(0, comma);
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

// Number of letters to add, remove, change or swap with a neighbour.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> above(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, above);
    std::swap(above, row);
  }
  return above[b.size()];
}

}  // namespace

absl::StatusOr<ConfigValue> ParseConfigText(const ConfigKey& key, std::string_view text) {
  switch (key.type) {
    case ConfigType::kBool:
      return ParseBool(text);
    case ConfigType::kInt: {
      std::string_view rest = text;
      const std::optional<int64_t> number = TakeNumber(rest);
      if (!number.has_value() || !rest.empty()) return Wrong("is no whole number");
      return *number;
    }
    case ConfigType::kBytes: {
      const auto bytes = ParseUnits(text, kBytesUnits, false, kBytesHint);
      if (!bytes.ok()) return bytes.status();
      return *bytes;
    }
    case ConfigType::kDuration: {
      const auto span = ParseUnits(text, kDurationUnits, true, kDurationHint);
      if (!span.ok()) return span.status();
      return std::chrono::nanoseconds(*span);
    }
    case ConfigType::kEnum:
      return ParseEnum(key, text);
    case ConfigType::kString:
      return std::string(text);
    case ConfigType::kList:
      return ParseList(text);
  }
  return absl::InternalError("unknown type");
}

std::string ConfigValueText(ConfigType type, const ConfigValue& value) {
  switch (type) {
    case ConfigType::kBool:
      return std::get<bool>(value) ? "true" : "false";
    case ConfigType::kInt:
      return fmt::format("{}", std::get<int64_t>(value));
    case ConfigType::kBytes:
      return UnitsText(std::get<int64_t>(value), kBytesUnits, false);
    case ConfigType::kDuration:
      return UnitsText(std::get<std::chrono::nanoseconds>(value).count(), kDurationUnits, true);
    case ConfigType::kEnum:
    case ConfigType::kString:
      return std::get<std::string>(value);
    case ConfigType::kList:
      return fmt::format("{}", fmt::join(std::get<std::vector<std::string>>(value), ","));
  }
  return "";
}

std::string_view NearestName(std::string_view name, const std::vector<std::string_view>& names) {
  std::string_view nearest;
  size_t distance = std::max<size_t>(2, name.size() / 4) + 1;
  for (const std::string_view one : names) {
    const size_t between = EditDistance(name, one);
    if (between < distance && between < one.size()) {
      distance = between;
      nearest = one;
    }
  }
  return nearest;
}

}  // namespace semper
