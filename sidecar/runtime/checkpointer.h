// Checkpointer: writing a checkpoint while the service sends it, publishing it, deleting what it
// makes superfluous, and streaming one back. Loop's thread; its work on the checkpoint lane.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/disk.h"
#include "base/executor.h"
#include "sidecar/checkpoint/checkpoint.h"
#include "sidecar/core/core.h"
#include "sidecar/log/history.h"
#include "sidecar/log/retention.h"

namespace semper::runtime {

class Checkpointer : public Job {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void OnCheckpointReady() = 0;
    virtual void OnCheckpointPublished(core::Index index, uint64_t bytes) = 0;
    virtual void OnCheckpointFailed(const absl::Status& why) = 0;
    virtual void OnCheckpointBacklog() = 0;  // backlog_bytes() changed
    virtual bool MayRestore() = 0;           // the link has room
    virtual void OnRestoreBegin(const v1::ServiceCheckpoint& service) = 0;
    virtual void OnRestoreChunk(Buffer chunk) = 0;
    virtual void OnRestored(const absl::Status& status, uint64_t bytes) = 0;
  };

  Checkpointer(Disk& disk, Executor& executor, BufferPool& pool, Handler& handler);
  ~Checkpointer() override;

  struct Place {
    std::string dir;
    int keep = 2;
    core::Epoch epoch{};   // the own one
    log::History history;  // for truncation
    std::optional<log::ReusePolicy> reuse;
    bool leads = true;  // only a leader removes anything
    bool alone = true;  // what is unfinished is nobody else's
  };
  // For what begins from now on; a standby that takes over may be writing at this moment.
  void SetPlace(Place place) { place_ = std::make_shared<const Place>(std::move(place)); }
  const log::History& history() const { return place_->history; }

  // Writing, in this order.
  void Begin(checkpoint::CheckpointHeader header, const v1::ServiceCheckpoint& service,
             const core::Ledger& ledger, uint64_t random);
  void Chunk(Buffer chunk);
  void End();  // [OnCheckpointReady]
  void Publish(
      core::Index index);  // [OnCheckpointPublished]; then removes what is not needed any more
  void Abandon();
  // A fellow has published one: removes what is not needed any more. In the background.
  void Clean();

  // Chunks received and not yet written.
  size_t backlog_bytes() const { return backlog_bytes_; }

  // Streaming one back to the service.
  void Restore(checkpoint::CheckpointId id);
  void StopRestoring();
  void Resume();

  void Work() override;
  void Done() override;

 private:
  struct Operation {
    enum Kind {
      kCreate,
      kOutput,
      kService,
      kChunk,
      kFinish,
      kPublish,
      kAbandon,
      kClean
    } kind = kChunk;
    uint64_t attempt = 0;
    core::Index index{};
    core::FrameHeader frame;
    Buffer bytes;
    checkpoint::CheckpointHeader header;
    v1::ServiceCheckpoint service;
    uint64_t random = 0;
  };
  class RestoreJob;

  void Add(Operation operation);
  void RunWhenIdle();
  absl::Status Do(Operation& operation);
  absl::Status RemoveSuperfluous();
  void DropWriter();

  Disk& disk_;
  Executor& executor_;
  BufferPool& pool_;
  Handler& handler_;
  std::shared_ptr<const Place> place_ = std::make_shared<const Place>();
  std::vector<Operation> gathered_;
  std::vector<Operation> running_;
  bool busy_ = false;
  size_t backlog_bytes_ = 0;
  uint64_t attempt_ =
      0;  // number of the checkpoint being made; operations of older ones do nothing
  uint64_t failed_attempt_ = 0;
  // On the lane.
  std::shared_ptr<const Place> running_place_;
  std::unique_ptr<checkpoint::CheckpointWriter> writer_;
  std::map<std::string, uint64_t> temporaries_;  // of members, as RemoveAbandoned saw them
  absl::Status status_;
  bool ready_ = false;
  core::Index published_{};
  uint64_t published_bytes_ = 0;
  std::unique_ptr<RestoreJob> restore_;
};

}  // namespace semper::runtime
