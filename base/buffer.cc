#include "base/buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <new>

#include "base/check.h"

namespace semper {
namespace {

constexpr size_t kSmallestBytes = 256;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kPage = 4096;

// Chunks of 2 MiB and more are mapped at a boundary of huge pages, so that the kernel can back them
// with those.
size_t MappedBytes(size_t capacity) {
  if (capacity < kHugePage) return 0;
  return (sizeof(Chunk) + capacity + kPage - 1) / kPage * kPage;
}

void* Map(size_t bytes) {
  const size_t reserved = bytes + kHugePage;
  void* const start =
      mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) throw std::bad_alloc();
  const auto from = reinterpret_cast<uintptr_t>(start);
  const uintptr_t aligned = (from + kHugePage - 1) / kHugePage * kHugePage;
  if (aligned != from) munmap(start, aligned - from);
  if (const size_t rest = from + reserved - (aligned + bytes); rest != 0) {
    munmap(reinterpret_cast<void*>(aligned + bytes), rest);
  }
  void* const mapped = reinterpret_cast<void*>(aligned);
  madvise(mapped, bytes, MADV_HUGEPAGE);  // a wish; it is right without
  return mapped;
}

Chunk* NewChunk(BufferPool* pool, size_t capacity) {
  const size_t mapped = MappedBytes(capacity);
  void* const memory = mapped != 0 ? Map(mapped) : ::operator new(sizeof(Chunk) + capacity);
  return new (memory) Chunk{.pool = pool,
                            .next_free = nullptr,
                            .references = 0,
                            .capacity = static_cast<uint32_t>(capacity)};
}

void DeleteChunk(Chunk* chunk) {
  if (const size_t mapped = MappedBytes(chunk->capacity); mapped != 0) {
    munmap(chunk, mapped);
  } else {
    ::operator delete(chunk);
  }
}

size_t ListOf(size_t capacity) { return static_cast<size_t>(std::bit_width(capacity)); }

}  // namespace

BufferPool::BufferPool(size_t chunk_bytes, size_t limit_bytes, size_t keep_bytes_max)
    : chunk_bytes_(chunk_bytes), limit_bytes_(limit_bytes), keep_bytes_max_(keep_bytes_max) {
  SEMPER_CHECK(chunk_bytes >= kSmallestBytes && std::has_single_bit(chunk_bytes) &&
                   chunk_bytes <= (size_t{1} << 30),
               "chunks of ", chunk_bytes, " bytes; a power of two from 256 to 1 Gi was expected");
}

BufferPool::~BufferPool() {
  SEMPER_CHECK(in_use_bytes_ == 0, in_use_bytes_, " bytes of chunks outlive their pool");
  for (Chunk* chunk : free_) {
    while (chunk != nullptr) DeleteChunk(std::exchange(chunk, chunk->next_free));
  }
}

size_t BufferPool::CapacityFor(size_t bytes) const {
  if (bytes <= kSmallestBytes) return kSmallestBytes;
  return bytes <= chunk_bytes_ ? std::bit_ceil(bytes) : bytes;
}

Chunk* BufferPool::Take(size_t bytes) {
  SEMPER_CHECK(bytes <= std::numeric_limits<uint32_t>::max(), "a chunk of ", bytes, " bytes");
  const size_t capacity = CapacityFor(bytes);
  Chunk* chunk = nullptr;
  if (capacity <= chunk_bytes_) {
    Chunk*& first = free_[ListOf(capacity)];
    if (first != nullptr) {
      chunk = std::exchange(first, first->next_free);
      kept_bytes_ -= capacity;
      kept_bytes_min_ = std::min(kept_bytes_min_, kept_bytes_);
    }
  }
  if (chunk == nullptr) chunk = NewChunk(this, capacity);
  chunk->references = 1;
  in_use_bytes_ += capacity;
  return chunk;
}

void BufferPool::Return(Chunk* chunk) {
  const size_t capacity = chunk->capacity;
  in_use_bytes_ -= capacity;
  if (capacity > chunk_bytes_ || kept_bytes_ + capacity > keep_bytes_max_) {
    DeleteChunk(chunk);
    return;
  }
  Chunk*& first = free_[ListOf(capacity)];
  chunk->next_free = std::exchange(first, chunk);
  kept_bytes_ += capacity;
}

bool BufferPool::Trim() {
  size_t unused = kept_bytes_min_;
  for (size_t list = free_.size(); list-- > 0;) {
    while (free_[list] != nullptr && free_[list]->capacity <= unused) {
      Chunk* const chunk = std::exchange(free_[list], free_[list]->next_free);
      unused -= chunk->capacity;
      kept_bytes_ -= chunk->capacity;
      DeleteChunk(chunk);
    }
  }
  kept_bytes_min_ = kept_bytes_;
  return kept_bytes_ != 0;
}

Buffer BufferPool::Copy(std::span<const std::byte> bytes) {
  if (bytes.empty()) return {};
  Chunk* const chunk = Take(bytes.size());
  std::memcpy(chunk->data(), bytes.data(), bytes.size());
  Buffer buffer(chunk, 0, static_cast<uint32_t>(bytes.size()));
  Drop(chunk);
  return buffer;
}

}  // namespace semper
