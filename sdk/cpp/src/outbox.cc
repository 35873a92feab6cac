#include "sdk/cpp/src/outbox.h"

#include <algorithm>

namespace semper::internal {

namespace {

using core::kFrameHeaderBytes;

constexpr size_t kUsualFrame = kFrameHeaderBytes + core::kFramePayloadBytesUsual;
constexpr size_t kFirstBuffer = 2048;
constexpr size_t kOpenBytesMax = 4u << 20;   // beyond it everything is pushed, whatever the batch
constexpr size_t kSpareBytesMax = 8u << 20;  // kept for later
constexpr size_t kPiecesMax = 512;           // below IOV_MAX

}  // namespace

void Outbox::TakeBuffer(Open& open, size_t bytes) {
  if (!spares_.empty() && spares_.back().capacity >= bytes) {
    open.base = std::move(spares_.back().base);
    open.capacity = spares_.back().capacity;
    spare_bytes_ -= open.capacity;
    spares_.pop_back();
  } else {
    open.capacity = std::max(kFirstBuffer, bytes);
    open.base.reset(new std::byte[open.capacity]);
  }
  open_bytes_ += open.capacity;
}

void Outbox::Release(Open& open) {
  open_bytes_ -= open.capacity;
  if (open.capacity <= kUsualFrame && spare_bytes_ + open.capacity <= kSpareBytesMax) {
    spare_bytes_ += open.capacity;
    spares_.push_back({std::move(open.base), open.capacity});
  }
  open = Open();
}

// The slow path of Append: begin a frame, grow its buffer, or push a full one.
void Outbox::MakeRoom(uint32_t slot, size_t needed) {
  Open& open = open_[slot];
  if (open.count > 0 && open.used + needed > kUsualFrame) {
    // Full. Frames of control come first: the slot may have been named by one of them.
    WriteFrames();
    Close(slot);
    const iovec piece{open.base.get(), open.used};
    write_({&piece, 1});
    open.used = kFrameHeaderBytes;
    open.count = 0;
    if (open.used + needed <= open.limit) return;
  }
  if (open_bytes_ > kOpenBytesMax) Flush();
  if (open.base == nullptr) {
    TakeBuffer(open, kFrameHeaderBytes + needed);
    open.used = kFrameHeaderBytes;
    touched_.push_back(slot);
  } else if (open.used + needed > open.capacity) {
    const size_t wanted = std::max(std::min(2 * open.capacity, kUsualFrame), open.used + needed);
    Open larger;
    TakeBuffer(larger, wanted);
    std::memcpy(larger.base.get(), open.base.get(), open.used);
    larger.used = open.used;
    larger.cause = open.cause;
    larger.count = open.count;
    Release(open);
    open = std::move(larger);
  }
  open.limit = std::min(open.capacity, std::max(kUsualFrame, open.used + needed));
}

void Outbox::Close(uint32_t slot) {
  Open& open = open_[slot];
  core::FrameHeader header;
  header.kind = core::FrameKind::kOutput;
  header.bytes = static_cast<uint32_t>(open.used - kFrameHeaderBytes);
  header.count = open.count;
  header.index = open.cause;
  header.slot = slot;
  header.last = generation_;
  header.Encode(open.base.get());
}

void Outbox::AppendFrame(const core::FrameHeader& header, std::span<const std::byte> payload) {
  core::FrameHeader full = header;
  full.bytes = static_cast<uint32_t>(payload.size());
  full.last = generation_;
  const size_t at = frames_.size();
  frames_.resize(at + kFrameHeaderBytes + payload.size());
  full.Encode(frames_.data() + at);
  if (!payload.empty()) {
    std::memcpy(frames_.data() + at + kFrameHeaderBytes, payload.data(), payload.size());
  }
}

void Outbox::WriteFrames() {
  if (frames_.empty()) return;
  const iovec piece{frames_.data(), frames_.size()};
  write_({&piece, 1});
  frames_.clear();
}

void Outbox::Flush(const core::FrameHeader* last) {
  pieces_.clear();
  if (!frames_.empty()) pieces_.push_back({frames_.data(), frames_.size()});
  for (const uint32_t slot : touched_) {
    if (open_[slot].count == 0) continue;
    Close(slot);
    pieces_.push_back({open_[slot].base.get(), open_[slot].used});
  }
  std::byte encoded[kFrameHeaderBytes];
  if (last != nullptr) {
    core::FrameHeader full = *last;
    full.last = generation_;
    full.Encode(encoded);
    pieces_.push_back({encoded, sizeof encoded});
  }
  for (size_t i = 0; i < pieces_.size(); i += kPiecesMax) {
    write_(std::span(pieces_).subspan(i, std::min(kPiecesMax, pieces_.size() - i)));
  }
  Discard();
}

void Outbox::WriteFrame(core::FrameHeader header, std::span<const std::byte> payload) {
  header.bytes = static_cast<uint32_t>(payload.size());
  header.last = generation_;
  std::byte encoded[kFrameHeaderBytes];
  header.Encode(encoded);
  const iovec pieces[2] = {{encoded, sizeof encoded},
                           {const_cast<std::byte*>(payload.data()), payload.size()}};
  write_({pieces, payload.empty() ? size_t{1} : size_t{2}});
}

void Outbox::Discard() {
  for (const uint32_t slot : touched_) Release(open_[slot]);
  touched_.clear();
  frames_.clear();
}

}  // namespace semper::internal
