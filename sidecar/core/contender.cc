#include "sidecar/core/contender.h"

#include <algorithm>

namespace semper::core {

namespace {
constexpr uint32_t kPatienceMax = 5;  // 32 times the silence limit
}

void Contender::OnLooked(uint64_t now, bool progressed) {
  if (!looked_ || progressed) progress_ = now;
  if (progressed) claims_in_a_row_ = 0;
  looked_ = true;
  looked_at_ = now;
  if (!broken_) return;
  // What the first look shows may have been written before the stream broke.
  if (!baseline_) {
    baseline_ = true;
    still_since_ = now;
  } else if (progressed) {
    broken_ = false;
  }
}

void Contender::OnOtherClaim(uint64_t now) {
  progress_ = now;
  looked_ = true;
  claims_in_a_row_ = std::min(claims_in_a_row_ + 1, kPatienceMax);
  broken_ = handed_over_ = own_last_ = false;
}

std::optional<uint64_t> Contender::When() const {
  if (!ready() || !looked_) return std::nullopt;
  // The leader that named this member has stopped: nobody is deposed, whatever was lost before.
  if (handed_over_) return 0;
  // On a machine or volume so slow that nobody comes to a seal within the limit, members would
  // depose each other for ever: each further claim without a record behind it doubles the wait.
  const uint64_t silence = options_.silence_nanos << (std::max(claims_in_a_row_, 1u) - 1);
  uint64_t when = progress_ + silence + options_.jitter_nanos;
  if (broken_ && baseline_)
    when = std::min(when, still_since_ + options_.still_nanos + options_.jitter_nanos);
  if (own_last_) when = 0;
  return std::max(when, options_.not_before_nanos);
}

}  // namespace semper::core
