// ImpulseQueue: between the threads of the edge and the engine: gives tokens to impulses, and
// answers to their makers.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "semper/impulses.h"
#include "semper/status.h"

namespace semper::internal {

// One life of a service (a generation): refuses before Live, takes until End, refuses for ever
// after. Submit: any thread. All others: the engine's thread, which is the one that made it or
// called Adopt.
class ImpulseQueue {
 public:
  // `wake` is called from Submit on other threads when there is something to Take. Must be quick.
  ImpulseQueue(size_t outstanding_max, std::function<void()> wake);

  // `prefix` and `body` together are the body of a message of this kind.
  void Submit(uint32_t kind_word, std::span<const std::byte> prefix,
              std::span<const std::byte> body, ImpulseCallback done);

  void Adopt();  // this thread is the engine's
  void Live(uint64_t message_bytes_max);
  void End();  // answers everything that is outstanding, and wakes those who wait

  // Calls `send` with the frames that wait, each at most 128 KiB (or one message).
  using Send =
      std::function<void(uint64_t first_token, uint32_t count, std::span<const std::byte> payload)>;
  void Take(const Send& send);

  // Tokens first_token .. + count - 1 got the indexes from `index` on. False if that is not what
  // was sent.
  bool Placed(uint64_t first_token, uint32_t count, uint64_t index);

  // Answers all whose index is at most `index`.
  void Committed(uint64_t index);

 private:
  struct Frame {
    uint64_t first_token = 0;
    uint32_t count = 0;
    std::vector<std::byte> payload;
  };
  struct Run {
    uint32_t count;
    uint64_t index;
  };
  enum class Phase { kNotYet, kLive, kEnded };

  Frame& OpenFrame(size_t message_bytes);

  const size_t outstanding_max_;
  const std::function<void()> wake_;

  std::mutex mutex_;
  std::condition_variable room_;
  Phase phase_ = Phase::kNotYet;
  std::thread::id engine_thread_;
  size_t message_bytes_max_ = 0;
  uint64_t next_token_ = 1;
  uint64_t taken_ = 0;                      // tokens up to here have been given to Take's `send`
  std::vector<Frame> waiting_;              // not taken yet
  std::vector<Frame> spare_;                // for their memory
  std::deque<ImpulseCallback> unanswered_;  // in order of tokens; the last one is next_token_ - 1

  // Engine's thread only.
  uint64_t placed_ = 0;   // tokens up to here have an index
  std::deque<Run> runs_;  // placed, not committed
  std::vector<Frame> taking_;
  std::vector<std::pair<ImpulseCallback, uint64_t>> answers_;
};

}  // namespace semper::internal
