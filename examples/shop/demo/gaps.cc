#include "examples/shop/demo/gaps.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "examples/shop/demo/stack.h"

namespace shop::demo {

const char* NameOf(Blow blow) {
  switch (blow) {
    case Blow::kCoordinatorKilled:
      return "killed coordinator";
    case Blow::kServiceKilled:
      return "killed service";
    case Blow::kStopped:
      return "stopped";
    case Blow::kSwitchover:
      return "switchover";
    case Blow::kTerminated:
      return "terminated";
  }
  return "";
}

Gaps::Gaps(const std::string& csv) : csv_(csv) {
  csv_ << "kill,seconds,immortal,role,kind,gap_ms" << std::endl;
}

void Gaps::Add(const Gap& gap) {
  all_.push_back(gap);
  csv_ << fmt::format("{},{:.3f},{},{},{},{:.2f}", all_.size(), gap.seconds,
                      ImmortalName(gap.orders), gap.leader ? "leader" : "standby", NameOf(gap.blow),
                      gap.gap_ms)
       << std::endl;
}

std::string Gaps::Figures() const {
  std::vector<double> killed, others;
  for (const Gap& gap : all_) {
    if (!gap.leader) continue;
    const bool kill = gap.blow == Blow::kCoordinatorKilled || gap.blow == Blow::kServiceKilled;
    (kill ? killed : others).push_back(gap.gap_ms);
  }
  const std::vector<double>& chosen = killed.empty() ? others : killed;
  return fmt::format(" failover_p50_ms={:.1f} failover_p99_ms={:.1f}", Quantile(chosen, 0.5),
                     Quantile(chosen, 0.99));
}

std::vector<std::string> Gaps::Lines() const {
  std::vector<std::string> lines;
  for (const bool leader : {true, false}) {
    for (const Blow blow : kBlows) {
      std::vector<double> times;
      for (const Gap& gap : all_) {
        if (gap.leader == leader && gap.blow == blow) times.push_back(gap.gap_ms);
      }
      if (times.empty()) continue;
      lines.push_back(fmt::format(
          "longest wait after {} of a {}: p50 {:.1f} ms, p99 {:.1f} ms, max {:.1f} ms, {} times",
          NameOf(blow), leader ? "leader" : "standby", Quantile(times, 0.5), Quantile(times, 0.99),
          Quantile(times, 1), times.size()));
    }
  }
  return lines;
}

double Quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(values.size())));
  return values[std::clamp<size_t>(rank, 1, values.size()) - 1];
}

}  // namespace shop::demo
