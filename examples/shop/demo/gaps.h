// Gaps: the longest that a customer had to wait because of each blow to a member. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

namespace shop::demo {

enum class Blow {
  kCoordinatorKilled,  // SIGKILL
  kServiceKilled,
  kStopped,     // SIGSTOP for coordinator and service, SIGCONT some seconds later
  kSwitchover,  // asked for by semperctl
  kTerminated,  // SIGTERM for the coordinator, which hands over and ends
};
inline constexpr std::array kBlows = {Blow::kCoordinatorKilled, Blow::kServiceKilled,
                                      Blow::kStopped, Blow::kSwitchover, Blow::kTerminated};
const char* NameOf(Blow blow);  // "killed coordinator"

struct Gap {
  double seconds = 0;  // when the blow fell, since the demo began
  bool orders = false;
  bool leader = false;  // what it hit
  Blow blow{};
  double gap_ms = 0;
};

class Gaps {
 public:
  // Writes a line for each gap to the file `csv`, at once.
  explicit Gaps(const std::string& csv);

  void Add(const Gap& gap);
  const std::vector<Gap>& all() const { return all_; }

  // " failover_p50_ms=41.3 failover_p99_ms=88.0": of leaders that were killed, or if none was, of
  // all blows to a leader.
  std::string Figures() const;

  // A line for each kind of blow that fell, for people.
  std::vector<std::string> Lines() const;

 private:
  std::vector<Gap> all_;
  std::ofstream csv_;
};

// The least value that at least `share` (0..1) of the values do not exceed; 0 without values.
double Quantile(std::vector<double> values, double share);

}  // namespace shop::demo
