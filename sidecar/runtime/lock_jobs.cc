#include "sidecar/runtime/lock_jobs.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "sidecar/log/claims.h"
#include "sidecar/log/epochs.h"
#include "sidecar/log/retention.h"

namespace semper::runtime {

using core::Epoch;
using core::Index;

absl::StatusOr<log::Genesis> OpenImmortal(Disk& disk, const Options& options,
                                          const std::string& dir, core::Incarnation fresh,
                                          uint64_t now) {
  absl::StatusOr<log::Genesis> genesis = log::ReadGenesis(disk, dir);
  if (absl::IsNotFound(genesis.status()) && options.genesis == GenesisMode::kCreate) {
    // Whoever else creates it may be in the middle of that, or have been set aside by a third.
    for (int i = 0; absl::IsNotFound(genesis.status()) && i < 16; ++i) {
      const absl::Status created =
          log::CreateGenesis(disk, dir, {options.cluster, options.name, fresh, now});
      if (!created.ok() && !absl::IsAlreadyExists(created)) return created;
      genesis = log::ReadGenesis(disk, dir);
    }
  }
  if (absl::IsNotFound(genesis.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat("there is no immortal ", options.name, " in ", options.log_dir, " (",
                     genesis.status().message(),
                     "). If it is new, create it: semper-sidecar create, or --genesis=create. If "
                     "it is not, the wrong volume is mounted"));
  }
  // What stands in every segment must not change any more.
  if (genesis.ok()) genesis = log::SettleGenesis(disk, dir);
  if (!genesis.ok()) return genesis.status();
  if (genesis->name != options.name) {
    return absl::FailedPreconditionError(absl::StrCat(dir, "/genesis belongs to ", genesis->name,
                                                      ", this coordinator is for ", options.name));
  }
  if (genesis->cluster != options.cluster) {
    return absl::FailedPreconditionError(absl::StrCat(dir, "/genesis belongs to cluster '",
                                                      genesis->cluster, "', this coordinator to '",
                                                      options.cluster, "' (--cluster)"));
  }
  if (options.genesis == GenesisMode::kExpect &&
      genesis->incarnation != options.expected_incarnation) {
    return absl::FailedPreconditionError(
        absl::StrCat(dir, "/genesis is incarnation ", core::HexOf(genesis->incarnation),
                     ", --genesis=expect: wants ", core::HexOf(options.expected_incarnation)));
  }
  // With fellows it may be one of theirs.
  if (options.members.empty()) {
    if (absl::Status s = checkpoint::RemoveUnfinished(disk, dir); !s.ok()) return s;
  }
  return genesis;
}

absl::Status UnlessDeposed(Disk& disk, const std::string& dir, Epoch epoch,
                           const absl::Status& found) {
  if (found.ok()) return found;
  const absl::StatusOr<Epoch> newest = log::NewestClaim(disk, dir);
  if (!newest.ok() || *newest <= epoch) return found;
  return absl::AbortedError(
      absl::StrCat("epoch ", Raw(*newest), " was claimed while epoch ", Raw(epoch), " took over"));
}

absl::StatusOr<TakenOver> TakeOverLog(Disk& disk, const log::LogOptions& options, Epoch epoch,
                                      uint64_t nonce, uint64_t random, const log::LogPlace& known,
                                      Index committed) {
  absl::StatusOr<log::Tail> tail = log::ReadTail(
      disk, options.dir, epoch, known,
      options.profile == log::Profile::kLocal ? OpenMode::kRead : OpenMode::kReadFresh);
  if (!tail.ok()) return tail.status();
  if (tail->last_index < committed) {
    return log::ReplacedError(absl::StrCat("the log in ", options.dir, " ends at index ",
                                           Raw(tail->last_index), ", but index ", Raw(committed),
                                           " was committed"));
  }
  auto writer = log::LogWriter::Start(disk, options, epoch, nonce, tail->base_index + 1,
                                      tail->base_chain, random);
  if (!writer.ok()) return writer.status();
  for (const log::Tail::Record& record : tail->copy) {
    if (absl::Status s = (*writer)->Copy(record.header, record.body); !s.ok()) return s;
  }
  log::Seal seal;
  seal.epoch = epoch;
  seal.nonce = nonce;
  seal.base_epoch = tail->base_epoch;
  seal.base_batches = tail->base_batches;
  seal.base_chain = tail->base_chain;
  seal.copied_records = tail->copy.size();
  seal.last_index = tail->last_index;
  seal.copied_chain = tail->chain;
  seal.first_void = tail->first_void;
  // Last: whoever reads this seal finds everything it speaks of before it (core.md, 4.3).
  absl::StatusOr<log::RecordHeader> sealed = (*writer)->WriteSeal(seal);
  if (!sealed.ok()) return sealed.status();
  return TakenOver{*std::move(writer),
                   sealed->chain,
                   tail->last_index,
                   tail->copy.size(),
                   Raw(epoch) - Raw(tail->first_void),
                   tail->history.SealedBy(seal)};
}

namespace {

absl::Status CheckFits(Disk& disk, const std::string& dir, const log::History& history,
                       const core::Incarnation& incarnation,
                       const checkpoint::CheckpointHeader& header) {
  if (header.incarnation != incarnation) {
    return absl::DataLossError(
        absl::StrCat("it is of incarnation ", core::HexOf(header.incarnation)));
  }
  absl::StatusOr<Chain> chain = log::ChainAt(disk, dir, history, header.id.index);
  if (!chain.ok()) return chain.status();
  if (*chain != header.chain)
    return absl::DataLossError("its chain is not the log's at that index: another history");
  return absl::OkStatus();
}

// Fills checkpoint, its state and held outputs. Not OK: not usable, and why.
absl::Status TryCheckpoint(Disk& disk, const std::string& dir, const core::Incarnation& incarnation,
                           checkpoint::CheckpointId id, RecoveredLog& into) {
  auto reader = checkpoint::CheckpointReader::Open(disk, dir, id);
  if (!reader.ok()) return reader.status();
  const checkpoint::CheckpointHeader& header = (*reader)->header();
  if (absl::Status s = CheckFits(disk, dir, into.history, incarnation, header); !s.ok()) return s;
  std::vector<RecoveredLog::Held> held;
  for (;;) {
    auto section = (*reader)->Next();
    if (!section.ok()) return section.status();
    if (!*section) break;
    if ((*section)->kind == checkpoint::CheckpointReader::Section::kOutput) {
      held.push_back({(*section)->frame, {(*section)->bytes.begin(), (*section)->bytes.end()}});
    }
  }
  into.checkpoint = id;
  into.checkpoint_state = header.state;
  into.held = std::move(held);
  return absl::OkStatus();
}

}  // namespace

LogSize MeasureLog(Disk& disk, const std::string& dir) {
  LogSize size;
  if (const auto segments = log::ListSegments(disk, dir); segments.ok()) {
    size.segments = segments->size();
    for (const log::SegmentInfo& segment : *segments) size.bytes += segment.bytes;
  }
  if (const auto free_bytes = disk.FreeBytes(dir); free_bytes.ok()) size.free_bytes = *free_bytes;
  return size;
}

namespace {

// The newest checkpoint that fits result.history, and the state in it.
absl::Status FindCheckpoint(Disk& disk, const std::string& dir,
                            const core::Incarnation& incarnation, RecoveredLog& result) {
  absl::StatusOr<std::vector<checkpoint::CheckpointId>> ids =
      checkpoint::ListCheckpoints(disk, dir);
  if (!ids.ok()) return ids.status();
  for (const checkpoint::CheckpointId& id : *ids) {
    const absl::Status usable = TryCheckpoint(disk, dir, incarnation, id, result);
    if (usable.ok()) break;
    result.skipped.push_back(
        absl::StrCat(checkpoint::CheckpointPath(dir, id), ": ", usable.message()));
  }
  if (Raw(result.checkpoint.index) + 1 < Raw(result.history.first_index)) {
    return absl::DataLossError(absl::StrCat("the log in ", dir, " begins at index ",
                                            Raw(result.history.first_index),
                                            " and no usable checkpoint covers what is before it; ",
                                            result.skipped.size(), " checkpoints were skipped"));
  }
  result.state = core::ReplicatedState::Load(result.checkpoint_state, result.checkpoint.index);
  return absl::OkStatus();
}

absl::Status CheckEndsAt(const std::string& dir, const core::ReplicatedState& state, Index last) {
  if (state.index() == last) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the log in ", dir, " ends at index ", Raw(state.index()),
                                          " but its seal says ", Raw(last)));
}

}  // namespace

