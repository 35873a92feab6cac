#include "sidecar/core/checkpoint_turn.h"

#include <algorithm>
#include <utility>

namespace semper::core {

namespace {
// A fellow that was late is tried again only after so many: each trial costs the log a limit's
// growth.
constexpr int kPassedOver = 8;
}  // namespace

std::optional<std::string> CheckpointTurn::Look(const View& view,
                                                const std::vector<std::string>& ready) {
  if (!view.due || !began_) began_at_ = view.committed;
  if (view.committed <= began_at_) began_ = view.now;
  const bool over = view.now - *began_ >= view.limit_nanos;
  const bool mine = member_.empty();
  std::optional<std::string> late;
  if (over && !mine) {
    late = member_;
    passed_over_[member_] = kPassedOver;
  } else if (!mine && std::ranges::count(ready, member_) > 0) {
    return late;
  }
  auto next = std::ranges::find_if(
      ready, [&](const std::string& fellow) { return !passed_over_.contains(fellow); });
  if (over && mine && next == ready.end() && !ready.empty()) {
    late = member_;
    OnOwnFailed();
    next = ready.begin();
  }
  const std::string before = std::exchange(member_, next == ready.end() ? "" : *next);
  if (member_ != before) {
    began_ = view.now;
    began_at_ = view.committed;
  }
  return late;
}

void CheckpointTurn::OnCheckpoint(const std::string& by) {
  passed_over_.erase(by);
  for (auto& [fellow, checkpoints] : passed_over_) --checkpoints;
  std::erase_if(passed_over_, [](const auto& fellow) { return fellow.second == 0; });
}

}  // namespace semper::core
