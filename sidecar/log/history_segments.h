// HistorySegments: the files that hold a history, oldest first, and finding a place among them by
// index.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/disk.h"
#include "sidecar/log/history.h"
#include "sidecar/log/segment_reader.h"

namespace semper::log {

class HistorySegments {
 public:
  // Lists the segments in use whose records lie within the ranges of `history`. What retention
  // removed since then is left out at the front. NOT_FOUND: a newer range has no segment any more;
  // resolve the history again.
  static absl::StatusOr<HistorySegments> List(Disk& disk, const std::string& dir,
                                              const History& history, OpenMode mode);

  size_t size() const { return places_.size(); }
  const SegmentName& name(size_t i) const { return places_[i].name; }
  size_t range(size_t i) const { return places_[i].range; }  // its place in history.ranges
  absl::StatusOr<SegmentHeader> Header(size_t i);            // read once

  // The last segment that begins with `index` or earlier. Reads headers only. NOT_FOUND: all begin
  // later.
  absl::StatusOr<size_t> FindLast(core::Index index);

 private:
  struct Place {
    SegmentName name;
    size_t range = 0;
    std::optional<SegmentHeader> header = std::nullopt;
  };
  HistorySegments(Disk& disk, std::string dir, OpenMode mode)
      : disk_(&disk), dir_(std::move(dir)), mode_(mode) {}
  absl::Status TrimEnd(std::vector<Place>& places, uint64_t batches_end);
  absl::StatusOr<std::optional<SegmentHeader>> ReadHeader(const SegmentName& name);

  Disk* disk_;
  std::string dir_;
  OpenMode mode_;
  std::vector<Place> places_;
};

}  // namespace semper::log
