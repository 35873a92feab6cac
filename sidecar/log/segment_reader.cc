#include "sidecar/log/segment_reader.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/check.h"

namespace semper::log {
namespace {

constexpr size_t kAlign = 4096;
constexpr size_t kWindowBytes = 1u << 20;
constexpr size_t kCarefulBytes = 64u << 10;  // the first read of a file, and at a live end

constexpr uint64_t RoundDown(uint64_t n) { return n & ~uint64_t{kAlign - 1}; }
constexpr uint64_t RoundUp(uint64_t n) { return RoundDown(n + kAlign - 1); }

bool AllZero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

void ReadWindow::Free::operator()(std::byte* p) const { std::free(p); }

void ReadWindow::Forget() {
  size_ = 0;
  careful_ = true;
}

void ReadWindow::Reserve(size_t bytes) {
  if (bytes <= capacity_) return;
  // Twice what a large record needs, so that its successor does not move bytes around again.
  capacity_ = bytes <= kCarefulBytes ? kCarefulBytes : std::max(kWindowBytes, RoundUp(2 * bytes));
  std::unique_ptr<std::byte[], Free> grown(
      static_cast<std::byte*>(std::aligned_alloc(kAlign, capacity_)));
  SEMPER_CHECK(grown != nullptr, "no memory for a read window of ", capacity_, " bytes");
  if (size_ > 0) std::memcpy(grown.get(), memory_.get(), size_);
  memory_ = std::move(grown);
}

absl::StatusOr<std::span<const std::byte>> ReadWindow::Get(uint64_t offset, size_t length) {
  if (offset < base_ || offset + length > base_ + size_) {
    const uint64_t base = RoundDown(offset);
    const size_t wanted = RoundUp(offset + length - base);
    size_t kept = 0;
    if (base >= base_ && base < base_ + size_) {
      kept = RoundDown(base_ + size_ - base);
      std::memmove(memory_.get(), memory_.get() + (base - base_), kept);
    }
    base_ = base;
    size_ = kept;
    if (memory_ == nullptr) Reserve(kCarefulBytes);
    Reserve(careful_ ? wanted : std::max(wanted, kWindowBytes));
    const size_t end = careful_ ? std::max(wanted, kCarefulBytes) : capacity_;
    absl::StatusOr<size_t> read = file_.ReadAt(base_ + kept, {memory_.get() + kept, end - kept});
    if (!read.ok()) {
      size_ = 0;
      return read.status();
    }
    size_ = kept + *read;
    careful_ = false;
  }
  const uint64_t from = std::min<uint64_t>(offset - base_, size_);
  return std::span<const std::byte>{memory_.get() + from, std::min<size_t>(length, size_ - from)};
}

absl::StatusOr<std::unique_ptr<SegmentReader>> SegmentReader::Open(Disk& disk,
                                                                   const std::string& dir,
                                                                   const SegmentName& name,
                                                                   OpenMode mode) {
  std::string path = name.Path(dir);
  absl::StatusOr<std::unique_ptr<File>> file = disk.Open(path, mode);
  if (!file.ok()) return file.status();
  auto identity = (*file)->Identity();
  if (!identity.ok()) return identity.status();
  std::unique_ptr<SegmentReader> reader(new SegmentReader(*std::move(file), name, std::move(path)));
  reader->identity_ = *identity;
  if (absl::Status s = reader->ReadHeader(); !s.ok()) return s;
  if (!reader->header_.has_value()) {
    // Its writer may have set it aside and begun to use it anew, after we opened it.
    if (absl::Status s = disk.Open(name.Path(dir), mode).status(); absl::IsNotFound(s)) return s;
  }
  return reader;
}

void SegmentReader::Seek(const LogPlace& place) {
  offset_ = place.offset;
  chain_ = place.chain;
  next_index_ = place.next_index;
  next_batch_ = place.next_batch;
  window_.Forget();
}

absl::Status SegmentReader::ReadHeader() {
  // An invalid header is believed to be unfinished only if that is still so when read after what is
  // behind it: the process that made the segment may be writing at this moment.
  for (int attempt = 0; attempt < 2 && !header_.has_value(); ++attempt) {
    window_.Forget();
    absl::StatusOr<std::span<const std::byte>> head =
        window_.Get(0, kSegmentHeaderBytes + kRecordHeaderBytes);
    if (!head.ok()) return head.status();
    const size_t header_bytes = std::min(head->size(), kSegmentHeaderBytes);
    auto header = SegmentHeader::Decode(head->first(header_bytes), name_, path_);
    if (!header.ok()) return header.status();
    header_ = *std::move(header);
    // The header is durable before the first record is written.
    if (!header_.has_value() && attempt == 1 && !AllZero(head->subspan(header_bytes))) {
      return Damage(0, "the header is invalid, but there is a record behind it");
    }
  }
  if (!header_.has_value()) {
    window_.Forget();
    return absl::OkStatus();
  }
  offset_ = kSegmentHeaderBytes;
  chain_ = header_->chain;
  next_index_ = header_->next_index;
  next_batch_ = header_->first_batch;
  seal_ = header_->seal;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<SegmentReader::Found>> SegmentReader::Next(Body body) {
  SEMPER_CHECK(header_.has_value(), "records of a segment without a header: ", path_);
  absl::StatusOr<std::span<const std::byte>> bytes = window_.Get(offset_, kRecordHeaderBytes);
  if (!bytes.ok()) return bytes.status();
  const auto h = RecordHeader::Decode(*bytes, header_->segment_id);
  if (!h.has_value()) return std::nullopt;
  Found found{.header = *h, .offset = offset_};
  if (body == Body::kRead) {
    bytes = window_.Get(offset_, kRecordHeaderBytes + h->body_bytes);
    if (!bytes.ok()) return bytes.status();
    if (bytes->size() < kRecordHeaderBytes + h->body_bytes) return std::nullopt;
    found.body = bytes->subspan(kRecordHeaderBytes);
    if (Crc32c(0, found.body) != h->body_crc) return std::nullopt;
  }
  if (absl::Status s = CheckContinues(*h); !s.ok()) return s;
  if (body == Body::kRead && h->kind == RecordKind::kInputs) {
    if (absl::Status s = CheckEntries(*h, found.body); !s.ok()) return s;
  }
  if (body == Body::kRead && h->kind == RecordKind::kSeal && !h->copied) {
    if (absl::Status s = CheckSeal(*h, found.body); !s.ok()) return s;
  }
  offset_ += kRecordHeaderBytes + h->body_bytes + h->padding;
  chain_ = h->chain;
  next_index_ = h->first_index + h->inputs;
  if (h->copied) {
    ++copied_records_;
  } else {
    next_batch_ = Raw(h->batch) + 1;
  }
  return found;
}

absl::StatusOr<std::optional<RecordHeader>> SegmentReader::Peek() {
  auto bytes = window_.Get(offset_, kRecordHeaderBytes);
  if (!bytes.ok()) return bytes.status();
  return RecordHeader::Decode(*bytes, header_->segment_id);
}

absl::StatusOr<bool> SegmentReader::IsIntact(const RecordHeader& header) {
  auto bytes = window_.Get(offset_, kRecordHeaderBytes + header.body_bytes);
  if (!bytes.ok()) return bytes.status();
  return bytes->size() == kRecordHeaderBytes + header.body_bytes &&
         Crc32c(0, bytes->subspan(kRecordHeaderBytes)) == header.body_crc;
}

absl::StatusOr<std::optional<SegmentReader::Found>> SegmentReader::NextOrEnd(Body body) {
  auto record = Next(body);
  if (!record.ok() || record->has_value()) return record;
  auto later = FindLater();
  if (!later.ok()) return later.status();
  if (!later->has_value()) return std::nullopt;
  // A predecessor that still writes may have filled the place before it wrote what is behind.
  record = Next(body);
  if (!record.ok() || record->has_value()) return record;
  return Damage(offset_, absl::StrCat("no valid record (expected: batch ", next_batch_, ", index ",
                                      Raw(next_index_), "), but a later one at offset ", **later));
}

absl::Status SegmentReader::CheckGoesOn(const SegmentHeader& next) const {
  if (next.first_batch == next_batch_ && next.next_index == next_index_ && next.chain == chain_) {
    return absl::OkStatus();
  }
  return Damage(offset_, absl::StrCat("no valid record (expected: batch ", next_batch_, ", index ",
                                      Raw(next_index_), "), but segment ", next.number,
                                      " of this epoch begins behind it, with batch ",
                                      next.first_batch, ", index ", Raw(next.next_index)));
}

absl::Status SegmentReader::CheckContinues(const RecordHeader& h) const {
  const uint32_t alignment = header_->alignment;
  if (h.padding >= alignment ||
      (kRecordHeaderBytes + uint64_t{h.body_bytes} + h.padding) % alignment != 0) {
    return Damage(offset_, absl::StrCat("padding of ", h.padding,
                                        " bytes does not reach the alignment of ", alignment));
  }
  if (h.first_index != next_index_) {
    return Damage(offset_, absl::StrCat("the record begins with index ", Raw(h.first_index),
                                        " instead of ", Raw(next_index_)));
  }
  if (h.copied ? (next_batch_ != 0 || h.origin_epoch >= name_.epoch)
               : (Raw(h.batch) != next_batch_ || h.origin_epoch != name_.epoch)) {
    return Damage(offset_, absl::StrCat(h.copied ? "a copy of batch " : "batch ", Raw(h.batch),
                                        " of epoch ", Raw(h.origin_epoch), " stands where batch ",
                                        next_batch_, " of epoch ", Raw(name_.epoch), " belongs"));
  }
  if (h.ChainAfter(chain_) != h.chain) {
    return Damage(offset_, "the record does not continue the chain of the one before it");
  }
  return absl::OkStatus();
}

absl::Status SegmentReader::CheckEntries(const RecordHeader& h, std::span<const std::byte> body) {
  uint64_t index = Raw(h.first_index);
  uint64_t time = last_time_;
  uint64_t payload_bytes = 0;
  const uint64_t payload_bytes_all = body.size() - uint64_t{h.entries} * core::kFrameHeaderBytes;
  for (uint32_t i = 0; i < h.entries; ++i) {
    const auto e = core::FrameHeader::Decode(body.data() + i * core::kFrameHeaderBytes);
    const bool is_input = e.kind >= core::FrameKind::kPeer && e.kind <= core::FrameKind::kControl;
    payload_bytes += e.bytes;
    if (!is_input || e.index != index || e.time < time || e.count == 0 || e.flags != 0 ||
        e.last != 0 || payload_bytes > payload_bytes_all) {
      return Damage(
          offset_, absl::StrCat("entry ", i, " of ", h.entries, " (kind ", static_cast<int>(e.kind),
                                ", index ", e.index, ", time ", e.time, ", count ", e.count,
                                ") cannot follow index ", index - 1, ", time ", time));
    }
    index += e.count;
    time = e.time;
  }
  if (index != Raw(h.first_index) + h.inputs || payload_bytes != payload_bytes_all) {
    return Damage(offset_, absl::StrCat("the entries hold ", index - Raw(h.first_index),
                                        " inputs and ", payload_bytes, " bytes, the header says ",
                                        h.inputs, " and ", payload_bytes_all));
  }
  last_time_ = time;
  return absl::OkStatus();
}

absl::Status SegmentReader::CheckSeal(const RecordHeader& h, std::span<const std::byte> body) {
  const auto seal = Seal::Decode(body);
  // Only segment 0 shows all copies; a later one begins behind some of them.
  const bool count_fits =
      seal.has_value() && (name_.number == 0 ? seal->copied_records == copied_records_
                                             : seal->copied_records >= copied_records_);
  if (!count_fits || seal->epoch != name_.epoch || seal->nonce != name_.nonce ||
      seal->copied_chain != chain_ || seal->last_index + 1 != h.first_index) {
    return Damage(offset_, "the seal does not fit its epoch and the records copied before it");
  }
  seal_ = seal;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<uint64_t>> SegmentReader::FindLater() {
  window_.Forget();
  const uint32_t alignment = header_->alignment;
  for (uint64_t at = offset_ + alignment;; at += alignment) {
    absl::StatusOr<std::span<const std::byte>> bytes = window_.Get(at, kRecordHeaderBytes);
    if (!bytes.ok()) return bytes.status();
    if (bytes->size() < kRecordHeaderBytes) break;
    const auto h = RecordHeader::Decode(*bytes, header_->segment_id);
    // A payload may hold a copy of an older record of this very segment, but never of one that was
    // not yet written.
    if (h.has_value() && !h->copied && h->origin_epoch == name_.epoch &&
        Raw(h->batch) >= next_batch_) {
      window_.Forget();
      return at;
    }
  }
  window_.Forget();
  return std::nullopt;
}

absl::StatusOr<std::span<const std::byte>> SegmentReader::ReadBody(uint64_t offset,
                                                                   const RecordHeader& header) {
  absl::StatusOr<std::span<const std::byte>> bytes =
      window_.Get(offset, kRecordHeaderBytes + header.body_bytes);
  if (!bytes.ok()) return bytes.status();
  if (bytes->size() < kRecordHeaderBytes + header.body_bytes ||
      Crc32c(0, bytes->subspan(kRecordHeaderBytes)) != header.body_crc) {
    return Damage(offset, "a record that was valid is another one when it is read again");
  }
  return bytes->subspan(kRecordHeaderBytes);
}

absl::Status SegmentReader::Damage(uint64_t offset, std::string_view why) const {
  return absl::DataLossError(absl::StrCat(
      "segment ", path_, ", offset ", offset, ": ", absl::string_view(why.data(), why.size()),
      "; nothing behind this can be trusted: restore the log directory from a "
      "backup, or let this member begin anew from another one's checkpoint"));
}

}  // namespace semper::log