absl::StatusOr<uint64_t> ApplyRecord(const log::Record& record, core::ReplicatedState& state) {
  uint64_t inputs = 0;
  size_t at = static_cast<size_t>(record.entry_count()) * core::kFrameHeaderBytes;
  for (uint32_t i = 0; i < record.entry_count(); ++i) {
    const core::FrameHeader entry = record.entry(i);
    if (entry.index > Raw(state.index())) {
      if (absl::Status s = state.Apply(entry, record.body.subspan(at, entry.bytes)); !s.ok()) {
        return absl::DataLossError(absl::StrCat(std::string(record.file), " at offset ",
                                                record.offset, ": ", s.message()));
      }
      inputs += entry.count;
    }
    at += entry.bytes;
  }
  return inputs;
}

absl::StatusOr<uint64_t> ApplyToEnd(log::HistoryReader& reader, core::ReplicatedState& state) {
  uint64_t inputs = 0;
  for (;;) {
    auto record = reader.Next();
    if (!record.ok()) return record.status();
    if (!*record) return inputs;
    absl::StatusOr<uint64_t> applied = ApplyRecord(**record, state);
    if (!applied.ok()) return applied;
    inputs += *applied;
  }
}

absl::StatusOr<RecoveredLog> RecoverLog(Disk& disk, const std::string& dir, log::History history,
                                        const core::Incarnation& incarnation, Index last) {
  RecoveredLog result;
  result.history = std::move(history);
  if (absl::Status s = FindCheckpoint(disk, dir, incarnation, result); !s.ok()) return s;
  auto reader = log::HistoryReader::Open(disk, dir, result.history, result.checkpoint.index);
  if (!reader.ok()) return reader.status();
  absl::StatusOr<uint64_t> inputs = ApplyToEnd(**reader, result.state);
  if (!inputs.ok()) return inputs.status();
  result.scanned_inputs = *inputs;
  result.size = MeasureLog(disk, dir);
  if (absl::Status s = CheckEndsAt(dir, result.state, last); !s.ok()) return s;
  return result;
}

