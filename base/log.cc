#include "base/log.h"

#include <poll.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cmath>
#include <memory>
#include <mutex>
#include <utility>

namespace semper {
namespace {

// A pipe that poll(2) calls writable takes this much without blocking (PIPE_BUF).
constexpr size_t kLineBytesMax = 4096;
constexpr size_t kTextBytesMax = 3072;

constexpr spdlog::level::level_enum kSpdlogLevels[] = {spdlog::level::debug, spdlog::level::info,
                                                       spdlog::level::warn, spdlog::level::err,
                                                       spdlog::level::off};
constexpr std::string_view kLevelNames[] = {"debug", "info", "warning", "error", "off"};
constexpr std::string_view kFormatNames[] = {"text", "json"};
constexpr char kTextPattern[] = "%Y-%m-%dT%H:%M:%S.%fZ %L %v";
constexpr char kJsonPattern[] = "{\"time\":\"%Y-%m-%dT%H:%M:%S.%fZ\",%v}";

std::atomic<LogLevel> lowest_level{LogLevel::kInfo};

// The lock of base_sink makes lines whole; poll makes sure that nobody waits under it.
class StderrSink final : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (!Writable()) {
      ++lost_;
      return;
    }
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    if (line.size() > kLineBytesMax) {
      line.resize(kLineBytesMax);
      line[kLineBytesMax - 1] = '\n';
    }
    if (lost_ > 0) {
      const uint64_t lost = std::exchange(lost_, 0);
      const std::string note = fmt::format("(stderr was stuck: {} lines lost)\n", lost);
      (void)!write(STDERR_FILENO, note.data(), note.size());
      if (!Writable()) {
        lost_ = 1;
        return;
      }
    }
    (void)!write(STDERR_FILENO, line.data(), line.size());
  }
  void flush_() override {}

 private:
  static bool Writable() {
    pollfd stderr_ready{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
    int count;
    do {
      count = poll(&stderr_ready, 1, 0);
    } while (count < 0 && errno == EINTR);
    return count < 0 || (stderr_ready.revents & POLLOUT) != 0;
  }

  uint64_t lost_ = 0;
};

void AppendJsonText(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

// A line stays a line, and terminals get no escape sequences from data.
void AppendPlainText(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
}

struct AppendValue {
  std::string& out;
  LogFormat format;

  void operator()(bool value) const { out += value ? "true" : "false"; }
  void operator()(int64_t value) const { out += std::to_string(value); }
  void operator()(uint64_t value) const { out += std::to_string(value); }
  void operator()(double value) const {
    out += std::isfinite(value) || format == LogFormat::kText ? fmt::format("{}", value) : "null";
  }
  void operator()(const std::string& value) const {
    const bool plain = !value.empty() && value.find_first_of(" \"=\n") == std::string::npos;
    if (format == LogFormat::kText && plain) {
      AppendPlainText(out, value);
    } else {
      AppendJsonText(out, value);
    }
  }
};

class Logger {
 public:
  Logger() : sink_(std::make_shared<StderrSink>()), logger_("semper", sink_) {
    logger_.set_level(spdlog::level::trace);
    SetFormat(LogFormat::kText);
  }

  void SetFormat(LogFormat format) {
    const char* const pattern = format == LogFormat::kText ? kTextPattern : kJsonPattern;
    logger_.set_formatter(
        std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc, "\n"));
    format_.store(format, std::memory_order_relaxed);
  }

  void SetProcessFields(LogFields fields) { process_fields_ = std::move(fields); }

  void Write(LogLevel level, const LogFields& fields, std::string_view text) {
    const LogFormat format = format_.load(std::memory_order_relaxed);
    const bool cut = text.size() > kTextBytesMax;
    std::string line;
    if (format == LogFormat::kJson) {
      line += R"("level":")";
      line += kLevelNames[static_cast<int>(level)];
      line += R"(","message":)";
      AppendJsonText(line, cut ? std::string(text.substr(0, kTextBytesMax)) + " …" : text);
    } else {
      AppendPlainText(line, text.substr(0, kTextBytesMax));
      if (cut) line += " …";
    }
    AppendFields(line, format, fields);
    AppendFields(line, format, process_fields_);
    logger_.log(kSpdlogLevels[static_cast<int>(level)], std::string_view(line));
  }

 private:
  static void AppendFields(std::string& line, LogFormat format, const LogFields& fields) {
    for (const LogField& field : fields) {
      if (format == LogFormat::kJson) {
        line += ',';
        AppendJsonText(line, field.name);
        line += ':';
      } else {
        line += ' ';
        line += field.name;
        line += '=';
      }
      std::visit(AppendValue{line, format}, field.value);
    }
  }

  std::shared_ptr<StderrSink> sink_;
  spdlog::logger logger_;
  std::atomic<LogFormat> format_{LogFormat::kText};
  LogFields process_fields_;
};

// Never destroyed: threads may log while the process exits.
Logger& TheLogger() {
  static Logger& logger = *new Logger;
  return logger;
}

template <typename Enum, size_t kCount>
std::optional<Enum> Parse(std::string_view name, const std::string_view (&names)[kCount]) {
  for (size_t i = 0; i < kCount; ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

}  // namespace

void SetLogLevel(LogLevel level) { lowest_level.store(level, std::memory_order_relaxed); }

bool LogEnabled(LogLevel level) { return level >= lowest_level.load(std::memory_order_relaxed); }

void SetLogFormat(LogFormat format) { TheLogger().SetFormat(format); }

std::optional<LogLevel> ParseLogLevel(std::string_view name) {
  return Parse<LogLevel>(name, kLevelNames);
}

std::optional<LogFormat> ParseLogFormat(std::string_view name) {
  return Parse<LogFormat>(name, kFormatNames);
}

void SetProcessLogFields(LogFields fields) { TheLogger().SetProcessFields(std::move(fields)); }

void WriteLog(LogLevel level, const LogFields& fields, std::string_view text) {
  TheLogger().Write(level, fields, text);
}

}  // namespace semper
