#include "sidecar/runtime/checkpointer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "sidecar/log/retention.h"

namespace semper::runtime {

using checkpoint::CheckpointId;
using core::Index;

namespace {
constexpr size_t kRestoreBytes = 4u << 20;
}

// Reads some chunks at a time; the loop hands them to the link, and asks for more when that has
// room.
class Checkpointer::RestoreJob : public Job {
 public:
  explicit RestoreJob(Checkpointer& owner) : owner_(owner) {}
  ~RestoreJob() override {
    if (chunk_ != nullptr) BufferPool::Drop(chunk_);
  }

  void Begin(CheckpointId id) {
    wanted_id_ = id;
    ++wanted_serial_;
    wanted_ = true;
    RunWhenIdle();
  }
  void Stop() {
    wanted_ = false;
    ++wanted_serial_;
  }
  void RunWhenIdle() {
    if (busy_ || !wanted_ || !owner_.handler_.MayRestore()) return;
    busy_ = true;
    if (serial_ != wanted_serial_) {
      serial_ = wanted_serial_;
      id_ = wanted_id_;
      dir_ = owner_.place_->dir;
      fresh_ = true;
      bytes_ = 0;
    }
    chunk_ = owner_.pool_.Take(kRestoreBytes);
    used_ = 0;
    parts_.clear();
    service_.reset();
    at_end_ = false;
    owner_.executor_.Run(Lane::kCheckpoint, *this);
  }

  void Work() override { status_ = ReadSome(); }

  void Done() override {
    busy_ = false;
    ::semper::Chunk* chunk = std::exchange(chunk_, nullptr);
    const bool current = wanted_ && serial_ == wanted_serial_;
    if (current) {
      if (service_) owner_.handler_.OnRestoreBegin(*service_);
      for (const auto& [offset, length] : parts_)
        owner_.handler_.OnRestoreChunk(Buffer(chunk, offset, length));
    }
    BufferPool::Drop(chunk);
    if (!current) return RunWhenIdle();
    if (!status_.ok() || at_end_) {
      wanted_ = false;
      reader_.reset();
      return owner_.handler_.OnRestored(status_, bytes_);
    }
    RunWhenIdle();
  }

 private:
  absl::Status ReadSome() {
    if (fresh_) {
      fresh_ = false;
      auto reader = checkpoint::CheckpointReader::Open(owner_.disk_, dir_, id_);
      if (!reader.ok()) return reader.status();
      reader_ = *std::move(reader);
    }
    while (kRestoreBytes - used_ >= 1u << 20) {
      auto section = reader_->Next();
      if (!section.ok()) return section.status();
      if (!*section) {
        at_end_ = true;
        return absl::OkStatus();
      }
      using Section = checkpoint::CheckpointReader::Section;
      if ((*section)->kind == Section::kService) service_ = (*section)->service;
      if ((*section)->kind != Section::kChunk) continue;
      const auto length = static_cast<uint32_t>((*section)->bytes.size());
      std::memcpy(chunk_->data() + used_, (*section)->bytes.data(), length);
      parts_.emplace_back(used_, length);
      used_ += length;
      bytes_ += length;
    }
    return absl::OkStatus();
  }

