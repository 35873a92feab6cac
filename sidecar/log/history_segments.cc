#include "sidecar/log/history_segments.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "sidecar/log/epochs.h"

namespace semper::log {

absl::StatusOr<std::optional<SegmentHeader>> HistorySegments::ReadHeader(const SegmentName& name) {
  auto reader = SegmentReader::Open(*disk_, dir_, name, mode_);
  if (!reader.ok()) return reader.status();
  return (*reader)->header();
}

absl::StatusOr<SegmentHeader> HistorySegments::Header(size_t i) {
  SEMPER_CHECK(i < places_.size(), "segment ", i, " of ", places_.size());
  Place& place = places_[i];
  if (!place.header.has_value()) {
    auto header = ReadHeader(place.name);
    if (!header.ok()) return header.status();
    if (!header->has_value()) {
      return absl::DataLossError(
          absl::StrCat("segment ", place.name.Path(dir_),
                       " was never begun, but a later one of its epoch is in use; restore the "
                       "log directory from a backup"));
    }
    place.header = *std::move(header);
  }
  return *place.header;
}

// Takes off segments never used, and those that begin beyond what counts of their epoch.
absl::Status HistorySegments::TrimEnd(std::vector<Place>& places, uint64_t batches_end) {
  for (; !places.empty(); places.pop_back()) {
    auto header = ReadHeader(places.back().name);
    if (!header.ok()) return header.status();
    if (header->has_value() && (*header)->first_batch < batches_end) {
      places.back().header = *std::move(header);
      break;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<HistorySegments> HistorySegments::List(Disk& disk, const std::string& dir,
                                                      const History& history, OpenMode mode) {
  auto names = ListSegmentNames(disk, dir);
  if (!names.ok()) return names.status();
  HistorySegments segments(disk, dir, mode);
  for (size_t r = 0; r < history.ranges.size(); ++r) {
    const EpochRange& range = history.ranges[r];
    std::vector<Place> places;
    for (const SegmentName& name : *names) {
      if (name.epoch == range.epoch && name.nonce == range.nonce)
        places.push_back({.name = name, .range = r});
    }
    if (absl::Status s = segments.TrimEnd(places, range.batches_end); !s.ok()) return s;
    const bool is_oldest = segments.places_.empty();
    if (places.empty() && (!is_oldest || r + 1 == history.ranges.size())) {
      return absl::NotFoundError(absl::StrCat("no segment of epoch ", Raw(range.epoch), " in ", dir,
                                              "/log; resolve the history again"));
    }
    segments.places_.insert(segments.places_.end(), places.begin(), places.end());
  }
  return segments;
}

absl::StatusOr<size_t> HistorySegments::FindLast(core::Index index) {
  size_t low = 0;  // the answer is in [low, high), if there is one
  size_t high = places_.size();
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    auto header = Header(middle);
    if (!header.ok()) return header.status();
    if (header->next_index <= index) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) {
    return absl::NotFoundError(
        absl::StrCat("index ", Raw(index), " lies before what is retained in ", dir_, "/log"));
  }
  return low - 1;
}

}  // namespace semper::log
