#include "tests/fault/ledger.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace semper::fault {

void Ledger::Writing(uint64_t first_index, LoggedFrame frame) {
  written_[first_index].insert(frame);
  pending_[first_index] = std::move(frame);
}

void Ledger::Acknowledged(uint64_t last_index, const Chain& chain) {
  while (!pending_.empty() && pending_.begin()->first <= last_index) {
    answered_.insert(pending_.extract(pending_.begin()));
  }
  answered_chains_[last_index] = chain;
  acknowledged_ = last_index;
}

void Ledger::Published(checkpoint::CheckpointId id, const Chain& chain) { published_[id] = chain; }

void Ledger::CompareGenesis(const core::Incarnation& incarnation) {
  if (incarnation_.has_value() && *incarnation_ != incarnation) {
    Violation("the genesis has another incarnation than the one that was created");
  }
}

void Ledger::CompareLog(const LogContents& log,
                        const std::optional<checkpoint::CheckpointId>& checkpoint) {
  const uint64_t first = core::Raw(log.first_index);
  const uint64_t covered = checkpoint.has_value() ? core::Raw(checkpoint->index) : 0;
  if (covered + 1 < first) {
    Violation(absl::StrCat("the log begins at ", first, ", the newest checkpoint is at ", covered));
  }
  if (core::Raw(log.last_index) < acknowledged_) {
    Violation(absl::StrCat("inputs up to ", acknowledged_, " were acknowledged, the log ends at ",
                           core::Raw(log.last_index)));
  }
  for (const auto& [index, frame] : answered_) {
    if (index < first) continue;
    const auto found = log.frames.find(index);
    if (found == log.frames.end() || found->second != frame) {
      Violation(absl::StrCat("the acknowledged frame at index ", index, " is ",
                             found == log.frames.end() ? "missing" : "another one"));
    }
  }
  for (const auto& [index, chain] : answered_chains_) {
    if (index < first) continue;
    const auto found = log.chains.find(index);
    if (found == log.chains.end() || found->second != chain) {
      Violation(absl::StrCat("the chain after the acknowledged index ", index, " differs"));
    }
  }
  for (const auto& [index, frame] : log.frames) {
    const auto tried = written_.find(index);
    if (tried == written_.end() || !tried->second.contains(frame)) {
      Violation(absl::StrCat("at index ", index, " stands what nobody ever wrote there"));
    }
  }
  if (!published_.empty()) {
    const auto newest = published_.rbegin()->first;
    if (!checkpoint.has_value() || *checkpoint < newest) {
      Violation(absl::StrCat("the published checkpoint at ", core::Raw(newest.index),
                             " does not load any more"));
    }
  }
}

void Ledger::Adopt(const LogContents& log) {
  pending_.clear();
  for (const auto& [index, frame] : log.frames) answered_[index] = frame;
  for (const auto& [index, chain] : log.chains) answered_chains_[index] = chain;
  acknowledged_ = core::Raw(log.last_index);
}

}  // namespace semper::fault
