#include "base/bytes.h"
#include "base/check.h"
#include "sidecar/log/record.h"

namespace semper::log {

void Unit::Begin(core::Index next) {
  header_ = RecordHeader{.first_index = next};
  entries_bytes_ = 0;
  small_.clear();
  pieces_.clear();
  payload_bytes_ = 0;
  payload_crc_ = 0;
  entry_count_ = 0;
  inputs_ = 0;
  closed_ = false;
}

void Unit::Add(const core::FrameHeader& entry, std::span<const std::byte> payload) {
  SEMPER_CHECK(!closed_ && entry.bytes == payload.size(), "entry of ", entry.bytes,
               " bytes, payload of ", payload.size());
  SEMPER_CHECK(entry.index == Raw(header_.first_index) + inputs_, "entry index ", entry.index,
               " is not the next one");
  if (entries_.size() < entries_bytes_ + core::kFrameHeaderBytes) {
    entries_.resize(entries_.size() * 2 + 64 * core::kFrameHeaderBytes);
  }
  core::FrameHeader logged = entry;
  logged.last = 0;
  logged.Encode(entries_.data() + entries_bytes_);
  entries_bytes_ += core::kFrameHeaderBytes;
  ++entry_count_;
  inputs_ += entry.count;
  if (payload.empty()) return;
  // The entry's crc, not one of the bytes as they are now: what was damaged on the way here must
  // not get a valid record around it.
  payload_crc_ =
      payload_bytes_ == 0 ? entry.crc : Crc32cCombine(payload_crc_, entry.crc, payload.size());
  payload_bytes_ += payload.size();
  if (payload.size() <= kCopyBytes) {
    AddSmall(payload);
  } else if (!pieces_.empty() && pieces_.back().data != nullptr &&
             pieces_.back().data + pieces_.back().length == payload.data()) {
    pieces_.back().length += payload.size();
  } else {
    pieces_.push_back({.data = payload.data(), .offset = 0, .length = payload.size()});
  }
}

void Unit::AddSmall(std::span<const std::byte> payload) {
  const size_t offset = small_.size();
  small_.insert(small_.end(), payload.begin(), payload.end());
  if (!pieces_.empty() && pieces_.back().data == nullptr) {
    pieces_.back().length += payload.size();
  } else {
    pieces_.push_back({.data = nullptr, .offset = offset, .length = payload.size()});
  }
}

size_t Unit::body_bytes() const { return entries_bytes_ + payload_bytes_; }

uint32_t Unit::entry_count() const { return entry_count_; }

core::Index Unit::last_index() const { return core::Index{Raw(header_.first_index) + inputs_ - 1}; }

const RecordHeader& Unit::Close(core::Epoch epoch, core::Batch batch, uint64_t durable,
                                uint64_t committed, const Chain& before) {
  SEMPER_CHECK(body_bytes() <= kRecordBodyBytesMax && inputs_ <= UINT32_MAX, "a unit of ",
               body_bytes(), " bytes and ", inputs_, " inputs");
  SEMPER_CHECK(committed <= durable && durable <= Raw(batch), "batch ", Raw(batch),
               " states durable ", durable, ", committed ", committed);
  header_.durable = durable;
  header_.committed = committed;
  header_.kind = empty() ? RecordKind::kNote : RecordKind::kInputs;
  header_.entries = entry_count_;
  header_.origin_epoch = epoch;
  header_.batch = batch;
  header_.inputs = static_cast<uint32_t>(inputs_);
  header_.body_bytes = static_cast<uint32_t>(body_bytes());
  header_.body_crc =
      Crc32cCombine(Crc32c(0, {entries_.data(), entries_bytes_}), payload_crc_, payload_bytes_);
  header_.chain = header_.ChainAfter(before);
  closed_ = true;
  return header_;
}

}  // namespace semper::log
