#include "sidecar/log/retention.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "sidecar/log/epochs.h"
#include "sidecar/log/recycling.h"

namespace semper::log {
namespace {

using Segments = std::vector<SegmentInfo>;

const EpochRange* FindRange(const History& history, const SegmentInfo& segment) {
  for (const EpochRange& range : history.ranges) {
    if (range.epoch == segment.epoch && range.nonce == segment.nonce) return &range;
  }
  return nullptr;
}

// Does it hold records of the history? (Unused ones, the ends of deposed epochs and void epochs do
// not.)
bool Counts(const History& history, const SegmentInfo& segment) {
  const EpochRange* range = FindRange(history, segment);
  return range != nullptr && segment.used && segment.first_batch < range->batches_end;
}

// A later segment from whose beginning on everything is retained without `segment`. In the own
// epoch it must prove something: as long as nothing is proven, a successor copies the epoch whole,
// and the beginning of a segment that holds only copies, or that begins with the seal, proves
// nothing.
bool CanGoOnAt(const SegmentInfo& later, const History& history, core::Epoch own) {
  if (!later.problem.empty()) return true;  // for it to be looked at, and refused
  return Counts(history, later) && (later.epoch != own || later.first_batch > 0);
}

}  // namespace

absl::StatusOr<Segments> ListSegments(Disk& disk, const std::string& dir) {
  auto names = ListSegmentNames(disk, dir);
  if (!names.ok()) return names.status();
  Segments segments;
  for (const SegmentName& name : *names) {
    SegmentInfo info{
        .file = name.File(), .epoch = name.epoch, .nonce = name.nonce, .number = name.number};
    auto reader = SegmentReader::Open(disk, dir, name, OpenMode::kReadFresh);
    if (absl::IsNotFound(reader.status())) continue;  // removed since the listing
    if (!reader.ok()) {
      info.problem = std::string(reader.status().message());
    } else {
      auto bytes = (*reader)->FileBytes();
      if (!bytes.ok()) return bytes.status();
      info.bytes = *bytes;
      const auto& header = (*reader)->header();
      info.used = header.has_value();
      if (info.used) info.next_index = header->next_index;
      if (info.used) info.first_batch = header->first_batch;
    }
    segments.push_back(std::move(info));
  }
  return segments;
}

Segments PlanTruncation(const Segments& segments, const History& history, core::Epoch own,
                        core::Index oldest) {
  SEMPER_CHECK(!history.ranges.empty() && history.ranges.back().epoch == own,
               "truncation by epoch ", Raw(own), " with a history that does not end in it");
  Segments plan;
  bool stays = false;
  for (auto s = segments.begin(); s != segments.end(); ++s) {
    // Perhaps it can be read the next time: what is behind it must not go before it, or history has
    // a hole.
    if (s->epoch > own || !s->problem.empty()) break;
    if (!Counts(history, *s)) {
      // A deposed writer that sleeps may still begin a segment behind it, which would be a hole
      // where others of its epoch stay: those that count come first, and the last of them has just
      // been looked at.
      const bool behind_one = stays && FindRange(history, *s) != nullptr;
      if (s->epoch < own && !behind_one) plan.push_back(*s);
      continue;
    }
    const auto next = std::find_if(s + 1, segments.end(), [&](const SegmentInfo& later) {
      return CanGoOnAt(later, history, own);
    });
    // Once one stays all behind it stay, or history has a hole.
    stays =
        stays || next == segments.end() || !next->problem.empty() || next->next_index > oldest + 1;
    if (!stays) plan.push_back(*s);
  }
  return plan;
}

absl::StatusOr<uint64_t> Truncate(Disk& disk, const std::string& dir, const Segments& segments,
                                  const std::optional<ReusePolicy>& reuse) {
  uint64_t freed_bytes = 0;
  size_t aside = 0;
  if (reuse.has_value()) {
    const auto count = CountAside(disk, dir, *reuse);
    if (!count.ok()) return count.status();
    aside = *count;
  }
  for (const SegmentInfo& segment : segments) {
    if (reuse.has_value() && aside < reuse->files_max) {
      const auto kept = SetAside(disk, dir, segment, *reuse);
      if (!kept.ok()) return kept.status();
      if (*kept) {
        ++aside;
        continue;
      }
    }
    const absl::Status removed = disk.Remove(absl::StrCat(dir, "/log/", segment.file));
    if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
    if (absl::Status s = SettleGone(disk, dir, segment.file); !s.ok()) return s;
    freed_bytes += segment.bytes;
  }
  return freed_bytes;
}

}  // namespace semper::log
