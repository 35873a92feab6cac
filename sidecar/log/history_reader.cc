#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "sidecar/log/history_segments.h"
#include "sidecar/log/opened_once.h"

namespace semper::log {
namespace {

using Body = SegmentReader::Body;

class Reader : public HistoryReader {
 public:
  Reader(Disk& disk, std::string dir, const History& history, core::Index after, OpenMode mode)
      : disk_(disk),
        dir_(std::move(dir)),
        ranges_(history.ranges),
        mode_(mode),
        after_(after),
        passing_over_(after + 1 != history.first_index) {}

  absl::Status Begin(const History& history);
  // False: it is no place to begin at.
  absl::StatusOr<bool> BeginAt(const LogPlace& known);

  absl::StatusOr<std::optional<Record>> Next() override;
  bool in_newest_range() const override { return range_ + 1 >= ranges_.size(); }
  uint64_t next_batch() const override { return segment_ == nullptr ? 0 : segment_->next_batch(); }
  LogPlace place() const override;
  absl::Status Continue(const History& newer) override;
  Chain chain() const override { return segment_ == nullptr ? Chain{} : segment_->chain(); }
  core::Index index() const override {
    return segment_ == nullptr ? core::Index{} : core::Index{Raw(segment_->next_index()) - 1};
  }
  void Expect(uint64_t batches) override { expected_ = std::max(expected_, batches); }
  void StopAt(uint64_t batches) override { stop_at_ = batches; }
  absl::Status CheckEnd() override;

 private:
  using MaybeFound = std::optional<SegmentReader::Found>;

  absl::StatusOr<std::optional<Record>> NextRecord();
  bool bounded() const { return ranges_[range_].batches_end != UINT64_MAX; }
  bool stops_here() const { return in_newest_range() && segment_->next_batch() >= stop_at_; }
  absl::StatusOr<MaybeFound> NextInSegment();
  absl::StatusOr<MaybeFound> PassOver();
  absl::StatusOr<bool> GoOn();
  absl::Status EnterRange();
  absl::StatusOr<std::unique_ptr<SegmentReader>> OpenSegment(uint64_t number);
  absl::Status CheckFollows(const RecordHeader& h, uint64_t offset);

