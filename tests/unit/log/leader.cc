#include "tests/unit/log/leader.h"

#include "sidecar/log/segment.h"

namespace semper::log {

absl::StatusOr<std::unique_ptr<Leader>> Leader::TakeOver(Disk& disk, Options options) {
  auto leader = std::make_unique<Leader>();
  auto newest = NewestClaim(disk, kDir);
  if (!newest.ok()) return newest.status();
  leader->epoch = core::Epoch{Raw(*newest) + 1};
  leader->nonce = 0x1000 + Raw(leader->epoch);
  if (absl::Status s =
          CreateClaim(disk, kDir, leader->epoch, {.member = "m", .nonce = leader->nonce});
      !s.ok()) {
    return s;
  }
  auto tail = ReadTail(disk, kDir, leader->epoch);
  if (!tail.ok()) return tail.status();
  leader->tail = *tail;
  const Tail& t = leader->tail;
  auto writer = LogWriter::Start(disk,
                                 {.dir = kDir,
                                  .name = "default/counter",
                                  .incarnation = TestGenesis().incarnation,
                                  .profile = options.profile,
                                  .segment_bytes = options.segment_bytes},
                                 leader->epoch, leader->nonce, t.base_index + 1, t.base_chain,
                                 leader->nonce * 77);
  if (!writer.ok()) return writer.status();
  leader->writer = *std::move(writer);
  for (const Tail::Record& record : t.copy) {
    if (absl::Status s = leader->writer->Copy(record.header, record.body); !s.ok()) return s;
  }
  leader->seal = Seal{.epoch = leader->epoch,
                      .nonce = leader->nonce,
                      .base_epoch = t.base_epoch,
                      .base_batches = t.base_batches,
                      .base_chain = t.base_chain,
                      .copied_records = t.copy.size(),
                      .last_index = t.last_index,
                      .copied_chain = t.chain,
                      .first_void = t.first_void};
  if (!options.seals) return leader;
  auto header = leader->writer->WriteSeal(leader->seal);
  if (!header.ok()) return header.status();
  leader->chain = header->chain;
  leader->next = t.last_index + 1;
  leader->batches = 1;
  leader->synced = 1;
  leader->time_ = t.last_time + 1000;
  return leader;
}

absl::Status Leader::WriteUnsynced(const std::vector<std::string>& texts) {
  unit_.Begin(next);
  for (const std::string& text : texts) {
    const core::FrameHeader entry{.bytes = static_cast<uint32_t>(text.size()),
                                  .count = 1,
                                  .first_sequence = Raw(next),
                                  .index = Raw(next),
                                  .time = ++time_,
                                  .slot = 1,
                                  .crc = Crc32c(0, AsBytes(text)),
                                  .kind = core::FrameKind::kPeer};
    unit_.Add(entry, AsBytes(text));
    next = next + 1;
  }
  chain = unit_.Close(epoch, core::Batch{batches}, synced, committed, chain).chain;
  ++batches;
  return writer->Append(unit_);
}

absl::Status Leader::Sync() {
  if (absl::Status s = writer->Sync(); !s.ok()) return s;
  synced = batches;
  return absl::OkStatus();
}

absl::Status Leader::Write(const std::vector<std::string>& texts) {
  if (absl::Status s = WriteUnsynced(texts); !s.ok()) return s;
  return Sync();
}

std::vector<std::string> TextsOf(const Record& record) {
  std::vector<std::string> texts;
  size_t at = record.header.entries * core::kFrameHeaderBytes;
  for (uint32_t i = 0; i < record.entry_count(); ++i) {
    const core::FrameHeader entry = record.entry(i);
    texts.emplace_back(AsText(record.body.subspan(at, entry.bytes)));
    at += entry.bytes;
  }
  return texts;
}

std::vector<std::string> Drain(HistoryReader& reader) {
  std::vector<std::string> all;
  while (true) {
    auto record = reader.Next();
    if (!record.ok()) {
      all.push_back(record.status().ToString());
      return all;
    }
    if (!record->has_value()) return all;
    for (std::string& text : TextsOf(**record)) all.push_back(std::move(text));
  }
}

std::vector<std::string> ReadAll(Disk& disk, core::Index after) {
  auto newest = NewestClaim(disk, kDir);
  if (!newest.ok()) return {newest.status().ToString()};
  auto history = ResolveHistory(disk, kDir, core::Epoch{Raw(*newest) + 1});
  if (!history.ok()) return {history.status().ToString()};
  auto reader = HistoryReader::Open(disk, kDir, *history, after);
  if (!reader.ok()) return {reader.status().ToString()};
  return Drain(**reader);
}

std::string SegmentPath(const Leader& leader, uint64_t number) {
  return SegmentName{leader.epoch, leader.nonce, number}.Path(kDir);
}

}  // namespace semper::log
