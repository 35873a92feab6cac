#include "tests/campaign/history.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <unordered_map>

namespace campaign {

absl::Status HistoryWriter::Open(const std::string& path) {
  path_ = path;
  file_.reset(std::fopen(path.c_str(), "we"));
  if (file_ != nullptr) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, fmt::format("cannot make the history {}", path));
}

void HistoryWriter::Invoked(int64_t time_us, const Operation& operation) {
  const std::string line = fmt::format("i {} {}\n", time_us, FormatOperation(operation));
  std::fwrite(line.data(), 1, line.size(), file_.get());
}

void HistoryWriter::Ended(int64_t time_us, const Answer& answer) {
  std::string line = FormatAnswer(answer);
  line.insert(2, fmt::format("{} ", time_us));
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), file_.get());
}

absl::Status HistoryWriter::Close() {
  const bool written = std::ferror(file_.get()) == 0;
  if (std::fclose(file_.release()) == 0 && written) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("the history {} could not be written whole: {}", path_, std::strerror(errno)));
}

absl::Status ParseHistory(const std::string& text, std::vector<Record>& records) {
  std::unordered_map<uint64_t, size_t> by_id;
  std::string_view rest = text;
  for (size_t number = 1; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string line(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const auto bad = [&](std::string_view what) {
      return absl::InvalidArgumentError(
          fmt::format("line {} of a history, \"{}\", {}", number, line, what));
    };
    char* after = nullptr;
    const int64_t time = line.size() < 3 ? 0 : std::strtoll(line.c_str() + 2, &after, 10);
    if (after == nullptr || *after != ' ') return bad("has no time");
    if (line[0] == 'i') {
      const std::optional<Operation> operation = ParseOperation(after + 1);
      if (!operation) return bad("is not understood");
      if (!by_id.emplace(operation->id, records.size()).second) return bad("invokes an id again");
      records.push_back({.operation = *operation, .invoked_us = time});
      continue;
    }
    const std::optional<Answer> answer = ParseAnswer(line.substr(0, 1) + after);
    if (!answer) return bad("is not understood");
    const auto found = by_id.find(answer->id);
    if (found == by_id.end()) return bad("ends what was not invoked");
    Record& record = records[found->second];
    if (record.ended_us != INT64_MAX) return bad("ends what has ended");
    record.ended_us = time;
    record.fate = answer->fate;
    record.first = answer->first;
    record.second = answer->second;
  }
  return absl::OkStatus();
}

}  // namespace campaign
