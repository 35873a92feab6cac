#include "sidecar/wire/frame_stream.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace semper::wire {

namespace {
constexpr size_t kReadBytesMin = 64u << 10;  // a read into less room is not worth its system call
constexpr size_t kGatherPieces = 512;
}  // namespace

ReadArena::~ReadArena() {
  if (chunk_ != nullptr) BufferPool::Drop(chunk_);
}

void ReadArena::Reserve(size_t bytes) {
  if (chunk_ != nullptr && chunk_->references == 1)
    position_ = 0;  // nobody else looks at it any more
  if (chunk_ != nullptr && chunk_->capacity - position_ >= bytes) return;
  if (chunk_ != nullptr) BufferPool::Drop(chunk_);
  chunk_ = pool_.Take(std::max(bytes, pool_.chunk_bytes()));
  position_ = 0;
}

ptrdiff_t FrameReader::Fill(Stream& stream) {
  const size_t missing = wanted_ - partial_.size();
  const bool in_place =
      !partial_.empty() && arena_.chunk_ != nullptr &&
      partial_.data() + partial_.size() == arena_.chunk_->data() + arena_.position_ &&
      arena_.chunk_->capacity - arena_.position_ >= missing;
  if (!in_place) {
    Buffer old = std::move(partial_);
    arena_.Reserve(std::max(kReadBytesMin, old.size() + missing));
    if (!old.empty()) {
      std::memcpy(arena_.chunk_->data() + arena_.position_, old.data(), old.size());
      partial_ = Buffer(arena_.chunk_, arena_.position_, static_cast<uint32_t>(old.size()));
      arena_.position_ += static_cast<uint32_t>(old.size());
    }
  }
  const ptrdiff_t n = stream.Read(
      {arena_.chunk_->data() + arena_.position_, arena_.chunk_->capacity - arena_.position_});
  if (n <= 0) return n;
  const uint32_t start = arena_.position_ - static_cast<uint32_t>(partial_.size());
  arena_.position_ += static_cast<uint32_t>(n);
  partial_ = Buffer(arena_.chunk_, start, arena_.position_ - start);
  return n;
}

std::optional<core::FrameHeader> FrameReader::Complete(Check& check, absl::Status& refused) {
  if (partial_.size() < core::kFrameHeaderBytes) return std::nullopt;
  const core::FrameHeader header = core::FrameHeader::Decode(partial_.data());
  if (!checked_) {
    const std::string why = check.Refusal(header, partial_.data());
    if (!why.empty()) {
      refused = absl::InvalidArgumentError(why);
      return std::nullopt;
    }
    checked_ = true;
    wanted_ = core::kFrameHeaderBytes + header.bytes;
  }
  if (partial_.size() < wanted_) return std::nullopt;
  return header;
}

Buffer FrameReader::TakePayload(const core::FrameHeader& header) {
  Buffer payload =
      header.bytes == 0 ? Buffer() : partial_.Part(core::kFrameHeaderBytes, header.bytes);
  const auto total = static_cast<uint32_t>(core::kFrameHeaderBytes + header.bytes);
  partial_ = partial_.size() == total
                 ? Buffer()
                 : partial_.Part(total, static_cast<uint32_t>(partial_.size()) - total);
  wanted_ = core::kFrameHeaderBytes;
  checked_ = false;
  return payload;
}

void FrameWriter::Push(const core::FrameHeader& header, Buffer payload) {
  Item item;
  header.Encode(item.header.data());
  queued_bytes_ += core::kFrameHeaderBytes + payload.size();
  item.payload = std::move(payload);
  items_.Push(std::move(item));
}

bool FrameWriter::Flush(Stream& stream) {
  while (!items_.empty()) {
    std::array<iovec, kGatherPieces> pieces;
    size_t count = 0;
    size_t skip = offset_;
    size_t bytes = 0;
    for (size_t i = 0; i < items_.size() && count + 2 <= kGatherPieces; ++i) {
      Item& item = items_[i];
      if (skip < core::kFrameHeaderBytes) {
        pieces[count++] = {item.header.data() + skip, core::kFrameHeaderBytes - skip};
        bytes += core::kFrameHeaderBytes - skip;
        skip = 0;
      } else {
        skip -= core::kFrameHeaderBytes;
      }
      if (item.payload.size() > skip) {
        pieces[count++] = {const_cast<std::byte*>(item.payload.data()) + skip,
                           item.payload.size() - skip};
        bytes += item.payload.size() - skip;
      }
      skip = 0;
    }
    const ptrdiff_t n = stream.Write({pieces.data(), count});
    if (n < 0) return false;
    queued_bytes_ -= static_cast<size_t>(n);
    offset_ += static_cast<size_t>(n);
    while (!items_.empty() && offset_ >= core::kFrameHeaderBytes + items_.front().payload.size()) {
      offset_ -= core::kFrameHeaderBytes + items_.front().payload.size();
      items_.Pop();
    }
    if (static_cast<size_t>(n) < bytes) return true;
  }
  return true;
}

void FrameWriter::Clear() {
  items_.Clear();
  offset_ = 0;
  queued_bytes_ = 0;
}

uint32_t PeerHeaderCrc(const std::byte* encoded) {
  return Crc32c(0, {encoded, core::kFrameHeaderBytes - 4});
}

void FinishPeerHeader(core::FrameHeader& header) {
  std::array<std::byte, core::kFrameHeaderBytes> encoded;
  header.Encode(encoded.data());
  header.last = PeerHeaderCrc(encoded.data());
}

}  // namespace semper::wire
