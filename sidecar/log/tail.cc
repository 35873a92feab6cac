// ReadTail: what a take-over copies, read from the end of the newest sealed epoch.
#include <algorithm>
#include <deque>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "sidecar/core/history.h"
#include "sidecar/log/epochs.h"
#include "sidecar/log/history_segments.h"

namespace semper::log {
namespace {

using Body = SegmentReader::Body;

uint64_t LastEntryTime(const RecordHeader& h, std::span<const std::byte> body) {
  return core::FrameHeader::Decode(body.data() + (h.entries - 1) * core::kFrameHeaderBytes).time;
}

// Reads one epoch from the segment on in which its unproven records begin, and keeps where those
// are.
class TailScan {
 public:
  TailScan(Disk& disk, const std::string& dir, const EpochSegments& epoch, const LogPlace& known,
           OpenMode mode)
      : disk_(disk), dir_(dir), epoch_(epoch), known_(known), mode_(mode) {}

  absl::Status Run();
  absl::StatusOr<Tail> Take();
  uint64_t first_number() const { return first_number_; }
  // Whether it began in the middle of a segment.
  bool skipped() const { return skipped_; }

 private:
  struct Place {
    size_t segment;
    uint64_t offset;
    RecordHeader header;
  };
  struct BatchEnd {
    uint64_t batch;
    core::Index last_index;
  };

  absl::Status ReadSegment(uint64_t number);
  void Take(const SegmentReader::Found& record, core::Index next_index);
  void DropProven();
  core::Index CommittedIndex() const;

