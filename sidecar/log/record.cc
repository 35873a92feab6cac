#include "sidecar/log/record.h"

#include <cstring>

#include "base/bytes.h"

namespace semper::log {
namespace {

constexpr uint32_t kMagic = 0x43455253;  // "SREC"
constexpr uint32_t kFlagCopied = 1;
constexpr size_t kCrcBegin = 8;     // what the header crc covers, up to the end
constexpr size_t kChainBegin = 32;  // what the chain covers
constexpr size_t kChainEnd = 80;
constexpr uint32_t kAlignmentMax = 4096;

uint32_t HeaderCrc(const std::byte* header, uint32_t segment_id) {
  std::byte seed[4];
  StoreLittle(seed, segment_id);
  return Crc32c(Crc32c(0, seed), {header + kCrcBegin, kRecordHeaderBytes - kCrcBegin});
}

void EncodeChained(const RecordHeader& h, std::byte* to) {
  StoreLittle(to + 32, static_cast<uint16_t>(h.kind));
  StoreLittle(to + 34, uint16_t{0});
  StoreLittle(to + 36, h.entries);
  StoreLittle(to + 40, Raw(h.origin_epoch));
  StoreLittle(to + 48, Raw(h.batch));
  StoreLittle(to + 56, Raw(h.first_index));
  StoreLittle(to + 64, h.inputs);
  StoreLittle(to + 68, h.body_bytes);
  StoreLittle(to + 72, h.body_crc);
  StoreLittle(to + 76, uint32_t{0});
}

// Everything about the fields that a single record can tell, the crc apart.
bool KindIsSound(const RecordHeader& h) {
  switch (h.kind) {
    case RecordKind::kInputs:
      return h.entries >= 1 && h.inputs >= h.entries && h.body_bytes <= kRecordBodyBytesMax &&
             uint64_t{h.entries} * core::kFrameHeaderBytes <= h.body_bytes;
    case RecordKind::kNote:
      return h.entries == 0 && h.inputs == 0 && h.body_bytes == 0 && Raw(h.batch) > 0;
    case RecordKind::kSeal:
      return h.entries == 0 && h.inputs == 0 && h.body_bytes == kSealBodyBytes && Raw(h.batch) == 0;
  }
  return false;
}

bool PositionsAreSound(const RecordHeader& h) {
  if (Raw(h.origin_epoch) == 0 || Raw(h.first_index) == 0) return false;
  if (Raw(h.first_index) + h.inputs < Raw(h.first_index)) return false;
  if (h.kind == RecordKind::kInputs && Raw(h.batch) == 0) return false;
  if (h.copied) return h.durable == 0 && h.committed == 0;
  return h.committed <= h.durable && h.durable <= Raw(h.batch);
}

}  // namespace

void RecordHeader::Encode(std::byte* to, uint32_t segment_id) const {
  StoreLittle(to, kMagic);
  StoreLittle(to + 8, durable);
  StoreLittle(to + 16, committed);
  StoreLittle(to + 24, copied ? kFlagCopied : 0u);
  StoreLittle(to + 28, padding);
  EncodeChained(*this, to);
  std::memcpy(to + kChainEnd, chain.data(), chain.size());
  StoreLittle(to + 4, HeaderCrc(to, segment_id));
}

std::optional<RecordHeader> RecordHeader::Decode(std::span<const std::byte> from,
                                                 uint32_t segment_id) {
  if (from.size() < kRecordHeaderBytes) return std::nullopt;
  const std::byte* p = from.data();
  if (LoadLittle<uint32_t>(p) != kMagic) return std::nullopt;
  if (LoadLittle<uint32_t>(p + 4) != HeaderCrc(p, segment_id)) return std::nullopt;
  const uint32_t flags = LoadLittle<uint32_t>(p + 24);
  if ((flags & ~kFlagCopied) != 0) return std::nullopt;
  if (LoadLittle<uint16_t>(p + 34) != 0 || LoadLittle<uint32_t>(p + 76) != 0) return std::nullopt;
  RecordHeader h;
  h.durable = LoadLittle<uint64_t>(p + 8);
  h.committed = LoadLittle<uint64_t>(p + 16);
  h.copied = flags != 0;
  h.padding = LoadLittle<uint32_t>(p + 28);
  h.kind = static_cast<RecordKind>(LoadLittle<uint16_t>(p + 32));
  h.entries = LoadLittle<uint32_t>(p + 36);
  h.origin_epoch = core::Epoch{LoadLittle<uint64_t>(p + 40)};
  h.batch = core::Batch{LoadLittle<uint64_t>(p + 48)};
  h.first_index = core::Index{LoadLittle<uint64_t>(p + 56)};
  h.inputs = LoadLittle<uint32_t>(p + 64);
  h.body_bytes = LoadLittle<uint32_t>(p + 68);
  h.body_crc = LoadLittle<uint32_t>(p + 72);
  std::memcpy(h.chain.data(), p + kChainEnd, h.chain.size());
  if (h.padding >= kAlignmentMax || !KindIsSound(h) || !PositionsAreSound(h)) return std::nullopt;
  return h;
}

Chain RecordHeader::ChainAfter(const Chain& before) const {
  std::byte bytes[kRecordHeaderBytes];
  EncodeChained(*this, bytes);
  return ExtendChain(before, {bytes + kChainBegin, kChainEnd - kChainBegin});
}

void Seal::Encode(std::byte* to) const {
  StoreLittle(to, Raw(epoch));
  StoreLittle(to + 8, nonce);
  StoreLittle(to + 16, Raw(base_epoch));
  StoreLittle(to + 24, base_batches);
  std::memcpy(to + 32, base_chain.data(), base_chain.size());
  StoreLittle(to + 48, copied_records);
  StoreLittle(to + 56, Raw(last_index));
  std::memcpy(to + 64, copied_chain.data(), copied_chain.size());
  StoreLittle(to + 80, Raw(first_void));
  StoreLittle(to + 88, uint64_t{0});
}

std::optional<Seal> Seal::Decode(std::span<const std::byte> from) {
  if (from.size() < kSealBodyBytes) return std::nullopt;
  const std::byte* p = from.data();
  if (LoadLittle<uint64_t>(p + 88) != 0) return std::nullopt;
  Seal s;
  s.epoch = core::Epoch{LoadLittle<uint64_t>(p)};
  s.nonce = LoadLittle<uint64_t>(p + 8);
  s.base_epoch = core::Epoch{LoadLittle<uint64_t>(p + 16)};
  s.base_batches = LoadLittle<uint64_t>(p + 24);
  std::memcpy(s.base_chain.data(), p + 32, s.base_chain.size());
  s.copied_records = LoadLittle<uint64_t>(p + 48);
  s.last_index = core::Index{LoadLittle<uint64_t>(p + 56)};
  std::memcpy(s.copied_chain.data(), p + 64, s.copied_chain.size());
  s.first_void = core::Epoch{LoadLittle<uint64_t>(p + 80)};
  if (s.epoch == core::Epoch{} || s.base_epoch >= s.epoch || s.first_void > s.epoch) {
    return std::nullopt;
  }
  return s;
}

}  // namespace semper::log
