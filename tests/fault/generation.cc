#include "tests/fault/generation.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "sidecar/log/claims.h"
#include "sidecar/log/genesis.h"
#include "sidecar/log/retention.h"

namespace semper::fault {
namespace {

using checkpoint::CheckpointId;
using checkpoint::CheckpointReader;
using checkpoint::CheckpointWriter;
using core::Raw;

constexpr char kName[] = "shop/orders";

// The service's state after an input, for comparing.
std::string StateAt(core::Index index) {
  return absl::StrCat("state after ", Raw(index), std::string(Raw(index) * 37 % 3000, '.'));
}

}  // namespace

Generation::Generation(Disk& disk, Ledger& ledger, GenerationOptions options)
    : disk_(disk), ledger_(ledger), options_(options), random_(options.seed) {}

absl::Status Generation::Run() {
  if (auto s = Recover(); !s.ok()) return s;
  for (int unit = 0; unit < options_.units; ++unit) {
    const bool note = unit % 5 == 3;
    if (auto s = WriteUnit(note); !s.ok()) return s;
    // A look-up may overlap the next write: then it says nothing about that one.
    const bool overlap = unit % 3 == 1 && durable_ > committed_;
    if (overlap) {
      if (auto s = LookUp(); !s.ok()) return s;
    }
    const bool stop_unsynced = unit + 1 == options_.units && random_.Coin();
    if (!stop_unsynced) {
      if (auto s = SyncAndLookUp(); !s.ok()) return s;
    }
    // An error of a spare is nobody's concern; a kill is.
    if (writer_->WantsSpare()) {
      if (auto s = writer_->PrepareSpare(); absl::IsAborted(s)) return s;
    }
    if ((unit + 1) % options_.checkpoint_every == 0 && unit + 1 < options_.units) {
      if (auto s = WriteCheckpoint(); !s.ok()) return s;
      if (auto s = RemoveOld(); !s.ok()) return s;
    }
  }
  return absl::OkStatus();
}

absl::Status Generation::Recover() {
  if (auto s = OpenGenesis(); !s.ok()) return s;
  if (auto s = checkpoint::RemoveUnfinished(disk_, kDir); !s.ok()) return s;
  if (auto s = TakeOver(); !s.ok()) return s;
  return Confirm();
}

absl::Status Generation::OpenGenesis() {
  auto genesis = log::ReadGenesis(disk_, kDir);
  if (absl::IsNotFound(genesis.status())) {
    if (ledger_.created()) ledger_.Violation("the genesis is gone");
    core::Incarnation fresh;
    random_.Fill(fresh);
    const auto created =
        log::CreateGenesis(disk_, kDir, {.cluster = "c", .name = kName, .incarnation = fresh});
    if (!created.ok() && !absl::IsAlreadyExists(created)) return created;
    genesis = log::ReadGenesis(disk_, kDir);
    if (created.ok() && genesis.ok() && genesis->incarnation != fresh) {
      ledger_.Violation("a successful creation left another incarnation");
    }
    if (created.ok()) ledger_.Created(fresh);
  }
  if (!genesis.ok()) return genesis.status();
  ledger_.CompareGenesis(genesis->incarnation);
  incarnation_ = genesis->incarnation;
  return absl::OkStatus();
}

absl::Status Generation::TakeOver() {
  auto newest = log::NewestClaim(disk_, kDir);
  if (!newest.ok()) return newest.status();
  epoch_ = core::Epoch{Raw(*newest) + 1};
  nonce_ = random_.Next();
  if (auto s = log::CreateClaim(disk_, kDir, epoch_, {.member = "m", .nonce = nonce_}); !s.ok()) {
    return s;
  }
  auto tail = log::ReadTail(disk_, kDir, epoch_);
  if (!tail.ok()) return tail.status();
  auto writer =
      log::LogWriter::Start(disk_,
                            {.dir = kDir,
                             .name = kName,
                             .incarnation = incarnation_,
                             .profile = options_.profile,
                             .segment_bytes = options_.segment_bytes},
                            epoch_, nonce_, tail->base_index + 1, tail->base_chain, random_.Next());
  if (!writer.ok()) return writer.status();
  writer_ = *std::move(writer);
  for (const auto& record : tail->copy) {
    if (auto s = writer_->Copy(record.header, record.body); !s.ok()) return s;
  }
  auto sealed = writer_->WriteSeal({.epoch = epoch_,
                                    .nonce = nonce_,
                                    .base_epoch = tail->base_epoch,
                                    .base_batches = tail->base_batches,
                                    .base_chain = tail->base_chain,
                                    .copied_records = tail->copy.size(),
                                    .last_index = tail->last_index,
                                    .copied_chain = tail->chain,
                                    .first_void = tail->first_void});
  if (!sealed.ok()) return sealed.status();
  chain_ = sealed->chain;
  last_ = tail->last_index;
  batches_ = durable_ = 1;
  return absl::OkStatus();
}

absl::Status Generation::Confirm() {
  if (auto s = LookUp(); !s.ok()) return s;
  const auto history = log::ResolveHistory(disk_, kDir, core::Epoch{Raw(epoch_) + 1});
  if (!history.ok()) return history.status();
  auto contents = ReadAll();
  if (!contents.ok()) return contents.status();
  auto checkpoint = LoadCheckpoint(*history);
  if (!checkpoint.ok()) return checkpoint.status();
  if (contents->last_index != last_) ledger_.Violation("the log does not end where its seal says");
  ledger_.CompareLog(*contents, *checkpoint);
  ledger_.Adopt(*contents);
  // Who created it may have been killed before it could tell.
  ledger_.Created(incarnation_);
  return absl::OkStatus();
}

absl::StatusOr<LogContents> Generation::ReadAll() {
  const auto history = log::ResolveHistory(disk_, kDir, core::Epoch{Raw(epoch_) + 1});
  if (!history.ok()) return history.status();
  const core::Index before{Raw(history->first_index) - 1};
  auto reader = log::HistoryReader::Open(disk_, kDir, *history, before, OpenMode::kReadFresh);
  if (!reader.ok()) return reader.status();
  LogContents contents{.first_index = history->first_index, .last_index = before};
  while (true) {
    auto next = (*reader)->Next();
    if (!next.ok()) return next.status();
    if (!next->has_value()) break;
    const log::Record& record = **next;
    size_t at = record.entry_count() * core::kFrameHeaderBytes;
    for (uint32_t i = 0; i < record.entry_count(); ++i) {
      const core::FrameHeader entry = record.entry(i);
      contents.frames[entry.index] = {
          .count = entry.count,
          .payload = std::string(AsText(record.body.subspan(at, entry.bytes)))};
      at += entry.bytes;
    }
    contents.last_index = (*reader)->index();
    if (record.header.inputs > 0) contents.chains[Raw(contents.last_index)] = record.header.chain;
  }
  if (auto s = (*reader)->CheckEnd(); !s.ok()) return s;
  return contents;
}

absl::StatusOr<std::optional<CheckpointId>> Generation::LoadCheckpoint(
    const log::History& history) {
  auto ids = checkpoint::ListCheckpoints(disk_, kDir);
  if (!ids.ok()) return ids.status();
  for (const CheckpointId& id : *ids) {
    // A crash leaves no damaged file under a published name, so that each one has to load.
    if (auto s = VerifyContents(id); !s.ok()) {
      if (!absl::IsDataLoss(s)) return s;
      ledger_.Violation(absl::StrCat("a published checkpoint: ", s.ToString()));
      continue;
    }
    auto reader = CheckpointReader::Open(disk_, kDir, id);
    if (!reader.ok()) return reader.status();
    const auto chain = log::ChainAt(disk_, kDir, history, id.index);
    if (absl::IsNotFound(chain.status()) && id != ids->front()) continue;  // older than the log
    if (!chain.ok()) return chain.status();
    if (*chain == (*reader)->header().chain) return std::optional(id);
    ledger_.Violation(absl::StrCat("the chain of checkpoint ", Raw(id.index), " is not the log's"));
  }
  return std::nullopt;
}

absl::Status Generation::VerifyContents(CheckpointId id) {
  auto reader = CheckpointReader::Open(disk_, kDir, id);
  if (!reader.ok()) return reader.status();
  std::string state;
  while (true) {
    auto section = (*reader)->Next();
    if (!section.ok()) return section.status();
    if (!section->has_value()) break;
    if ((*section)->kind == CheckpointReader::Section::kChunk) state += AsText((*section)->bytes);
  }
  if (state != StateAt(id.index)) return absl::DataLossError("it holds another state");
  return absl::OkStatus();
}

absl::Status Generation::WriteUnit(bool note) {
  unit_.Begin(last_ + 1);
  payloads_.clear();
  const uint64_t frames = note ? 0 : random_.Between(1, 3);
  uint64_t index = Raw(last_) + 1;
  for (uint64_t i = 0; i < frames; ++i) {
    const uint64_t length = 20 + random_.Skewed(6000);
    std::string payload = absl::StrCat(Raw(epoch_), "/", index, "/", random_.Next(), "/");
    payload.resize(length, static_cast<char>('a' + random_.Below(26)));
    const auto count = static_cast<uint32_t>(random_.Between(1, 3));
    payloads_.push_back(std::move(payload));
    const std::string& bytes = payloads_.back();
    ledger_.Writing(index, {.count = count, .payload = bytes});
    unit_.Add({.bytes = static_cast<uint32_t>(bytes.size()),
               .count = count,
               .first_sequence = index,
               .index = index,
               .time = index,
               .slot = 1,
               .crc = Crc32c(0, AsBytes(bytes)),
               .kind = core::FrameKind::kImpulse},
              AsBytes(bytes));
    index += count;
  }
  chain_ = unit_.Close(epoch_, core::Batch{batches_}, durable_, committed_, chain_).chain;
  if (auto s = writer_->Append(unit_); !s.ok()) return s;
  durable_ = batches_;  // Append has synced what was before it
  ++batches_;
  last_ = core::Index{index - 1};
  unanswered_.push_back({batches_, last_, chain_, frames > 0});
  return absl::OkStatus();
}

absl::Status Generation::SyncAndLookUp() {
  if (auto s = writer_->Sync(); !s.ok()) return s;
  durable_ = batches_;
  return LookUp();
}

absl::Status Generation::LookUp() {
  const uint64_t covered = durable_;
  auto newest = writer_->LookUp();
  if (!newest.ok()) return newest.status();
  if (*newest != epoch_) ledger_.Violation("a claim that nobody made");
  committed_ = covered;
  while (!unanswered_.empty() && unanswered_.front().batches <= committed_) {
    const End end = unanswered_.front();
    unanswered_.pop_front();
    if (!end.inputs) continue;
    ledger_.Acknowledged(Raw(end.index), end.chain);
    newest_answered_ = end;
  }
  return absl::OkStatus();
}

absl::Status Generation::WriteCheckpoint() {
  const End cut = newest_answered_;
  if (!cut.inputs) return absl::OkStatus();
  checkpoint::CheckpointHeader header{.id = {epoch_, cut.index},
                                      .name = kName,
                                      .incarnation = incarnation_,
                                      .batches = cut.batches,
                                      .chain = cut.chain};
  auto writer = CheckpointWriter::Create(disk_, kDir, header, random_.Next());
  if (!writer.ok()) return writer.status();
  const std::string payload = "unacknowledged";
  const core::FrameHeader frame{.bytes = static_cast<uint32_t>(payload.size()),
                                .count = 1,
                                .first_sequence = 1,
                                .slot = 1,
                                .crc = Crc32c(0, AsBytes(payload)),
                                .kind = core::FrameKind::kOutput};
  if (auto s = (*writer)->AddOutput(frame, AsBytes(payload)); !s.ok()) return s;
  if (auto s = (*writer)->SetService({}); !s.ok()) return s;
  if (auto s = (*writer)->AddChunk(AsBytes(StateAt(cut.index))); !s.ok()) return s;
  if (auto s = (*writer)->Finish(); !s.ok()) return s;
  if (auto s = (*writer)->Publish(); !s.ok()) return s;
  ledger_.Published(header.id, cut.chain);
  return absl::OkStatus();
}

absl::Status Generation::RemoveOld() {
  const auto left = checkpoint::RemoveOld(disk_, kDir, 2);
  if (!left.ok()) return left.status();
  if (left->size() < 2) return absl::OkStatus();
  const auto history = log::ResolveHistory(disk_, kDir, core::Epoch{Raw(epoch_) + 1});
  if (!history.ok()) return history.status();
  const auto segments = log::ListSegments(disk_, kDir);
  if (!segments.ok()) return segments.status();
  const auto plan = log::PlanTruncation(*segments, *history, epoch_, left->back().index);
  const bool local = options_.profile == log::Profile::kLocal;
  const log::ReusePolicy reuse{epoch_, nonce_, options_.segment_bytes, 2};
  return log::Truncate(disk_, kDir, plan, local ? std::optional(reuse) : std::nullopt).status();
}

}  // namespace semper::fault
