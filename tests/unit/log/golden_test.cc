// The bytes of the formats, made by another implementation (docs/formats/log.md) and never to
// change within version 1.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "sidecar/log/segment.h"
#include "tests/unit/log/leader.h"
#include "tests/unit/log/memory_disk.h"

namespace semper::log {
namespace {

using Bytes = std::vector<std::byte>;

constexpr uint32_t kId = 0xcafef00d;
constexpr uint64_t kNonce = 0x1122334455667788;

std::string ReadGolden(const std::string& name) {
  std::ifstream file(absl::StrCat(SEMPER_GOLDEN_DIR, "/", name));
  EXPECT_TRUE(file.is_open()) << name;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Lines of hexadecimal bytes; "00*12" is twelve of them; "#" begins a comment.
Bytes ReadGoldenHex(const std::string& name) {
  Bytes bytes;
  const std::string text = ReadGolden(name);
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = line.substr(0, line.find('#'));
    for (absl::string_view word : absl::StrSplit(line, ' ', absl::SkipEmpty())) {
      const std::vector<absl::string_view> parts = absl::StrSplit(word, '*');
      uint32_t byte = 0;
      size_t times = 1;
      EXPECT_TRUE(absl::SimpleHexAtoi(parts[0], &byte)) << word;
      EXPECT_TRUE(parts.size() == 1 || absl::SimpleAtoi(parts[1], &times)) << word;
      bytes.insert(bytes.end(), times, static_cast<std::byte>(byte));
    }
  }
  return bytes;
}

Chain ChainFrom(uint8_t first) {
  Chain chain;
  for (size_t i = 0; i < chain.size(); ++i) chain[i] = static_cast<std::byte>(first + i);
  return chain;
}

Seal GoldenSeal() {
  return {.epoch = core::Epoch{5},
          .nonce = kNonce,
          .base_epoch = core::Epoch{3},
          .base_batches = 9,
          .base_chain = ChainFrom(0x10),
          .copied_records = 2,
          .last_index = core::Index{41},
          .copied_chain = ChainFrom(0x20),
          .first_void = core::Epoch{4}};
}

TEST(Golden, GenesisIsWrittenAndReadSo) {
  MemoryDisk disk;
  Create(disk);
  const std::string path = absl::StrCat(kDir, "/genesis");
  EXPECT_EQ(AsText(disk.At(path)), ReadGolden("genesis.txt"));
  auto read = ReadGenesis(disk, kDir);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->name, "default/counter");
  EXPECT_EQ(read->cluster, "test");
  EXPECT_EQ(read->incarnation, TestGenesis().incarnation);
  EXPECT_EQ(read->created, TestGenesis().created);
}

TEST(Golden, ClaimIsWrittenAndReadSo) {
  MemoryDisk disk;
  Create(disk);
  const ClaimInfo info{
      .member = "node-1", .nonce = 0x0123456789abcdef, .time = 1'700'000'000'000'000'001};
  ASSERT_TRUE(CreateClaim(disk, kDir, core::Epoch{1}, info).ok());
  EXPECT_EQ(AsText(disk.At(absl::StrCat(kDir, "/claims/0/1"))), ReadGolden("claim.txt"));
  auto read = ReadClaim(disk, kDir, core::Epoch{1});
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->member, info.member);
  EXPECT_EQ(read->nonce, info.nonce);
  EXPECT_EQ(read->time, info.time);
}

TEST(Golden, SegmentHeaderIsWrittenAndReadSo) {
  const Bytes golden = ReadGoldenHex("segment_header.hex");
  ASSERT_EQ(golden.size(), kSegmentHeaderBytes);
  const SegmentName name{.epoch = core::Epoch{5}, .nonce = kNonce, .number = 2};
  auto header = SegmentHeader::Decode(golden, name, "golden");
  ASSERT_TRUE(header.ok()) << header.status();
  ASSERT_TRUE(header->has_value());
  const SegmentHeader& h = **header;
  EXPECT_EQ(h.incarnation, TestGenesis().incarnation);
  EXPECT_EQ(h.segment_id, kId);
  EXPECT_EQ(h.alignment, 64u);
  EXPECT_EQ(h.first_batch, 7u);
  EXPECT_EQ(h.next_index, core::Index{43});
  EXPECT_EQ(h.chain, ChainFrom(0x30));
  EXPECT_EQ(h.seal, GoldenSeal());
  EXPECT_EQ(h.name, "default/counter");
  Bytes encoded(kSegmentHeaderBytes);
  h.Encode(encoded.data());
  EXPECT_EQ(encoded, golden);
}

