#include "sidecar/log/record.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "base/bytes.h"
#include "sidecar/log/segment.h"
#include "tests/unit/log/leader.h"
#include "tests/unit/log/memory_disk.h"

namespace {
size_t allocations = 0;
}  // namespace

void* operator new(size_t bytes) {
  ++allocations;
  return std::malloc(bytes);
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace semper::log {
namespace {

RecordHeader Sound() {
  RecordHeader h{.durable = 3,
                 .committed = 2,
                 .padding = 8,
                 .entries = 2,
                 .origin_epoch = core::Epoch{4},
                 .batch = core::Batch{3},
                 .first_index = core::Index{10},
                 .inputs = 5,
                 .body_bytes = 120,
                 .body_crc = 77};
  h.chain = h.ChainAfter({});
  return h;
}

std::optional<RecordHeader> Coded(const RecordHeader& h) {
  std::byte bytes[kRecordHeaderBytes];
  h.Encode(bytes, 1);
  return RecordHeader::Decode(bytes, 1);
}

TEST(RecordHeader, RefusesEveryFlippedBit) {
  std::byte bytes[kRecordHeaderBytes];
  Sound().Encode(bytes, 1);
  ASSERT_TRUE(RecordHeader::Decode(bytes, 1).has_value());
  for (size_t bit = 0; bit < 8 * kRecordHeaderBytes; ++bit) {
    bytes[bit / 8] ^= std::byte(1 << bit % 8);
    EXPECT_FALSE(RecordHeader::Decode(bytes, 1).has_value()) << "bit " << bit;
    bytes[bit / 8] ^= std::byte(1 << bit % 8);
  }
}

TEST(RecordHeader, OfAnotherSegmentIsRefused) {
  std::byte bytes[kRecordHeaderBytes];
  Sound().Encode(bytes, 1);
  EXPECT_FALSE(RecordHeader::Decode(bytes, 2).has_value());
}

TEST(RecordHeader, RefusesFieldsOutOfRange) {
  ASSERT_TRUE(Coded(Sound()).has_value());
  const auto refused = [](auto change) {
    RecordHeader h = Sound();
    change(h);
    return !Coded(h).has_value();
  };
  EXPECT_TRUE(refused([](RecordHeader& h) { h.committed = 4; }));
  EXPECT_TRUE(refused([](RecordHeader& h) { h.durable = 4; }));
  EXPECT_TRUE(refused([](RecordHeader& h) { h.copied = true; }));
  EXPECT_TRUE(refused([](RecordHeader& h) { h.padding = 4096; }));
  EXPECT_TRUE(refused([](RecordHeader& h) { h.entries = 0; }));
  EXPECT_TRUE(refused([](RecordHeader& h) { h.entries = 3; }));
  EXPECT_TRUE(refused([](RecordHeader& h) { h.inputs = 1; }));
  EXPECT_TRUE(refused([](RecordHeader& h) { h.body_bytes = kRecordBodyBytesMax + 1; }));
  EXPECT_TRUE(refused([](RecordHeader& h) { h.origin_epoch = core::Epoch{0}; }));
  EXPECT_TRUE(refused([](RecordHeader& h) { h.first_index = core::Index{0}; }));
  EXPECT_TRUE(refused([](RecordHeader& h) { h.first_index = core::Index{UINT64_MAX - 2}; }));
  EXPECT_TRUE(refused([](RecordHeader& h) { h.kind = static_cast<RecordKind>(4); }));
  EXPECT_TRUE(refused([](RecordHeader& h) { h.kind = RecordKind::kNote; }));
  EXPECT_TRUE(refused([](RecordHeader& h) { h.kind = RecordKind::kSeal; }));
}

TEST(RecordHeader, ChainCoversWhatACopyKeepsAndNothingElse) {
  RecordHeader copy = Sound();
  copy.durable = copy.committed = 0;
  copy.copied = true;
  copy.padding = 4000;
  EXPECT_EQ(copy.ChainAfter({}), Sound().chain);
  copy.inputs = 6;
  EXPECT_NE(copy.ChainAfter({}), Sound().chain);
}

TEST(Seal, RefusesABaseThatIsNotBelow) {
  Seal seal{.epoch = core::Epoch{3},
            .base_epoch = core::Epoch{2},
            .base_batches = 1,
            .first_void = core::Epoch{3}};
  std::byte bytes[kSealBodyBytes];
  seal.Encode(bytes);
  EXPECT_EQ(Seal::Decode(bytes), seal);
  seal.base_epoch = core::Epoch{3};
  seal.Encode(bytes);
  EXPECT_FALSE(Seal::Decode(bytes).has_value());
}

// Frames of all sizes around the limit of copying, as one unit.
std::vector<std::string> Payloads() {
  std::vector<std::string> payloads;
  for (size_t size : {1, 16, 512, 513, 5000, 1, 2, 700, 700, 3}) {
    payloads.emplace_back(size, static_cast<char>('a' + payloads.size()));
  }
  return payloads;
}

void AddAll(Unit& unit, const std::vector<std::string>& payloads) {
  uint64_t index = Raw(unit.first_index());
  for (const std::string& payload : payloads) {
    unit.Add({.bytes = static_cast<uint32_t>(payload.size()),
              .count = 3,
              .index = index,
              .time = 5,
              .slot = 1,
              .crc = Crc32c(0, AsBytes(payload)),
              .kind = core::FrameKind::kPeer,
              .last = 99},
             AsBytes(payload));
    index += 3;
  }
}

TEST(Unit, KnowsItsSizesAndIndexes) {
  Unit unit;
  unit.Begin(core::Index{7});
  EXPECT_TRUE(unit.empty());
  EXPECT_EQ(unit.last_index(), core::Index{6});
  AddAll(unit, {"abc", "de"});
  EXPECT_FALSE(unit.empty());
  EXPECT_EQ(unit.entry_count(), 2u);
  EXPECT_EQ(unit.body_bytes(), 2 * core::kFrameHeaderBytes + 5);
  EXPECT_EQ(unit.first_index(), core::Index{7});
  EXPECT_EQ(unit.last_index(), core::Index{12});
}

TEST(Unit, BodyOnDiskIsItsEntriesAndThenItsPayloads) {
  MemoryDisk disk;
  Create(disk);
  auto leader = Leader::TakeOver(disk);
  ASSERT_TRUE(leader.ok());
  const std::vector<std::string> payloads = Payloads();
  Unit unit;
  unit.Begin(core::Index{1});
  AddAll(unit, payloads);
  const RecordHeader header = unit.Close(core::Epoch{1}, core::Batch{1}, 1, 0, (*leader)->chain);
  ASSERT_TRUE((*leader)->writer->Append(unit).ok());
  auto history = ResolveHistory(disk, kDir, core::Epoch{2});
  auto reader = HistoryReader::Open(disk, kDir, *history, core::Index{0});
  ASSERT_TRUE((*reader)->Next().ok());  // the seal
  auto record = (*reader)->Next();
  ASSERT_TRUE(record.ok() && record->has_value()) << record.status();
  EXPECT_EQ((*record)->header.chain, header.chain);
  EXPECT_EQ(TextsOf(**record), payloads);
  EXPECT_EQ((*record)->entry(1).last, 0u);
  EXPECT_EQ((*reader)->index(), core::Index{30});
}

TEST(Unit, AllocatesNothingOnceItHasGrown) {
  const std::vector<std::string> payloads = Payloads();
  Unit unit;
  const auto round = [&] {
    unit.Begin(core::Index{1});
    for (const std::string& payload : payloads) {
      unit.Add({.bytes = static_cast<uint32_t>(payload.size()),
                .count = 1,
                .index = Raw(unit.last_index()) + 1,
                .crc = 0,
                .kind = core::FrameKind::kPeer},
               AsBytes(payload));
    }
    unit.Close(core::Epoch{1}, core::Batch{1}, 0, 0, {});
  };
  round();
  const size_t before = allocations;
  for (int i = 0; i < 100; ++i) round();
  EXPECT_EQ(allocations, before);
}

TEST(Unit, DamagedPayloadDoesNotGetAValidRecord) {
  Unit unit;
  unit.Begin(core::Index{1});
  const std::string sent = "abc";
  const std::string damaged = "abd";
  unit.Add({.bytes = 3,
            .count = 1,
            .index = 1,
            .crc = Crc32c(0, AsBytes(sent)),
            .kind = core::FrameKind::kPeer},
           AsBytes(damaged));
  Unit sound;
  sound.Begin(core::Index{1});
  sound.Add({.bytes = 3,
             .count = 1,
             .index = 1,
             .crc = Crc32c(0, AsBytes(sent)),
             .kind = core::FrameKind::kPeer},
            AsBytes(sent));
  EXPECT_EQ(unit.Close(core::Epoch{1}, core::Batch{1}, 0, 0, {}).body_crc,
            sound.Close(core::Epoch{1}, core::Batch{1}, 0, 0, {}).body_crc);
}

TEST(SegmentName, RefusesWhatIsNotOne) {
  for (const char* file : {"", "x", "0000000000000005-1122334455667788-0000001a.sex",
                           "0000000000000005-1122334455667788-0000001A.seg",
                           "0000000000000000-1122334455667788-0000001a.seg",
                           "0000000000000005-1122334455667788-0000001a.seg.tmp"}) {
    EXPECT_FALSE(SegmentName::Parse(file).has_value()) << file;
  }
}

}  // namespace
}  // namespace semper::log
