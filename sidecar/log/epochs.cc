#include "sidecar/log/epochs.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "sidecar/log/claims.h"

namespace semper::log {
namespace {

using Body = SegmentReader::Body;

absl::Status Missing(const std::string& path, const std::string& later) {
  return absl::DataLossError(
      absl::StrCat("segment ", path, " is missing or was never begun, but ", later,
                   " of the same epoch is in use; restore the log directory from a backup"));
}

// The headers of one owner's segments; `numbers` ascending.
absl::StatusOr<std::optional<EpochSegments>> ReadHeaders(Disk& disk, const std::string& dir,
                                                         const std::vector<SegmentName>& names,
                                                         OpenMode mode) {
  EpochSegments found{.epoch = names.front().epoch, .nonce = names.front().nonce};
  std::unique_ptr<SegmentReader> newest;
  size_t in_use = names.size();
  for (; in_use > 0; --in_use) {
    auto reader = SegmentReader::Open(disk, dir, names[in_use - 1], mode);
    if (!reader.ok()) return reader.status();
    if ((*reader)->header().has_value()) {
      newest = *std::move(reader);
      break;
    }
  }
  if (newest == nullptr) return std::nullopt;
  for (size_t i = 1; i < in_use; ++i) {
    if (names[i].number == names[i - 1].number + 1) continue;
    const SegmentName missing = found.name(names[i - 1].number + 1);
    return Missing(missing.Path(dir), names[in_use - 1].File());
  }
  auto oldest = SegmentReader::Open(disk, dir, names.front(), mode);
  if (!oldest.ok()) return oldest.status();
  if (!(*oldest)->header().has_value()) return Missing((*oldest)->file(), names[in_use - 1].File());
  found.first = names.front().number;
  found.last = names[in_use - 1].number;
  found.first_header = *(*oldest)->header();
  found.last_header = *newest->header();
  return found;
}

// The seal of an epoch no later segment of which tells it in its header: reads the copies up to it.
// The copies were durable before the seal was written, so that a hole before a seal is damage, and
// a hole before nothing no seal.
absl::StatusOr<std::optional<Seal>> ReadSeal(Disk& disk, const std::string& dir,
                                             const EpochSegments& epoch, OpenMode mode) {
  std::unique_ptr<SegmentReader> before;
  for (uint64_t number = epoch.first; number <= epoch.last; ++number) {
    auto segment = SegmentReader::Open(disk, dir, epoch.name(number), mode);
    if (!segment.ok()) return segment.status();
    const auto& header = (*segment)->header();
    if (!header.has_value()) return Missing((*segment)->file(), epoch.name(epoch.last).File());
    if (before != nullptr) {
      if (absl::Status s = before->CheckGoesOn(*header); !s.ok()) return s;
    }
    while (true) {
      auto record = (*segment)->NextOrEnd(Body::kRead);
      if (!record.ok()) return record.status();
      if ((*segment)->seal().has_value()) return (*segment)->seal();
      if (!record->has_value()) break;
    }
    before = *std::move(segment);
  }
  return std::nullopt;
}

}  // namespace

core::SealSummary Summary(const Seal& seal) {
  return {.base_epoch = seal.base_epoch,
          .base_batches = seal.base_batches,
          .first_void = seal.first_void};
}

absl::StatusOr<std::vector<SegmentName>> ListSegmentNames(Disk& disk, const std::string& dir) {
  auto files = disk.List(absl::StrCat(dir, "/log"));
  if (!files.ok()) return files.status();
  std::vector<SegmentName> names;
  for (const std::string& file : *files) {
    if (const auto name = SegmentName::Parse(file); name.has_value()) names.push_back(*name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<core::Epoch> ReadNewestClaim(Disk& disk, const std::string& dir) {
  auto segments = ListSegmentNames(disk, dir);
  if (!segments.ok()) return segments.status();
  // After the segments, so that the claim of each of them is there.
  auto newest = NewestClaim(disk, dir);
  if (!newest.ok() || segments->empty() || segments->back().epoch <= *newest) return newest;
  return absl::DataLossError(
      absl::StrCat("the newest claim in ", dir, "/claims is that of epoch ", Raw(*newest), ", but ",
                   segments->back().Path(dir),
                   " is of a later one: claims were deleted. Put an empty file in "
                   "the place of each, or restore the directory from a backup"));
}

absl::StatusOr<std::optional<EpochSegments>> ExamineEpoch(Disk& disk, const std::string& dir,
                                                          const std::vector<SegmentName>& names,
                                                          OpenMode mode) {
  std::optional<EpochSegments> found;
  for (auto begin = names.begin(); begin != names.end();) {
    const auto end = std::find_if(begin, names.end(),
                                  [&](const SegmentName& n) { return n.nonce != begin->nonce; });
    auto owned = ReadHeaders(disk, dir, {begin, end}, mode);
    if (!owned.ok()) return owned.status();
    begin = end;
    if (!owned->has_value()) continue;
    if (found.has_value()) {
      return absl::DataLossError(absl::StrCat(
          "epoch ", Raw(found->epoch), " has two owners: ", found->name(found->first).Path(dir),
          " and ", (*owned)->name((*owned)->first).File(),
          "; the file system gave one claim to both, it is unfit for a log. Keep what the newest "
          "checkpoint holds"));
    }
    found = *std::move(owned);
  }
  if (!found.has_value()) return std::nullopt;
  found->seal = found->last_header.seal;
  if (!found->seal.has_value()) {
    auto seal = ReadSeal(disk, dir, *found, mode);
    if (!seal.ok()) return seal.status();
    found->seal = *seal;
  }
  return found;
}

absl::StatusOr<std::vector<EpochSegments>> ExamineEpochs(Disk& disk, const std::string& dir,
                                                         core::Epoch below) {
  auto names = ListSegmentNames(disk, dir);
  if (!names.ok()) return names.status();
  std::vector<EpochSegments> examined;
  std::optional<core::Epoch> base;  // what the last sealed one stands on
  while (!names->empty() && base != core::Epoch{}) {
    const core::Epoch epoch = names->back().epoch;
    const auto begin = std::find_if(names->begin(), names->end(),
                                    [&](const SegmentName& n) { return n.epoch == epoch; });
    const std::vector<SegmentName> of_epoch(begin, names->end());
    names->erase(begin, names->end());
    if (epoch >= below || (base.has_value() && epoch > *base)) continue;  // not yet, or void
    if (base.has_value() && epoch < *base) break;                         // the base itself is gone
    auto found = ExamineEpoch(disk, dir, of_epoch, OpenMode::kReadFresh);
    if (!found.ok()) return found.status();
    if (!found->has_value()) {
      if (base.has_value()) break;
      continue;
    }
    examined.push_back(**found);
    if ((*found)->seal.has_value()) {
      base = (*found)->seal->base_epoch;
    } else if (base.has_value()) {
      break;  // core::PlanHistory says what is wrong
    }
  }
  return examined;
}

}  // namespace semper::log
