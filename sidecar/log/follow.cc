// What a standby reads besides the records: which seal is committed, and what the log states.
#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "sidecar/log/epochs.h"
#include "sidecar/log/history.h"
#include "sidecar/log/segment_reader.h"

namespace semper::log {
namespace {

// Does any record of this epoch state that its seal is committed? The newest segments state most.
absl::StatusOr<bool> IsSealCommitted(Disk& disk, const std::string& dir, const EpochRange& range) {
  auto names = ListSegmentNames(disk, dir);
  if (!names.ok()) return names.status();
  for (auto name = names->rbegin(); name != names->rend(); ++name) {
    if (name->epoch != range.epoch || name->nonce != range.nonce) continue;
    Lookout lookout(disk, dir, {.epoch = name->epoch, .nonce = name->nonce, .number = name->number},
                    OpenMode::kReadFresh);
    auto stated = lookout.Look();
    if (!stated.ok()) return stated.status();
    if (stated->committed > 0) return true;
  }
  return false;
}

absl::StatusOr<std::optional<History>> ResolveCommittedOnce(Disk& disk, const std::string& dir,
                                                            core::Epoch below,
                                                            core::Epoch known_epoch) {
  while (true) {
    auto history = ResolveHistory(disk, dir, below);
    if (!history.ok()) return history.status();
    if (history->ranges.empty()) return std::nullopt;
    const EpochRange& newest = history->ranges.back();
    if (newest.epoch == known_epoch) return *std::move(history);
    auto committed = IsSealCommitted(disk, dir, newest);
    if (!committed.ok()) return committed.status();
    if (*committed) return *std::move(history);
    below = newest.epoch;
  }
}

}  // namespace

absl::StatusOr<std::optional<History>> ResolveCommitted(Disk& disk, const std::string& dir,
                                                        core::Epoch below,
                                                        core::Epoch known_epoch) {
  return RetryWhenVanished(
      disk, [&](Disk& look) { return ResolveCommittedOnce(look, dir, below, known_epoch); });
}

Lookout::Lookout(Disk& disk, std::string dir, const LogPlace& begin, OpenMode mode)
    : disk_(disk), dir_(std::move(dir)), place_(begin), mode_(mode) {}

Lookout::~Lookout() = default;

absl::StatusOr<Stated> Lookout::Look() {
  if (segment_ == nullptr) {
    auto first =
        SegmentReader::Open(disk_, dir_, {place_.epoch, place_.nonce, place_.number}, mode_);
    if (!first.ok()) return first.status();
    if (!(*first)->header().has_value()) return stated_;
    segment_ = *std::move(first);
    if (place_.offset != 0) segment_->Seek(place_);
  }
  const Stated before = stated_;
  segment_->Refresh();
  while (true) {
    auto record = segment_->Next(SegmentReader::Body::kSkip);
    if (!record.ok()) return record.status();
    if (record->has_value()) {
      const RecordHeader& h = (*record)->header;
      if (h.copied) continue;
      stated_.committed = std::max(stated_.committed, h.committed);
      stated_.seen = Raw(h.batch) + 1;
      continue;
    }
    const SegmentName& name = segment_->name();
    auto next = SegmentReader::Open(disk_, dir_, {name.epoch, name.nonce, name.number + 1}, mode_);
    if (!next.ok() && !absl::IsNotFound(next.status())) return next.status();
    if (next.ok() && (*next)->header().has_value() &&
        (*next)->header()->first_batch == segment_->next_batch()) {
      segment_ = *std::move(next);
      continue;
    }
    if (stated_.seen != before.seen) return stated_;
    // The end, or a file that retention has removed.
    const absl::Status there = disk_.Open(segment_->file(), mode_).status();
    return there.ok() ? absl::StatusOr<Stated>(stated_) : there;
  }
}

}  // namespace semper::log