  Disk& disk_;
  const std::string dir_;
  std::vector<EpochRange> ranges_;
  const OpenMode mode_;
  const core::Index after_;
  bool passing_over_;  // records up to after_, and notes and seals among them
  size_t range_ = 0;
  uint64_t expected_ = 0;
  uint64_t stop_at_ = UINT64_MAX;
  std::unique_ptr<SegmentReader> segment_;  // nullptr: the history has no ranges
  std::unique_ptr<SegmentReader>
      prepared_;  // the next one, there but not begun when it was looked at
  core::Epoch last_origin_{};
  core::Batch last_batch_{};
};

absl::Status Reader::Begin(const History& history) {
  if (ranges_.empty()) return absl::OkStatus();
  OpenedOnce look(disk_);
  auto segments = HistorySegments::List(look, dir_, history, mode_);
  if (!segments.ok()) return segments.status();
  auto place = segments->FindLast(after_ + 1);
  if (!place.ok()) return place.status();
  // From the retained beginning nothing is passed over, also where the first segment holds no
  // input.
  const size_t first = passing_over_ ? *place : 0;
  auto opened = SegmentReader::Open(look, dir_, segments->name(first), mode_);
  if (!opened.ok()) return opened.status();
  segment_ = *std::move(opened);
  range_ = segments->range(first);
  return absl::OkStatus();
}

absl::StatusOr<bool> Reader::BeginAt(const LogPlace& known) {
  const auto range = std::find_if(ranges_.begin(), ranges_.end(), [&](const EpochRange& r) {
    return r.epoch == known.epoch && r.nonce == known.nonce;
  });
  if (range == ranges_.end() || known.next_batch > range->batches_end ||
      known.next_index > after_ + 1) {
    return false;
  }
  auto opened = SegmentReader::Open(disk_, dir_, {known.epoch, known.nonce, known.number}, mode_);
  if (absl::IsNotFound(opened.status())) return false;
  if (!opened.ok()) return opened.status();
  // Of another file, which came in the place of the one that was read, nothing is known.
  if (!(*opened)->header().has_value() || (*opened)->identity() != known.file) return false;
  segment_ = *std::move(opened);
  segment_->Seek(known);
  range_ = static_cast<size_t>(range - ranges_.begin());
  return true;
}

absl::StatusOr<std::unique_ptr<SegmentReader>> Reader::OpenSegment(uint64_t number) {
  const EpochRange& range = ranges_[range_];
  return SegmentReader::Open(disk_, dir_, {range.epoch, range.nonce, number}, mode_);
}

// The record at the current place, or nothing.
absl::StatusOr<Reader::MaybeFound> Reader::NextInSegment() {
  if (passing_over_) return PassOver();
  return segment_->Next(Body::kRead);
}

absl::StatusOr<Reader::MaybeFound> Reader::PassOver() {
  while (ranges_[range_].batches_end > segment_->next_batch() && !stops_here()) {
    auto header = segment_->Peek();
    if (!header.ok()) return header.status();
    if (!header->has_value()) return std::nullopt;
    if ((*header)->inputs > 0 && (*header)->first_index + (*header)->inputs > after_ + 1) {
      auto record = segment_->Next(Body::kRead);
      if (record.ok() && record->has_value()) passing_over_ = false;
      return record;
    }
    auto passed = segment_->Next(Body::kSkip);
    if (!passed.ok() || !passed->has_value()) return passed;
    last_origin_ = (*passed)->header.origin_epoch;
    last_batch_ = (*passed)->header.batch;
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<Record>> Reader::Next() {
  auto record = NextRecord();
  const bool is_sound = record.ok() ? record->has_value() : !absl::IsDataLoss(record.status());
  if (is_sound || segment_ == nullptr) return record;
  // What looks like the end, or like damage, may be a segment that its writer has removed or uses
  // anew.
  const absl::Status there = disk_.Open(segment_->file(), mode_).status();
  return absl::IsNotFound(there) ? there : record;
}

absl::StatusOr<std::optional<Record>> Reader::NextRecord() {
  while (segment_ != nullptr) {
    if (stops_here()) return std::nullopt;
    if (segment_->next_batch() >= ranges_[range_].batches_end) {
      if (absl::Status s = EnterRange(); !s.ok()) return s;
      continue;
    }
    auto found = NextInSegment();
    if (!found.ok()) return found.status();
    const bool ends_here = segment_->next_batch() >= ranges_[range_].batches_end || stops_here();
    if (!found->has_value() && ends_here) continue;
    if (!found->has_value()) {
      segment_->Refresh();
      auto more = GoOn();
      if (!more.ok()) return more.status();
      if (!*more) return std::nullopt;
      continue;
    }
    const RecordHeader& h = (*found)->header;
    if (absl::Status s = CheckFollows(h, (*found)->offset); !s.ok()) return s;
    return Record{.header = h,
                  .segment_epoch = ranges_[range_].epoch,
                  .file = segment_->file(),
                  .offset = (*found)->offset,
                  .body = (*found)->body};
  }
  return std::nullopt;
}

// Where no valid record is: is there more after all, in this segment (true) or in the next (true,
// and moves there)?
absl::StatusOr<bool> Reader::GoOn() {
  if (prepared_ == nullptr) {
    auto next = OpenSegment(segment_->name().number + 1);
    if (!next.ok() && !absl::IsNotFound(next.status())) return next.status();
    if (next.ok()) prepared_ = *std::move(next);
  } else if (absl::Status s = prepared_->ReadHeader(); !s.ok()) {
    return s;
  }
  const bool has_next = prepared_ != nullptr && prepared_->header().has_value();
  const bool is_end = !bounded() && segment_->next_batch() >= expected_;
  if (!has_next && is_end) return false;
  // The writer may have ended this segment, and begun the next, since the place was read.
  auto header = segment_->Peek();
  if (!header.ok()) return header.status();
  if (header->has_value()) {
    auto intact = segment_->IsIntact(**header);
    if (!intact.ok()) return intact.status();
    if (*intact) return true;
  }
  if (!has_next) {
    return segment_->Damage(segment_->offset(),
                            absl::StrCat("no valid record where batch ", segment_->next_batch(),
                                         ", index ", Raw(segment_->next_index()), " must be"));
  }
  if (absl::Status s = segment_->CheckGoesOn(*prepared_->header()); !s.ok()) return s;
  segment_ = std::move(prepared_);
  return true;
}

// All that counts of the current range was returned: the next range begins with segment 0 of its
// epoch.
absl::Status Reader::EnterRange() {
  ++range_;
  prepared_.reset();
  auto next = OpenSegment(0);
  if (!next.ok()) return next.status();
  if (!(*next)->header().has_value())
    return (*next)->Damage(0, "never begun, but its epoch is part of history");
  const SegmentHeader& header = *(*next)->header();
  if (header.chain != segment_->chain() || header.next_index != segment_->next_index()) {
    return (*next)->Damage(
        0, absl::StrCat("epoch ", Raw(header.epoch), " begins with index ", Raw(header.next_index),
                        " and another chain than ", segment_->file(), " has before index ",
                        Raw(segment_->next_index()), ", offset ", segment_->offset()));
  }
  segment_ = *std::move(next);
  return absl::OkStatus();
}

// Through all of history, copies included, (origin epoch, batch) go up by one batch, or to the seal
// of a later epoch.
absl::Status Reader::CheckFollows(const RecordHeader& h, uint64_t offset) {
  const bool is_first = last_origin_ == core::Epoch{};
  const bool is_next = h.origin_epoch == last_origin_ && h.batch == last_batch_ + 1;
  const bool is_seal = h.origin_epoch > last_origin_ && h.kind == RecordKind::kSeal;
  if (!is_first && !is_next && !is_seal) {
    return segment_->Damage(
        offset,
        absl::StrCat("batch ", Raw(h.batch), " of epoch ", Raw(h.origin_epoch),
                     " cannot follow batch ", Raw(last_batch_), " of epoch ", Raw(last_origin_)));
  }
  last_origin_ = h.origin_epoch;
  last_batch_ = h.batch;
  return absl::OkStatus();
}

LogPlace Reader::place() const {
  if (segment_ == nullptr) return {};
  const SegmentName& name = segment_->name();
  return {name.epoch,
          name.nonce,
          name.number,
          segment_->offset(),
          segment_->next_batch(),
          segment_->next_index(),
          segment_->chain(),
          segment_->identity()};
}

absl::Status Reader::Continue(const History& newer) {
  const auto same =
      std::find_if(newer.ranges.begin(), newer.ranges.end(), [&](const EpochRange& range) {
        return segment_ != nullptr && range.epoch == ranges_[range_].epoch;
      });
  if (same == newer.ranges.end() || same->nonce != ranges_[range_].nonce ||
      segment_->next_batch() > same->batches_end) {
    return absl::FailedPreconditionError("what was read is no part of the newer history");
  }
  range_ = static_cast<size_t>(same - newer.ranges.begin());
  ranges_ = newer.ranges;
  expected_ = 0;
  stop_at_ = UINT64_MAX;
  segment_->Refresh();
  return absl::OkStatus();
}

absl::Status Reader::CheckEnd() {
  if (segment_ == nullptr) return absl::OkStatus();
  auto later = segment_->FindLater();
  if (!later.ok()) return later.status();
  if (!later->has_value()) return absl::OkStatus();
  auto header = segment_->Peek();
  if (!header.ok()) return header.status();
  auto intact = header->has_value() ? segment_->IsIntact(**header) : absl::StatusOr<bool>(false);
  if (!intact.ok()) return intact.status();
  if (*intact) return absl::OkStatus();  // written meanwhile: this was not the end
  return segment_->Damage(segment_->offset(),
                          absl::StrCat("no valid record, but a later one at offset ", **later));
}

}  // namespace

absl::StatusOr<std::unique_ptr<HistoryReader>> HistoryReader::Open(Disk& disk,
                                                                   const std::string& dir,
                                                                   const History& history,
                                                                   core::Index after, OpenMode mode,
                                                                   const LogPlace& known) {
  if (after + 1 < history.first_index) {
    return absl::NotFoundError(absl::StrCat("index ", Raw(after) + 1, " is no longer in ", dir,
                                            "/log, which begins with index ",
                                            Raw(history.first_index), "; begin from a checkpoint"));
  }
  auto reader = std::make_unique<Reader>(disk, dir, history, after, mode);
  auto begun = reader->BeginAt(known);
  if (!begun.ok()) return begun.status();
  if (*begun) return reader;
  if (absl::Status s = reader->Begin(history); !s.ok()) return s;
  return reader;
}

}  // namespace semper::log
