#include "sidecar/core/reach.h"

#include <algorithm>

namespace semper::core {

void Reach::OnHeard(uint64_t now) {
  heard_ = now;
  old_.reset();
}

// Who looks for a leader knocks about once a second (peer/timing.h).
bool Reach::MayReport(uint64_t now) {
  if (!heard_ || now > *heard_ + 2 * silence_ || now <= leader_ + silence_ || now < next_)
    return false;
  next_ = now + silence_;
  return true;
}

bool Reach::MayLook(uint64_t now) {
  if (heard_ && now <= *heard_ + silence_) return false;
  if (now < next_) return false;
  next_ = now + silence_;
  return true;
}

std::string Reach::Judge(uint64_t now, Epoch own, const std::vector<ReachReport>& reports) {
  if (heard_ && now <= *heard_ + silence_) return "";  // meanwhile
  if (!old_) {
    old_ = reports;
    return "";
  }
  for (const ReachReport& report : reports) {
    if (report.epoch != own || std::find(old_->begin(), old_->end(), report) != old_->end())
      continue;
    return report.member;
  }
  return "";
}

}  // namespace semper::core