TEST(Golden, SegmentNameIsWrittenAndReadSo) {
  const SegmentName name{.epoch = core::Epoch{5}, .nonce = kNonce, .number = 26};
  EXPECT_EQ(name.File(), "0000000000000005-1122334455667788-0000001a.seg");
  EXPECT_EQ(SegmentName::Parse(name.File()), name);
}

TEST(Golden, RecordOfInputsIsWrittenAndReadSo) {
  const Bytes golden = ReadGoldenHex("record_inputs.hex");
  const std::string messages("\5\0\0\0hello\2\0\0\0hi", 15);
  const std::string control("\x0a\1x", 3);
  Unit unit;
  unit.Begin(core::Index{43});
  core::FrameHeader entry{.bytes = 15,
                          .count = 2,
                          .first_sequence = 100,
                          .index = 43,
                          .time = 1'700'000'000'000'000'002,
                          .slot = 1,
                          .crc = Crc32c(0, AsBytes(messages)),
                          .kind = core::FrameKind::kPeer};
  unit.Add(entry, AsBytes(messages));
  entry = {.bytes = 3,
           .count = 1,
           .index = 45,
           .time = 1'700'000'000'000'000'003,
           .crc = Crc32c(0, AsBytes(control)),
           .kind = core::FrameKind::kControl};
  unit.Add(entry, AsBytes(control));
  RecordHeader header = unit.Close(core::Epoch{5}, core::Batch{7}, 6, 5, ChainFrom(0x30));
  header.padding = 46;
  Bytes encoded(kRecordHeaderBytes);
  header.Encode(encoded.data(), kId);
  EXPECT_EQ(encoded, Bytes(golden.begin(), golden.begin() + kRecordHeaderBytes));
  const auto decoded = RecordHeader::Decode(golden, kId);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->body_crc,
            Crc32c(0, std::span(golden).subspan(kRecordHeaderBytes, decoded->body_bytes)));
  EXPECT_EQ(decoded->chain, decoded->ChainAfter(ChainFrom(0x30)));
  EXPECT_EQ(core::FrameHeader::Decode(golden.data() + kRecordHeaderBytes + core::kFrameHeaderBytes),
            entry);
}

TEST(Golden, SealIsWrittenAndReadSo) {
  const Bytes golden = ReadGoldenHex("record_seal.hex");
  const auto header = RecordHeader::Decode(golden, kId);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->kind, RecordKind::kSeal);
  EXPECT_EQ(header->chain, header->ChainAfter(ChainFrom(0x20)));
  const Bytes body(golden.begin() + kRecordHeaderBytes,
                   golden.begin() + kRecordHeaderBytes + kSealBodyBytes);
  EXPECT_EQ(Seal::Decode(body), GoldenSeal());
  Bytes encoded(kSealBodyBytes);
  GoldenSeal().Encode(encoded.data());
  EXPECT_EQ(encoded, body);
}

TEST(Golden, NoteIsWrittenAndReadSo) {
  const Bytes golden = ReadGoldenHex("record_note.hex");
  Unit unit;
  unit.Begin(core::Index{46});
  RecordHeader header = unit.Close(core::Epoch{5}, core::Batch{8}, 7, 7, ChainFrom(0x30));
  header.padding = 32;
  Bytes encoded(kRecordHeaderBytes);
  header.Encode(encoded.data(), kId);
  EXPECT_EQ(encoded, Bytes(golden.begin(), golden.begin() + kRecordHeaderBytes));
  EXPECT_TRUE(RecordHeader::Decode(golden, kId).has_value());
}

}  // namespace
}  // namespace semper::log
