// Feeder: logged inputs from the files to the service, for replay and for a service that is behind.
//
// Loop's thread, its reading on the reader lane. Hands entries to `Handler` in order; waits while
// the link is full.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/disk.h"
#include "base/executor.h"
#include "sidecar/core/types.h"
#include "sidecar/log/history.h"

namespace semper::runtime {

class Feeder : public Job {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual bool MayFeed() = 0;  // false: Resume() follows
    virtual void OnFed(const core::FrameHeader& entry, const Buffer& payload) = 0;
    virtual void OnFedAll() = 0;
    virtual void OnFeedFailed(const absl::Status& why) = 0;
  };

  Feeder(Disk& disk, Executor& executor, BufferPool& pool, Handler& handler);
  ~Feeder() override;

  // `mode`: past the caches on a shared volume, where another machine wrote a part of it. `known`:
  // a place before what is fed first, where reading may begin.
  void SetHistory(std::string dir, log::History history, OpenMode mode,
                  const log::LogPlace& known = {});

  // Begins, or goes on, with the input after `after`. Ends with OnFedAll or OnFeedFailed.
  void Feed(core::Index after);
  void Stop();
  void Resume();

  void Work() override;
  void Done() override;

 private:
  struct Fed {
    core::FrameHeader entry;
    uint32_t offset;
  };
  void RunWhenIdle();
  absl::Status ReadSome();
  bool Take(const log::Record& record);

  Disk& disk_;
  Executor& executor_;
  BufferPool& pool_;
  Handler& handler_;
  const size_t read_bytes_;  // at a time
  std::string dir_;
  log::History history_;
  OpenMode mode_ = OpenMode::kReadFresh;
  log::LogPlace known_;

  bool wanted_ = false;   // Feed was called, and neither ended nor stopped
  bool running_ = false;  // in the lane
  bool waiting_ = false;  // for Resume
  core::Index after_{};   // handed to the handler
  uint64_t serial_ = 0;   // of the Feed call
  uint64_t running_serial_ = 0;

  // Of the job while it runs.
  std::unique_ptr<log::HistoryReader> reader_;
  std::optional<log::Record> held_back_;  // did not fit into the chunk
  core::Index read_after_{};
  core::Index reader_at_{};  // the reader goes on after this
  Chunk* chunk_ = nullptr;
  uint32_t used_ = 0;
  size_t wanted_bytes_ = 0;  // the next chunk must hold this much
  std::vector<Fed> fed_;
  bool at_end_ = false;
  absl::Status status_;
};

}  // namespace semper::runtime