  Checkpointer& owner_;
  CheckpointId wanted_id_;
  CheckpointId id_;  // of the job while it runs, as the directory
  std::string dir_;
  bool wanted_ = false;
  bool busy_ = false;
  bool fresh_ = false;
  uint64_t wanted_serial_ = 0;
  uint64_t serial_ = 0;
  std::unique_ptr<checkpoint::CheckpointReader> reader_;
  ::semper::Chunk* chunk_ = nullptr;
  uint32_t used_ = 0;
  std::vector<std::pair<uint32_t, uint32_t>> parts_;
  std::optional<v1::ServiceCheckpoint> service_;
  bool at_end_ = false;
  uint64_t bytes_ = 0;
  absl::Status status_;
};

Checkpointer::Checkpointer(Disk& disk, Executor& executor, BufferPool& pool, Handler& handler)
    : disk_(disk),
      executor_(executor),
      pool_(pool),
      handler_(handler),
      restore_(std::make_unique<RestoreJob>(*this)) {}

Checkpointer::~Checkpointer() = default;

void Checkpointer::Add(Operation operation) {
  operation.attempt = attempt_;
  gathered_.push_back(std::move(operation));
  RunWhenIdle();
}

void Checkpointer::RunWhenIdle() {
  if (busy_ || gathered_.empty()) return;
  busy_ = true;
  running_.swap(gathered_);
  running_place_ = place_;
  executor_.Run(Lane::kCheckpoint, *this);
}

void Checkpointer::Begin(checkpoint::CheckpointHeader header, const v1::ServiceCheckpoint& service,
                         const core::Ledger& ledger, uint64_t random) {
  ++attempt_;
  Operation create;
  create.kind = Operation::kCreate;
  create.header = std::move(header);
  create.random = random;
  Add(std::move(create));
  for (const core::Destination& d : ledger.destinations()) {
    for (size_t i = 0; i < d.held.size(); ++i) {
      const core::HeldOutput& held = d.held[i];
      Operation output;
      output.kind = Operation::kOutput;
      output.frame.kind = core::FrameKind::kOutput;
      output.frame.slot = Raw(d.slot);
      output.frame.first_sequence = held.first_sequence;
      output.frame.count = held.count;
      output.frame.crc = held.crc;
      output.frame.bytes = static_cast<uint32_t>(held.payload.size());
      output.bytes = held.payload;
      Add(std::move(output));
    }
  }
  Operation operation;
  operation.kind = Operation::kService;
  operation.service = service;
  Add(std::move(operation));
}

void Checkpointer::Chunk(Buffer chunk) {
  backlog_bytes_ += chunk.size();
  Operation operation;
  operation.kind = Operation::kChunk;
  operation.bytes = std::move(chunk);
  Add(std::move(operation));
}

void Checkpointer::End() {
  Operation operation;
  operation.kind = Operation::kFinish;
  Add(std::move(operation));
}

void Checkpointer::Publish(Index index) {
  Operation operation;
  operation.kind = Operation::kPublish;
  operation.index = index;
  Add(std::move(operation));
}

void Checkpointer::Abandon() {
  Operation operation;
  operation.kind = Operation::kAbandon;
  Add(std::move(operation));
  ++attempt_;
}

void Checkpointer::Clean() {
  Operation operation;
  operation.kind = Operation::kClean;
  Add(std::move(operation));
}

absl::Status Checkpointer::RemoveSuperfluous() {
  if (!running_place_->leads) return absl::OkStatus();
  if (!running_place_->alone && !writer_) {
    absl::Status s = checkpoint::RemoveAbandoned(disk_, running_place_->dir, temporaries_);
    if (!s.ok()) return s;
  }
  auto kept = checkpoint::RemoveOld(disk_, running_place_->dir, running_place_->keep);
  if (!kept.ok()) return kept.status();
  if (kept->size() < 2)
    return absl::OkStatus();  // nothing of the log goes before two valid checkpoints cover it
  auto segments = log::ListSegments(disk_, running_place_->dir);
  if (!segments.ok()) return segments.status();
  const auto superfluous = log::PlanTruncation(*segments, running_place_->history,
                                               running_place_->epoch, kept->back().index);
  return log::Truncate(disk_, running_place_->dir, superfluous, running_place_->reuse).status();
}

void Checkpointer::DropWriter() {
  if (writer_) writer_->Discard();
  writer_.reset();
}

absl::Status Checkpointer::Do(Operation& operation) {
  const bool needs_writer = operation.kind != Operation::kCreate &&
                            operation.kind != Operation::kAbandon &&
                            operation.kind != Operation::kClean;
  if (needs_writer && !writer_)
    return absl::FailedPreconditionError("no checkpoint is being written");
  switch (operation.kind) {
    case Operation::kCreate: {
      DropWriter();
      auto writer = checkpoint::CheckpointWriter::Create(disk_, running_place_->dir,
                                                         operation.header, operation.random);
      if (!writer.ok()) return writer.status();
      writer_ = *std::move(writer);
      return absl::OkStatus();
    }
    case Operation::kOutput:
      return writer_->AddOutput(operation.frame, operation.bytes.bytes());
    case Operation::kService:
      return writer_->SetService(operation.service);
    case Operation::kChunk:
      return writer_->AddChunk(operation.bytes.bytes());
    case Operation::kFinish:
      if (absl::Status s = writer_->Finish(); !s.ok()) return s;
      ready_ = true;
      return absl::OkStatus();
    case Operation::kPublish: {
      if (absl::Status s = writer_->Publish(); !s.ok()) return s;
      published_bytes_ = writer_->bytes();
      writer_.reset();
      published_ = operation.index;
      // A failure to delete keeps too much, which is safe; it is tried again with the next
      // checkpoint.
      if (absl::Status s = RemoveSuperfluous(); !s.ok()) {
        SEMPER_LOG(kWarning, "old checkpoints and segments stay for now: {}", s.ToString());
      }
      return absl::OkStatus();
    }
    case Operation::kClean:
      if (absl::Status s = RemoveSuperfluous(); !s.ok()) {
        SEMPER_LOG(kWarning, "old checkpoints and segments stay for now: {}", s.ToString());
      }
      return absl::OkStatus();
    case Operation::kAbandon:
      DropWriter();
      if (!running_place_->alone) return absl::OkStatus();
      return checkpoint::RemoveUnfinished(disk_, running_place_->dir);
  }
  return absl::OkStatus();
}

void Checkpointer::Work() {
  status_ = absl::OkStatus();
  ready_ = false;
  published_ = Index{};
  for (Operation& operation : running_) {
    if (operation.attempt == failed_attempt_ && operation.kind != Operation::kAbandon) continue;
    if (absl::Status s = Do(operation); !s.ok() && operation.kind != Operation::kAbandon) {
      status_ = s;
      failed_attempt_ = operation.attempt;
      DropWriter();
    }
  }
}

void Checkpointer::Done() {
  for (const Operation& operation : running_) {
    if (operation.kind == Operation::kChunk) backlog_bytes_ -= operation.bytes.size();
  }
  const bool current = !running_.empty() && running_.back().attempt == attempt_;
  running_.clear();
  handler_.OnCheckpointBacklog();
  if (current && !status_.ok()) handler_.OnCheckpointFailed(status_);
  if (current && status_.ok() && ready_) handler_.OnCheckpointReady();
  if (current && status_.ok() && Raw(published_) != 0)
    handler_.OnCheckpointPublished(published_, published_bytes_);
  // Not before: what the handler adds would run at once, and change what is read above.
  busy_ = false;
  RunWhenIdle();
}

void Checkpointer::Restore(CheckpointId id) { restore_->Begin(id); }
void Checkpointer::StopRestoring() { restore_->Stop(); }
void Checkpointer::Resume() { restore_->RunWhenIdle(); }

}  // namespace semper::runtime
