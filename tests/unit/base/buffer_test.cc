#include "base/buffer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "base/bytes.h"

namespace semper {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

TEST(BufferPool, CountsWhatIsHeldUntilTheLastBufferIsGone) {
  BufferPool pool(4096, kMiB);
  Buffer part;
  {
    const Buffer whole = pool.Copy(AsBytes("hello, world"));
    part = whole.Part(7, 5);
  }
  EXPECT_EQ(AsText(part.bytes()), "world");
  EXPECT_EQ(pool.in_use_bytes(), 256u);
  part = Buffer();
  EXPECT_EQ(pool.in_use_bytes(), 0u);
}

TEST(BufferPool, HandsTheNewestChunkOutFirst) {
  BufferPool pool(4096, kMiB);
  Chunk* const first = pool.Take(4096);
  Chunk* const second = pool.Take(4096);
  BufferPool::Drop(first);
  BufferPool::Drop(second);
  EXPECT_EQ(pool.Take(4000), second);
  EXPECT_EQ(pool.Take(4000), first);
  BufferPool::Drop(first);
  BufferPool::Drop(second);
}

TEST(BufferPool, GivesASmallChunkForFewBytes) {
  BufferPool pool(kMiB, 8 * kMiB);
  Chunk* const chunk = pool.Take(1000);
  EXPECT_EQ(chunk->capacity, 1024u);
  BufferPool::Drop(chunk);
  EXPECT_EQ(pool.Take(513), chunk);
  BufferPool::Drop(chunk);
}

TEST(BufferPool, KeepsNoMoreThanItsLimit) {
  BufferPool pool(kMiB, 64 * kMiB, 3 * kMiB);
  std::vector<Chunk*> chunks;
  chunks.reserve(8);
  for (int i = 0; i < 8; ++i) chunks.push_back(pool.Take(kMiB));
  for (Chunk* chunk : chunks) BufferPool::Drop(chunk);
  EXPECT_EQ(pool.kept_bytes(), 3 * kMiB);
  EXPECT_EQ(pool.in_use_bytes(), 0u);
}

TEST(BufferPool, MakesAChunkToMeasureAboveTheOrdinarySizeAndKeepsItNot) {
  BufferPool pool(4096, kMiB);
  Chunk* const chunk = pool.Take(5 * kMiB + 1);
  EXPECT_EQ(chunk->capacity, 5 * kMiB + 1);
  std::memset(chunk->data(), 7, chunk->capacity);
  BufferPool::Drop(chunk);
  EXPECT_EQ(pool.kept_bytes(), 0u);
}

TEST(BufferPool, MapsLargeChunksWhollyWritable) {
  BufferPool pool(2 * kMiB, 16 * kMiB);
  Chunk* const chunk = pool.Take(2 * kMiB);
  std::memset(chunk->data(), 7, chunk->capacity);
  EXPECT_EQ(chunk->data()[chunk->capacity - 1], std::byte{7});
  BufferPool::Drop(chunk);
  EXPECT_EQ(pool.kept_bytes(), 2 * kMiB);
}

TEST(BufferPool, TrimFreesWhatWasNotUsedSinceTheLastOne) {
  BufferPool pool(4096, 65536);
  Chunk* chunks[4];
  for (Chunk*& chunk : chunks) chunk = pool.Take(4096);
  for (Chunk* chunk : chunks) BufferPool::Drop(chunk);
  EXPECT_TRUE(pool.Trim());
  EXPECT_EQ(pool.kept_bytes(), 4u * 4096);  // all of them were in use a moment ago
  Chunk* const busy = pool.Take(4096);
  BufferPool::Drop(busy);
  EXPECT_TRUE(pool.Trim());
  EXPECT_EQ(pool.kept_bytes(), 4096u);
}

TEST(BufferPool, TrimTwiceFreesAllOfAPoolAtRest) {
  BufferPool pool(4096, 65536);
  BufferPool::Drop(pool.Take(4096));
  BufferPool::Drop(pool.Take(256));
  EXPECT_TRUE(pool.Trim());
  EXPECT_FALSE(pool.Trim());
  EXPECT_EQ(pool.kept_bytes(), 0u);
}

TEST(BufferPool, IsFullFromItsLimitOnAndStillGives) {
  BufferPool pool(4096, 8192);
  Chunk* const first = pool.Take(4096);
  EXPECT_FALSE(pool.Full());
  Chunk* const second = pool.Take(4096);
  EXPECT_TRUE(pool.Full());
  Chunk* const third = pool.Take(4096);
  BufferPool::Drop(first);
  BufferPool::Drop(second);
  EXPECT_FALSE(pool.Full());
  BufferPool::Drop(third);
}

TEST(BufferPool, CopyOfNothingHoldsNothing) {
  BufferPool pool(4096, 8192);
  EXPECT_TRUE(pool.Copy({}).empty());
  EXPECT_EQ(pool.in_use_bytes(), 0u);
}

TEST(BufferPoolDeathTest, RefusesToDieBeforeItsChunks) {
  EXPECT_DEATH(
      {
        BufferPool pool(4096, 8192);
        pool.Take(1);
      },
      "outlive their pool");
}

TEST(Buffer, AssignmentToItselfKeepsTheBytes) {
  BufferPool pool(4096, 8192);
  Buffer buffer = pool.Copy(AsBytes("same"));
  Buffer& alias = buffer;
  buffer = alias;
  EXPECT_EQ(AsText(buffer.bytes()), "same");
}

}  // namespace
}  // namespace semper
