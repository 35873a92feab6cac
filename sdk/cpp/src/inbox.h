// Inbox: the read buffer of a link, and the frames in it, in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "sidecar/core/types.h"

namespace semper::internal {

// Single-threaded. Space and Added bring bytes in; Next gives the complete frames one after the
// other.
class Inbox {
 public:
  enum class Found { kFrame, kNothing, kBadFrame };

  explicit Inbox(size_t usual_bytes);

  // Where the next bytes belong: at least 1 byte, usually most of the buffer. Payloads given by
  // Next become invalid.
  std::span<std::byte> Space();
  void Added(size_t bytes) { end_ += bytes; }

  // kFrame: `header` and `payload` are filled; the payload is valid until Space. kNothing: no
  // complete frame is there. kBadFrame: the header is not one; `header` says what it holds.
  Found Next(core::FrameHeader& header, std::span<const std::byte>& payload);

 private:
  const size_t usual_bytes_;
  size_t capacity_;
  std::unique_ptr<std::byte[]> buffer_;
  size_t begin_ = 0;  // first byte that Next has not given
  size_t end_ = 0;    // after the last byte that was added
};

}  // namespace semper::internal
