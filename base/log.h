// Log lines to stderr, as text or JSON.
//
//   SEMPER_LOG(kWarning, "peer {} does not answer since {} ms", name, waited);
//   SEMPER_LOG_FIELDS(kInfo, (LogFields{{"epoch", epoch}, {"nonce", nonce}}), "claimed");
//
// Levels are kDebug, kInfo, kWarning, kError; the arguments are evaluated only if the level is on.
// Threads: any. A line is one write(2) of at most 4 KiB, made only when stderr takes it at once: a
// stuck reader of stderr costs lines, which are counted and reported, and never holds a thread.
// Nothing is ever written to a file of the volume.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

namespace semper {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };  // kOff: for SetLogLevel only
enum class LogFormat { kText, kJson };

// Lines below this level are dropped; kInfo at the start. May be called at any time.
void SetLogLevel(LogLevel level);
bool LogEnabled(LogLevel level);
void SetLogFormat(LogFormat format);  // kText at the start

// "debug", "info", "warning", "error", "off"; nothing for other names.
std::optional<LogLevel> ParseLogLevel(std::string_view name);
std::optional<LogFormat> ParseLogFormat(std::string_view name);  // "text", "json"

// A fact beside the text: `name=value` in text, a member of the object in JSON.
struct LogField {
  template <typename T>
  LogField(std::string_view field_name,
           const T& field_value)  // NOLINT(google-explicit-constructor)
      : name(field_name) {
    if constexpr (std::is_same_v<T, bool>) {
      value = field_value;
    } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
      value = static_cast<int64_t>(field_value);
    } else if constexpr (std::is_integral_v<T>) {
      value = static_cast<uint64_t>(field_value);
    } else if constexpr (std::is_floating_point_v<T>) {
      value = static_cast<double>(field_value);
    } else {
      value = std::string(std::string_view(field_value));
    }
  }

  std::string name;
  std::variant<bool, int64_t, uint64_t, double, std::string> value;
};
using LogFields = std::vector<LogField>;

// Fields that every later line of the process gets, such as the name of the immortal. Before other
// threads log.
void SetProcessLogFields(LogFields fields);

// What the macros end in. Texts above 3 KiB are cut.
void WriteLog(LogLevel level, const LogFields& fields, std::string_view text);

}  // namespace semper

#define SEMPER_LOG_FIELDS(level, fields, ...)                                            \
  do {                                                                                   \
    if (::semper::LogEnabled(::semper::LogLevel::level)) {                               \
      ::semper::WriteLog(::semper::LogLevel::level, fields, ::fmt::format(__VA_ARGS__)); \
    }                                                                                    \
  } while (false)

#define SEMPER_LOG(level, ...) SEMPER_LOG_FIELDS(level, ::semper::LogFields{}, __VA_ARGS__)
