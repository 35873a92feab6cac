#include "sidecar/core/contender.h"

#include <algorithm>

namespace semper::core {

void Contender::OnLooked(uint64_t now, bool progressed) {
  if (!looked_ || progressed) progress_ = now;
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
  broken_ = handed_over_ = own_last_ = false;
}

std::optional<uint64_t> Contender::When() const {
  if (!ready() || !looked_) return std::nullopt;
  uint64_t when = progress_ + options_.silence_nanos + options_.jitter_nanos;
  if (broken_ && baseline_)
    when = std::min(when, still_since_ + options_.still_nanos + options_.jitter_nanos);
  if (handed_over_ || own_last_) when = 0;
  return std::max(when, options_.not_before_nanos);
}

}  // namespace semper::core
