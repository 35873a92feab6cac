// Checkpoints: the state out, and back in.
#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "sdk/cpp/src/engine.h"
#include "semper/v1/link.pb.h"

namespace semper::internal {

namespace {

constexpr size_t kChunkBytes = size_t{1} << 20;

// Cuts what it is given into chunks, each a frame that goes out at once.
class ChunkWriter final : public StateWriter {
 public:
  explicit ChunkWriter(Outbox& outbox) : outbox_(outbox) { chunk_.reserve(kChunkBytes); }

  void WriteBytes(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const size_t n = std::min(bytes.size(), kChunkBytes - chunk_.size());
      chunk_.insert(chunk_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(n));
      bytes = bytes.subspan(n);
      if (chunk_.size() == kChunkBytes) Push();
    }
  }

  void Push() {
    if (chunk_.empty()) return;
    core::FrameHeader header;
    header.kind = core::FrameKind::kCheckpointChunk;
    header.crc = Crc32c(0, chunk_);
    outbox_.WriteFrame(header, chunk_);
    total_ += chunk_.size();
    chunk_.clear();
  }

  uint64_t total() const { return total_; }

 private:
  Outbox& outbox_;
  std::vector<std::byte> chunk_;
  uint64_t total_ = 0;
};

}  // namespace

void Engine::Cut(uint64_t index) {
  if (index != state_.index) {
    return Break(Code::kDataLoss, "the coordinator asked for a checkpoint at index " +
                                      std::to_string(index) + " between the inputs " +
                                      std::to_string(state_.index) + " and " +
                                      std::to_string(state_.index + 1));
  }
  outbox_.Flush();
  v1::ServiceCheckpoint begin;
  begin.set_index(index);
  begin.set_service_version(service_->version());
  begin.set_service_name(service_->service_name());
  const std::string payload = begin.SerializeAsString();
  core::FrameHeader header;
  header.kind = core::FrameKind::kCheckpointBegin;
  header.index = index;
  outbox_.WriteFrame(header, AsBytes(payload));

  ChunkWriter writer(outbox_);
  SaveReplicated(state_, handlers_, writer);
  service_->Save(writer);
  writer.Push();

  header.kind = core::FrameKind::kCheckpointEnd;
  header.first_sequence = writer.total();
  outbox_.WriteFrame(header, {});
}

// The chunks, either as they come (blocking_reads) or from those that were kept.
class Engine::RestoreReader final : public StateReader {
 public:
  explicit RestoreReader(Engine& engine) : engine_(engine) {}

 protected:
  std::span<const std::byte> NextPiece() override {
    while (engine_.ok()) {
      if (!engine_.chunks_.empty()) {
        current_ = std::move(engine_.chunks_.front());
        engine_.chunks_.pop_front();
        return current_;
      }
      if (engine_.chunks_complete_) return {};
      core::FrameHeader header;
      std::span<const std::byte> payload;
      const Inbox::Found found = engine_.inbox_.Next(header, payload);
      if (found == Inbox::Found::kNothing) {
        const size_t bytes = engine_.port_.Read(engine_.inbox_.Space());
        if (bytes == 0)
          engine_.Break(Code::kUnavailable, "the link broke while a state was being restored");
        engine_.inbox_.Added(bytes);
        continue;
      }
      if (found == Inbox::Found::kBadFrame) {
        engine_.Break(Code::kDataLoss,
                      "the coordinator sent what is no frame while a state was being restored");
        break;
      }
      if (header.kind == core::FrameKind::kRefused || header.last != engine_.generation_ ||
          header.kind != core::FrameKind::kRestoreChunk) {
        engine_.HandleFrame(header, payload);
      } else if (engine_.CheckChunk(header, payload)) {
        return payload;  // stays where it is until the next call
      }
    }
    Fail(engine_.status_.code(), engine_.status_.message());
    return {};
  }

 private:
  Engine& engine_;
  std::vector<std::byte> current_;
};

