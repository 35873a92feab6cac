#include "tests/campaign/fault_plan.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace campaign {

namespace {

struct Facts {
  std::string_view name;
  int weight;
  double mean_ms;  // how long it lasts
  double most_ms;
};

// In the order of FaultKind. Pauses and cuts are often longer than the limits of silence (1 s), so
// that a leader wakes up deposed.
constexpr std::array<Facts, kFaultKinds> kFacts = {{
    {"kill-coordinator", 14, 0, 0},
    {"kill-service", 8, 0, 0},
    {"kill-member", 10, 0, 0},
    {"kill-immortal", 2, 0, 0},
    {"pause-coordinator", 10, 1500, 8000},
    {"pause-service", 4, 800, 5000},
    {"pause-member", 6, 1500, 8000},
    {"hold-at-call", 10, 1200, 6000},
    {"freeze-at-call", 8, 1500, 6000},
    {"kill-at-call", 8, 0, 0},
    {"fail-call", 6, 0, 0},
    {"cut-member", 8, 2000, 10000},
    {"cut-pair", 6, 2000, 10000},
    {"cut-one-way", 6, 2000, 10000},
    {"slow-member", 6, 3000, 10000},
    {"shift-clock", 5, 4000, 15000},
    {"fill-volume", 3, 1500, 4000},
    {"kill-replica", 4, 6000, 20000},
    {"cut-from-volume", 10, 3000, 12000},
    {"freeze-volume", 8, 3000, 12000},
}};

const Facts& FactsOf(FaultKind kind) { return kFacts[static_cast<size_t>(kind)]; }

}  // namespace

std::string_view NameOf(FaultKind kind) { return FactsOf(kind).name; }

FaultPlan::FaultPlan(uint64_t seed, std::vector<FaultKind> kinds, std::chrono::milliseconds every)
    : random_(seed), every_(every) {
  for (const FaultKind kind : kinds)
    drawn_from_.insert(drawn_from_.end(), static_cast<size_t>(FactsOf(kind).weight), kind);
}

std::chrono::milliseconds FaultPlan::Exponential(double mean_ms, double most_ms) {
  const double even = static_cast<double>(random_() % 1'000'000 + 1) / 1e6;
  return std::chrono::milliseconds(
      static_cast<int64_t>(std::min(-mean_ms * std::log(even), most_ms)));
}

Fault FaultPlan::Next() {
  Fault fault;
  fault.kind = drawn_from_[random_() % drawn_from_.size()];
  const auto every = static_cast<double>(every_.count());
  fault.pause = Exponential(every, 6 * every);
  const Facts& facts = FactsOf(fault.kind);
  fault.length = std::chrono::milliseconds(20) + Exponential(facts.mean_ms, facts.most_ms);
  fault.immortal = random_();
  fault.at_leader = random_() % 10 < 7;
  fault.draw = random_();
  return fault;
}

}  // namespace campaign
