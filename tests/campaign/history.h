// Histories: what one client asked, and what it was told when. The checker believes nothing else.
//
// A file of lines, in the order of time (microseconds of one monotonic clock for all clients):
//   i <time> <operation>        it was invoked (operation.h has the format)
//   o|r|u <time> <id> …         its fate: ok with two results, refused, unknown
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/campaign/operation.h"

namespace campaign {

// Writes one history. One thread.
class HistoryWriter {
 public:
  // NOT_FOUND and the like if the file cannot be made.
  absl::Status Open(const std::string& path);
  void Invoked(int64_t time_us, const Operation& operation);
  void Ended(int64_t time_us, const Answer& answer);
  absl::Status Close();  // an error if anything could not be written

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Closer> file_;
  std::string path_;
};

// One operation of a history. Without an end its fate is unknown.
struct Record {
  Operation operation;
  int64_t invoked_us = 0;
  int64_t ended_us = INT64_MAX;
  Fate fate = Fate::kUnknown;
  uint64_t first = 0;
  uint64_t second = 0;
};

// Appends what the text of a history says to `records`. INVALID_ARGUMENT names the line that is not
// understood, ends what was not invoked, or invokes or ends something twice.
absl::Status ParseHistory(const std::string& text, std::vector<Record>& records);

}  // namespace campaign