namespace {

absl::StatusOr<RecoveredLog> JoinLogOnce(Disk& disk, const std::string& dir,
                                         const core::Incarnation& incarnation) {
  RecoveredLog result;
  auto newest = log::NewestClaim(disk, dir);
  if (!newest.ok()) return newest.status();
  auto history = log::ResolveCommitted(disk, dir, *newest + 1, Epoch{});
  if (!history.ok()) return history.status();
  if (*history) {
    result.history = **std::move(history);
    if (absl::Status s = FindCheckpoint(disk, dir, incarnation, result); !s.ok()) return s;
  }
  result.size = MeasureLog(disk, dir);
  return result;
}

}  // namespace

absl::StatusOr<RecoveredLog> JoinLog(Disk& disk, const std::string& dir,
                                     const core::Incarnation& incarnation) {
  // The leader may publish, and remove, faster than a large checkpoint is read: then nothing covers
  // what is gone, until one looks again.
  for (int attempt = 0;; ++attempt) {
    auto joined = JoinLogOnce(disk, dir, incarnation);
    if (attempt == 2 || !absl::IsDataLoss(joined.status())) return joined;
  }
}

absl::StatusOr<RecoveredLog> RecoverFollowed(const std::string& dir, log::History history,
                                             Follower& follower, core::ReplicatedState state,
                                             Index last) {
  RecoveredLog result;
  result.history = std::move(history);
  absl::StatusOr<uint64_t> inputs = follower.ReadToEnd(result.history, state);
  if (!inputs.ok()) return inputs.status();
  result.scanned_inputs = *inputs;
  result.state = std::move(state);
  if (absl::Status s = CheckEndsAt(dir, result.state, last); !s.ok()) return s;
  return result;
}

absl::StatusOr<checkpoint::CheckpointHeader> CheckForeignCheckpoint(
    Disk& disk, const std::string& dir, const log::History& history,
    const core::Incarnation& incarnation, checkpoint::CheckpointId id) {
  auto reader = checkpoint::CheckpointReader::Open(disk, dir, id);
  if (!reader.ok()) return reader.status();
  const checkpoint::CheckpointHeader& header = (*reader)->header();
  if (absl::Status s = CheckFits(disk, dir, history, incarnation, header); !s.ok()) return s;
  return header;
}

}  // namespace semper::runtime
