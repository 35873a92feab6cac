#include "sdk/cpp/src/inbox.h"

#include <algorithm>
#include <cstring>

namespace semper::internal {

namespace {
constexpr size_t kSmallestBuffer = 64u << 10;
}

Inbox::Inbox(size_t usual_bytes)
    : usual_bytes_(std::max(usual_bytes, kSmallestBuffer)),
      capacity_(usual_bytes_),
      buffer_(new std::byte[capacity_]) {}

std::span<std::byte> Inbox::Space() {
  const size_t held = end_ - begin_;
  size_t needed = core::kFrameHeaderBytes;
  if (held >= core::kFrameHeaderBytes) {
    needed += core::FrameHeader::Decode(buffer_.get() + begin_).bytes;
  }
  // A frame larger than the buffer makes it grow for as long as that frame is in it.
  const size_t capacity = std::max(usual_bytes_, needed);
  if (capacity != capacity_) {
    std::unique_ptr<std::byte[]> other(new std::byte[capacity]);
    if (held > 0) std::memcpy(other.get(), buffer_.get() + begin_, held);
    buffer_ = std::move(other);
    capacity_ = capacity;
  } else if (begin_ > 0 && held > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_,
                 held);  // part of one frame; each part moves once
  }
  begin_ = 0;
  end_ = held;
  return {buffer_.get() + end_, capacity_ - end_};
}

Inbox::Found Inbox::Next(core::FrameHeader& header, std::span<const std::byte>& payload) {
  if (end_ - begin_ < core::kFrameHeaderBytes) return Found::kNothing;
  const std::byte* at = buffer_.get() + begin_;
  header = core::FrameHeader::Decode(at);
  if (header.bytes > core::kFramePayloadBytesMax || header.flags != 0) return Found::kBadFrame;
  const size_t size = core::kFrameHeaderBytes + header.bytes;
  if (end_ - begin_ < size) return Found::kNothing;
  payload = {at + core::kFrameHeaderBytes, header.bytes};
  begin_ += size;
  return Found::kFrame;
}

}  // namespace semper::internal
