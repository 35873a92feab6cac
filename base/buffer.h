// Buffer: a counted reference to bytes that were received once and are never changed again.
//
// Chunks come from a pool with a limit; a Buffer is a range of one chunk. Counting is not atomic:
// buffers are copied and dropped on the loop's thread only (other lanes see their bytes through
// spans while the loop holds the buffer).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace semper {

class BufferPool;

// Memory for received bytes. Lives until the last Buffer into it is gone, then returns to its pool.
struct Chunk {
  BufferPool* pool;
  Chunk* next_free;
  uint32_t references;
  uint32_t capacity;

  std::byte* data() { return reinterpret_cast<std::byte*>(this + 1); }
};

class Buffer {
 public:
  Buffer() = default;
  // Takes a reference of its own on `chunk`.
  Buffer(Chunk* chunk, uint32_t offset, uint32_t length)
      : chunk_(chunk), offset_(offset), length_(length) {
    ++chunk_->references;
  }
  Buffer(const Buffer& other)
      : chunk_(other.chunk_), offset_(other.offset_), length_(other.length_) {
    if (chunk_ != nullptr) ++chunk_->references;
  }
  Buffer(Buffer&& other) noexcept
      : chunk_(std::exchange(other.chunk_, nullptr)),
        offset_(std::exchange(other.offset_, 0)),
        length_(std::exchange(other.length_, 0)) {}
  Buffer& operator=(Buffer other) noexcept {
    std::swap(chunk_, other.chunk_);
    std::swap(offset_, other.offset_);
    std::swap(length_, other.length_);
    return *this;
  }
  ~Buffer() { Release(); }

  size_t size() const { return length_; }
  bool empty() const { return length_ == 0; }
  const std::byte* data() const { return chunk_ == nullptr ? nullptr : chunk_->data() + offset_; }
  std::span<const std::byte> bytes() const { return {data(), length_}; }

  // The part [offset, offset + length) of this buffer; shares the chunk.
  Buffer Part(uint32_t offset, uint32_t length) const {
    return Buffer(chunk_, offset_ + offset, length);
  }

 private:
  void Release();

  Chunk* chunk_ = nullptr;
  uint32_t offset_ = 0;
  uint32_t length_ = 0;
};

// Hands out chunks up to a limit of bytes in use. Loop's thread only. Must outlive its chunks.
//
// Chunks come in powers of two from 256 B to `chunk_bytes`, which is one itself; larger ones are
// made to measure. A chunk that comes back is kept for the next who takes its size, newest first
// (its bytes are likely still in a cache, and the kernel need not clear pages for it), as long as
// all that is kept stays below `keep_bytes_max`. Trim gives back what a quieter time does not need.
class BufferPool {
 public:
  static constexpr size_t kKeepBytesMax = size_t{16} << 20;

  // `chunk_bytes`: size of an ordinary chunk; `limit_bytes`: bytes in use from which Full() is
  // true.
  BufferPool(size_t chunk_bytes, size_t limit_bytes, size_t keep_bytes_max = kKeepBytesMax);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // A chunk of at least `bytes` with one reference that the caller drops with Drop(). Never fails:
  // callers ask Full() before they take in new work, so that what has begun can always end.
  Chunk* Take(size_t bytes);
  static void Drop(Chunk* chunk) {
    if (--chunk->references == 0) chunk->pool->Return(chunk);
  }

  // Frees as many bytes of kept chunks as were never used since the last Trim. True if any are kept
  // on: then call it again after a while.
  bool Trim();

  // A buffer with a copy of `bytes`.
  Buffer Copy(std::span<const std::byte> bytes);

  bool Full() const { return in_use_bytes_ >= limit_bytes_; }
  size_t in_use_bytes() const {
    return in_use_bytes_;
  }                                                  // capacities of the chunks that somebody holds
  size_t kept_bytes() const { return kept_bytes_; }  // capacities of the chunks that wait for use
  size_t chunk_bytes() const { return chunk_bytes_; }

 private:
  friend class Buffer;
  void Return(Chunk* chunk);
  size_t CapacityFor(size_t bytes) const;

  static constexpr size_t kSizes = 32;  // chunk_bytes is at most 1 GiB, 31 bits wide

  const size_t chunk_bytes_;
  const size_t limit_bytes_;
  const size_t keep_bytes_max_;
  size_t in_use_bytes_ = 0;
  size_t kept_bytes_ = 0;
  size_t kept_bytes_min_ = 0;          // since the last Trim
  std::array<Chunk*, kSizes> free_{};  // by the width of the capacity; within one, newest first
};

inline void Buffer::Release() {
  if (chunk_ != nullptr && --chunk_->references == 0) chunk_->pool->Return(chunk_);
}

}  // namespace semper