bool Engine::CheckChunk(const core::FrameHeader& header, std::span<const std::byte> payload) {
  if (payload.empty() || payload.size() > kChunkBytes || header.crc != Crc32c(0, payload)) {
    Break(Code::kDataLoss,
          "a chunk of the state to restore is damaged: " + std::to_string(payload.size()) +
              " bytes after byte " + std::to_string(restored_bytes_) +
              " of the checkpoint at index " + std::to_string(restore_index_));
    return false;
  }
  restored_bytes_ += payload.size();
  return true;
}

void Engine::HandleRestore(const core::FrameHeader& header, std::span<const std::byte> payload) {
  using core::FrameKind;
  if (phase_ == Phase::kRestore && header.kind == FrameKind::kRestoreBegin)
    return BeginRestore(header, payload);
  if (phase_ == Phase::kRestoring && header.kind == FrameKind::kRestoreChunk) {
    if (CheckChunk(header, payload)) chunks_.emplace_back(payload.begin(), payload.end());
    return;
  }
  if (phase_ == Phase::kRestoring && header.kind == FrameKind::kRestoreEnd) {
    if (header.first_sequence != restored_bytes_) {
      return Break(Code::kDataLoss, "the state to restore has " + std::to_string(restored_bytes_) +
                                        " bytes where " + std::to_string(header.first_sequence) +
                                        " were announced");
    }
    chunks_complete_ = true;
    if (!options_.blocking_reads) {
      RestoreReader reader(*this);
      LoadState(reader);
    }
    return;
  }
  Break(Code::kDataLoss, "the coordinator sent a frame of kind " +
                             std::to_string(static_cast<int>(header.kind)) +
                             " where a state is to be restored");
}

void Engine::BeginRestore(const core::FrameHeader& header, std::span<const std::byte> payload) {
  v1::ServiceCheckpoint begin;
  if (!begin.ParseFromArray(payload.data(), static_cast<int>(payload.size())) ||
      begin.index() != header.index) {
    return Break(Code::kDataLoss, "the beginning of the state to restore does not parse");
  }
  restore_index_ = begin.index();
  restore_version_ = begin.service_version();
  phase_ = Phase::kRestoring;
  if (restore_version_ < service_->minimum_version() || restore_version_ > service_->version()) {
    return ServiceFailed(
        "the checkpoint at index " + std::to_string(restore_index_) + " was saved by version " +
        std::to_string(restore_version_) + " of " + begin.service_name() + "; this is version " +
        std::to_string(service_->version()) + ", which loads " +
        std::to_string(service_->minimum_version()) + " and newer: start one that loads it");
  }
  if (options_.blocking_reads) {
    RestoreReader reader(*this);
    LoadState(reader);
  }
}

void Engine::LoadState(StateReader& reader) {
  Status loaded = LoadReplicated(state_, handlers_, reader);
  if (loaded.ok()) loaded = service_->Load(reader, restore_version_);
  if (loaded.ok()) loaded = reader.status();
  if (loaded.ok() && !reader.AtEnd()) {
    loaded = Status(Code::kDataLoss,
                    "Load stopped at byte " + std::to_string(reader.position()) +
                        " of the state, before its end: Save wrote more than Load reads");
  }
  if (loaded.ok() && state_.index != restore_index_) {
    loaded = Status(Code::kDataLoss, "it is the state after index " + std::to_string(state_.index));
  }
  if (!loaded.ok()) {
    return ServiceFailed("the checkpoint at index " + std::to_string(restore_index_) +
                         " cannot be restored: " + loaded.ToString());
  }
  context_.index_ = told_done_ = state_.index;
  context_.time_ = state_.time;
  context_.source_ = &state_.sources[0];
  outbox_.SetSlots(static_cast<uint32_t>(state_.destinations.size() - 1));
  UpdateLimit();
  UpdateNextDue();
  phase_ = Phase::kRunning;
}

}  // namespace semper::internal