  Disk& disk_;
  const std::string& dir_;
  const EpochSegments& epoch_;
  const LogPlace known_;
  const OpenMode mode_;
  bool skipped_ = false;
  uint64_t first_number_ = 0;
  std::vector<std::unique_ptr<SegmentReader>> segments_;
  std::deque<Place> unproven_;
  std::deque<BatchEnd> ends_;  // of batches committed - 1 and later
  uint64_t proven_ = 0;
  uint64_t committed_ = 0;
  Chain base_chain_{};        // before the first of unproven_
  core::Index base_index_{};  // likewise
  uint64_t last_time_ = 0;
};

absl::Status TailScan::Run() {
  // A segment is begun only when all before it is durable: its header proves its first batch.
  proven_ = epoch_.last_header.first_batch;
  first_number_ = proven_ > 0 ? epoch_.last : epoch_.first;
  if (proven_ == 0 && epoch_.first != 0) {
    return absl::DataLossError(
        absl::StrCat("segment ", epoch_.name(0).Path(dir_),
                     " is missing, but nothing of its epoch "
                     "was proven durable yet; restore the log directory from a backup"));
  }
  for (uint64_t number = first_number_; number <= epoch_.last; ++number) {
    if (absl::Status s = ReadSegment(number); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status TailScan::ReadSegment(uint64_t number) {
  auto opened = SegmentReader::Open(disk_, dir_, epoch_.name(number), mode_);
  if (!opened.ok()) return opened.status();
  SegmentReader& segment = **opened;
  if (!segment.header().has_value())
    return segment.Damage(0, "never begun, but a later one of its epoch is in use");
  const SegmentHeader& header = *segment.header();
  if (!segments_.empty()) {
    if (absl::Status s = segments_.back()->CheckGoesOn(header); !s.ok()) return s;
  } else {
    base_chain_ = header.chain;
    base_index_ = core::Index{Raw(header.next_index) - 1};
    if (proven_ == 0 && header.chain != epoch_.seal->base_chain) {
      return segment.Damage(
          0, "the segment does not begin with the chain that its epoch's seal names");
    }
  }
  // Of another file, which came in the place of the one that was read, nothing is known.
  if (known_.epoch == epoch_.epoch && known_.nonce == epoch_.nonce && known_.number == number &&
      number == first_number_ && known_.next_batch > 0 && known_.file == segment.identity()) {
    skipped_ = true;
    segment.Seek(known_);
    base_chain_ = known_.chain;
    base_index_ = core::Index{Raw(known_.next_index) - 1};
    proven_ = std::max(proven_, known_.next_batch);
    committed_ = known_.next_batch;
  }
  segments_.push_back(*std::move(opened));
  while (true) {
    auto record = segment.NextOrEnd(Body::kRead);
    if (!record.ok()) return record.status();
    if (!record->has_value()) return absl::OkStatus();
    Take(**record, segment.next_index());
  }
}

void TailScan::Take(const SegmentReader::Found& record, core::Index next_index) {
  const RecordHeader& h = record.header;
  if (h.kind == RecordKind::kInputs) last_time_ = LastEntryTime(h, record.body);
  unproven_.push_back({.segment = segments_.size() - 1, .offset = record.offset, .header = h});
  if (h.copied) return;
  proven_ = std::max(proven_, h.durable);
  committed_ = std::max(committed_, h.committed);
  DropProven();
  ends_.push_back({.batch = Raw(h.batch), .last_index = core::Index{Raw(next_index) - 1}});
  while (ends_.front().batch + 1 < committed_) ends_.pop_front();
}

// What `durable` states covers the copied records as well.
void TailScan::DropProven() {
  while (!unproven_.empty() && proven_ > 0) {
    const RecordHeader& h = unproven_.front().header;
    if (!h.copied && Raw(h.batch) >= proven_) return;
    base_chain_ = h.chain;
    base_index_ = core::Index{Raw(h.first_index) + h.inputs - 1};
    unproven_.pop_front();
  }
}

core::Index TailScan::CommittedIndex() const {
  if (committed_ == 0) return core::Index{};
  if (skipped_ && committed_ == known_.next_batch) return core::Index{Raw(known_.next_index) - 1};
  const SegmentHeader& header = *segments_.front()->header();
  if (!ends_.empty() && ends_.front().batch + 1 == committed_) return ends_.front().last_index;
  if (committed_ == header.first_batch) return core::Index{Raw(header.next_index) - 1};
  return epoch_.seal->last_index;
}

absl::StatusOr<Tail> TailScan::Take() {
  const core::BasePlan plan = core::PlanBase(epoch_.epoch, Summary(*epoch_.seal), proven_);
  Tail tail;
  tail.base_epoch = plan.base_epoch;
  tail.base_batches = plan.base_batches;
  tail.base_chain = base_chain_;
  tail.base_index = base_index_;
  tail.first_void = plan.first_void;
  tail.last_index = core::Index{Raw(segments_.back()->next_index()) - 1};
  tail.chain = segments_.back()->chain();
  tail.last_time = last_time_;
  tail.committed = CommittedIndex();
  for (const Place& place : unproven_) {
    auto body = segments_[place.segment]->ReadBody(place.offset, place.header);
    if (!body.ok()) return body.status();
    tail.copy.push_back({.header = place.header, .body = {body->begin(), body->end()}});
  }
  return tail;
}

// The time of the last input in one segment, 0 if it holds none. Only the last record with inputs
// is read.
absl::StatusOr<uint64_t> LastTimeIn(SegmentReader& segment, uint64_t batches_end) {
  std::optional<SegmentReader::Found> last;
  while (segment.next_batch() < batches_end) {
    auto record = segment.Next(Body::kSkip);
    if (!record.ok()) return record.status();
    if (!record->has_value()) break;
    if ((*record)->header.kind == RecordKind::kInputs) last = *record;
  }
  if (!last.has_value()) return uint64_t{0};
  auto body = segment.ReadBody(last->offset, last->header);
  if (!body.ok()) return body.status();
  return LastEntryTime(last->header, *body);
}

// The time of the last input before segment `number` of the newest epoch of `history`; 0 if none is
// retained.
absl::StatusOr<uint64_t> LastTimeBefore(Disk& disk, const std::string& dir, const History& history,
                                        uint64_t number) {
  auto segments = HistorySegments::List(disk, dir, history, OpenMode::kReadFresh);
  if (!segments.ok()) return segments.status();
  size_t i = segments->size();
  while (i > 0 && segments->range(i - 1) + 1 == history.ranges.size() &&
         segments->name(i - 1).number >= number)
    --i;
  if (i == segments->size()) {
    return absl::NotFoundError(absl::StrCat("segment ", number, " of epoch ",
                                            Raw(history.ranges.back().epoch), " in ", dir,
                                            "/log has vanished; resolve the history again"));
  }
  while (i > 0) {
    auto later = segments->Header(i);
    if (!later.ok()) return later.status();
    auto header = segments->Header(--i);
    if (!header.ok()) return header.status();
    if (later->next_index == header->next_index) continue;  // no input in this one
    auto reader = SegmentReader::Open(disk, dir, segments->name(i), OpenMode::kReadFresh);
    if (!reader.ok()) return reader.status();
    auto time = LastTimeIn(**reader, history.ranges[segments->range(i)].batches_end);
    if (!time.ok() || *time != 0) return time;
  }
  return uint64_t{0};
}

absl::StatusOr<Tail> ReadTailOnce(Disk& disk, const std::string& dir, core::Epoch below,
                                  const LogPlace& known, OpenMode mode) {
  auto examined = ExamineEpochs(disk, dir, below);
  if (!examined.ok()) return examined.status();
  const auto newest = std::find_if(examined->begin(), examined->end(),
                                   [](const EpochSegments& e) { return e.seal.has_value(); });
  if (newest == examined->end()) {
    return Tail{.first_void = core::Epoch{1}};
  }
  auto history = MakeHistory(dir, *examined);
  if (!history.ok()) return history.status();
  TailScan scan(disk, dir, *newest, known, mode);
  if (absl::Status s = scan.Run(); !s.ok()) return s;
  auto tail = scan.Take();
  if (tail.ok()) tail->history = *history;
  if (!tail.ok() || tail->last_time != 0 || scan.skipped()) return tail;
  auto time = LastTimeBefore(disk, dir, *history, scan.first_number());
  if (!time.ok()) return time.status();
  tail->last_time = *time;
  return tail;
}

}  // namespace

absl::StatusOr<Tail> ReadTail(Disk& disk, const std::string& dir, core::Epoch below,
                              const LogPlace& known, OpenMode mode) {
  return RetryWhenVanished(disk,
                           [&](Disk& look) { return ReadTailOnce(look, dir, below, known, mode); });
}

}  // namespace semper::log
