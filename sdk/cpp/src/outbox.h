// Outbox: what a service sends, gathered into one open frame per destination and pushed out at the
// end of a batch.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "sidecar/core/types.h"

namespace semper::internal {

// Takes all of `pieces` before it returns.
using WritePieces = std::function<void(std::span<const iovec> pieces)>;

// Single-threaded. Frames of one slot leave in the order of their messages; frames of control leave
// before messages that were appended after them. In steady state nothing is allocated.
class Outbox {
 public:
  explicit Outbox(WritePieces write) : write_(std::move(write)) {}

  void SetGeneration(uint32_t generation) { generation_ = generation; }
  void SetSlots(uint32_t highest) { open_.resize(highest + 1); }

  // Room for the body of one message to `slot`, its header already written: `word` is the header's
  // upper bits, or 0. The caller fills all `bytes`. `cause`: the newest input begun. Requires bytes
  // <= kMessageBytesMax.
  std::byte* Append(uint32_t slot, uint64_t cause, uint32_t word, size_t bytes) {
    Open& open = open_[slot];
    const size_t needed = core::kMessageHeaderBytes + bytes;
    if (open.used + needed > open.limit) MakeRoom(slot, needed);
    std::byte* at = open.base.get() + open.used;
    StoreLittle(at, word | static_cast<uint32_t>(bytes));
    open.used += needed;
    open.cause = cause;
    ++open.count;
    return at + core::kMessageHeaderBytes;
  }

  // A frame that is not messages; it goes out with the next Flush, in order among its like.
  void AppendFrame(const core::FrameHeader& header, std::span<const std::byte> payload);

  // Writes everything that is open, then, if `last` is given, that frame.
  void Flush(const core::FrameHeader* last = nullptr);

  // Writes one frame at once; the caller has flushed what must come before it.
  void WriteFrame(core::FrameHeader header, std::span<const std::byte> payload);

  // Forgets everything that was not written.
  void Discard();

  bool empty() const { return touched_.empty() && frames_.empty(); }

 private:
  // A frame in the making: its header's place, then messages.
  struct Open {
    std::unique_ptr<std::byte[]> base;
    size_t capacity = 0;
    size_t limit = 0;  // used may grow to here without a look; 0 while there is no buffer
    size_t used = 0;
    uint64_t cause = 0;
    uint32_t count = 0;
  };
  struct Spare {
    std::unique_ptr<std::byte[]> base;
    size_t capacity;
  };

  void MakeRoom(uint32_t slot, size_t needed);
  void TakeBuffer(Open& open, size_t bytes);
  void Release(Open& open);
  void Close(uint32_t slot);  // fills in the header
  void WriteFrames();

  WritePieces write_;
  uint32_t generation_ = 0;
  std::vector<Open> open_;         // by slot
  std::vector<uint32_t> touched_;  // slots with an open frame, in order of their first message
  std::vector<std::byte> frames_;  // encoded frames of AppendFrame
  std::vector<iovec> pieces_;
  std::vector<Spare> spares_;
  size_t spare_bytes_ = 0;
  size_t open_bytes_ = 0;  // capacity of all open frames
};

}  // namespace semper::internal
