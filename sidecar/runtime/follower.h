// Follower: committed inputs from the files to a standby, as they become known to be committed.
//
// What is committed it learns from the leader's stream (Tell) and, without one or while it is
// silent, from the records themselves. Loop's thread, its reading on the reader lane. It looks at
// once when it is told something, else from time to time.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/disk.h"
#include "base/executor.h"
#include "base/loop.h"
#include "sidecar/core/replicated_state.h"
#include "sidecar/core/types.h"
#include "sidecar/log/history.h"

namespace semper::runtime {

class Follower : public Job {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual bool MayFeed() = 0;  // false: Resume() follows; until then it only looks
    virtual void OnFed(const core::FrameHeader& entry, const Buffer& payload) = 0;
    // The entries handed over last end this record of epoch `epoch`.
    virtual void OnRecordFollowed(core::Epoch epoch, uint64_t batch, const Chain& chain) = 0;
    // All that is known to be committed was handed over.
    virtual void OnFollowed(core::Epoch newest_claim, bool progressed) = 0;
    // `progressed`: as above, of the look that was under way when the pause was asked for.
    virtual void OnFollowPaused(bool progressed) = 0;
    // NOT_FOUND: retention has removed what comes next. ABORTED: the history went another way.
    virtual void OnFollowFailed(const absl::Status& why) = 0;
  };

  struct Place {
    std::string dir;
    OpenMode mode = OpenMode::kReadFresh;
    log::History history;                       // committed; no ranges: nothing is yet
    std::chrono::nanoseconds poll_alone{};      // between looks without a stream
    std::chrono::nanoseconds poll_connected{};  // and with one
  };

  Follower(Loop& loop, Disk& disk, Executor& executor, BufferPool& pool, Handler& handler);
  ~Follower() override;

  void SetPlace(Place place);
  void Follow(core::Index after);
  // Takes effect when what is being read was handed over: OnFollowPaused.
  void Pause();
  void Stop();
  void Resume();

  // The leader of `epoch` says that so many of its batches are committed.
  void Tell(core::Epoch epoch, uint64_t batches);
  void SetConnected(bool connected);

  // The stream has told more than the files showed at some time.
  bool was_ahead_of_files() const { return ahead_; }

  // --- while paused, on the reader lane: for a take-over
  log::LogPlace KnownPlace() const;
  // Goes on to the end of `history`, which begins with what was followed, and applies it to
  // `state`. Returns how many inputs that were. FAILED_PRECONDITION: it does not begin so.
  absl::StatusOr<uint64_t> ReadToEnd(const log::History& history, core::ReplicatedState& state);

  void Work() override;
  void Done() override;

 private:
  struct Fed {
    core::FrameHeader entry;
    uint32_t offset = 0;
    bool ends_record = false;
    core::Epoch epoch{};
    uint64_t batch = 0;
    Chain chain{};
  };

  void RunWhenIdle();
  void Run();
  absl::Status LookOnly();
  void LookLater();
  absl::Status ReadSome();
  absl::Status OpenReader();
  absl::Status LearnCommitted();
  absl::StatusOr<bool> EnterNewerHistory();
  bool Take(const log::Record& record);
  Chunk* FittingChunk();

  Loop& loop_;
  Disk& disk_;
  Executor& executor_;
  BufferPool& pool_;
  Handler& handler_;
  const size_t read_bytes_;

  bool wanted_ = false;
  bool paused_ = false;
  bool running_ = false;
  bool waiting_ = false;   // for Resume
  bool again_ = false;     // something was told while it ran
  bool outdated_ = false;  // it began before the stream came or went: shows nothing about after
  bool connected_ = false;
  std::chrono::nanoseconds heard_{};  // when the leader said something last
  core::Index after_{};
  std::unique_ptr<Timer> timer_;
  core::Epoch told_epoch_{};
  uint64_t told_batches_ = 0;
  bool told_progress_ = false;  // since the handler was told
  std::chrono::nanoseconds claims_read_{};
  bool ahead_ = false;

  // Of the job while it runs.
  Place place_;
  std::unique_ptr<log::HistoryReader> reader_;
  std::unique_ptr<log::Lookout> lookout_;
  log::Stated stated_;
  std::optional<log::Record> held_back_;  // did not fit into the chunk
  core::Index read_after_{};
  core::Index reader_at_{};
  Chain applied_chain_{};  // after the last record with inputs that was taken
  bool has_chain_ = false;
  core::Epoch job_epoch_{};  // as told when it began
  uint64_t job_batches_ = 0;
  bool job_connected_ = false;
  bool job_heard_ = false;  // and not silent
  bool read_claims_ = false;
  bool feeds_ = false;
  Chunk* chunk_ = nullptr;
  uint32_t used_ = 0;
  size_t wanted_bytes_ = 0;
  std::vector<Fed> fed_;
  bool at_end_ = false;
  bool progressed_ = false;  // since the handler was told
  core::Epoch newest_claim_{};
  int odd_looks_ = 0;  // that ended in what looks like damage, one after the other
  absl::Status status_;
};

}  // namespace semper::runtime
