// Frames on a byte stream: reading them out of shared chunks without copying, gathering them for
// writing. Used by link and peer. Loop's thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "base/buffer.h"
#include "base/loop.h"
#include "sidecar/core/ring.h"
#include "sidecar/core/types.h"

namespace semper::wire {

// The chunk into which all connections of a loop read, one after the other, so that a thousand
// quiet connections need no memory of their own.
class ReadArena {
 public:
  explicit ReadArena(BufferPool& pool) : pool_(pool) {}
  ~ReadArena();
  ReadArena(const ReadArena&) = delete;
  ReadArena& operator=(const ReadArena&) = delete;

  BufferPool& pool() { return pool_; }

 private:
  friend class FrameReader;
  // Room for at least `bytes` behind `position_`, in a fresh chunk if need be.
  void Reserve(size_t bytes);

  BufferPool& pool_;
  Chunk* chunk_ = nullptr;
  uint32_t position_ = 0;
};

// Takes frames from one connection.
class FrameReader {
 public:
  // What a header must fulfil before its payload is waited for.
  class Check {
   public:
    virtual ~Check() = default;
    // Empty: fine. Else what is wrong with it; the connection ends.
    virtual std::string Refusal(const core::FrameHeader& header, const std::byte* encoded) = 0;
  };

  explicit FrameReader(ReadArena& arena) : arena_(arena) {}

  // Reads once (up to `budget_bytes`) and hands each complete frame to `sink(const FrameHeader&,
  // Buffer)`, which returns false to stop (frames already read stay and come with the next call).
  // OK with nothing done if nothing is there. INVALID_ARGUMENT: `check` refused a header;
  // UNAVAILABLE: the stream is closed.
  template <typename Sink>
  absl::Status Read(Stream& stream, Check& check, size_t budget_bytes, Sink&& sink) {
    for (size_t taken = 0;;) {
      for (;;) {
        absl::Status refused;
        std::optional<core::FrameHeader> header = Complete(check, refused);
        if (!refused.ok()) return refused;
        if (!header) break;
        Buffer payload = TakePayload(*header);
        if (!sink(*header, std::move(payload))) return absl::OkStatus();
      }
      if (taken >= budget_bytes) return absl::OkStatus();
      const ptrdiff_t n = Fill(stream);
      if (n < 0) return absl::UnavailableError("the connection was closed");
      if (n == 0) return absl::OkStatus();
      taken += static_cast<size_t>(n);
    }
  }

  bool has_partial() const { return !partial_.empty(); }
  // Bytes wanted to complete the frame that has begun.
  size_t partial_bytes() const { return partial_.size(); }

 private:
  std::optional<core::FrameHeader> Complete(Check& check, absl::Status& refused);
  Buffer TakePayload(const core::FrameHeader& header);
  ptrdiff_t Fill(Stream& stream);

  ReadArena& arena_;
  Buffer partial_;  // received, not yet handed out; contiguous
  size_t wanted_ =
      core::kFrameHeaderBytes;  // bytes of the frame at the beginning of partial_, as far as known
  bool checked_ = false;        // its header was accepted
};

// Gathers frames and writes them with few system calls.
class FrameWriter {
 public:
  void Push(const core::FrameHeader& header, Buffer payload);

  // Writes as much as the stream takes. False: the stream is closed.
  bool Flush(Stream& stream);

  bool empty() const { return items_.empty(); }
  size_t queued_bytes() const { return queued_bytes_; }
  void Clear();

 private:
  struct Item {
    std::array<std::byte, core::kFrameHeaderBytes> header;
    Buffer payload;
  };
  core::Ring<Item> items_{64};
  size_t offset_ = 0;  // of the first item, already written
  size_t queued_bytes_ = 0;
};

// CRC32C of the first 44 bytes of an encoded header: field `last` of frames between peers.
uint32_t PeerHeaderCrc(const std::byte* encoded);
void FinishPeerHeader(core::FrameHeader& header);

}  // namespace semper::wire
