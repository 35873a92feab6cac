#include "sidecar/admin/lag_meter.h"

#include <algorithm>

namespace semper::admin {
namespace {

constexpr std::chrono::milliseconds kSpacing{50};
constexpr size_t kWordsMax = 1024;  // nearly a minute; behind by more, the oldest words still count

}  // namespace

void LagMeter::Told(std::chrono::nanoseconds now, uint64_t committed, uint64_t applied) {
  while (!words_.empty() && words_.front().committed <= applied) words_.pop_front();
  if (committed <= applied) return;
  if (!words_.empty()) {
    if (committed <= words_.back().committed) return;
    if (now - words_.back().at < kSpacing || words_.size() == kWordsMax) return;
  }
  words_.push_back({now, committed});
}

double LagMeter::Seconds(std::chrono::nanoseconds now, uint64_t applied) const {
  const auto oldest = std::ranges::upper_bound(words_, applied, {}, &Word::committed);
  return oldest == words_.end() ? 0 : std::chrono::duration<double>(now - oldest->at).count();
}

}  // namespace semper::admin
