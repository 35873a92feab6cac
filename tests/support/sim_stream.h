// SimConnection: a connected pair of streams. A part of SimNetwork.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "tests/support/sim_network.h"

namespace semper::sim {

class SimConnection : public std::enable_shared_from_this<SimConnection> {
 public:
  // End 0 is the dialer's, end 1 the listener's.
  SimConnection(SimNetwork& network, uint64_t id, std::shared_ptr<SimLoopCore> dialer,
                std::shared_ptr<SimLoopCore> listener, std::string address);

  // The stream of an end; to be called once per end.
  std::unique_ptr<Stream> MakeStream(int end);

  SimLoopCore& core(int end) { return *ends_[Index(end)].core; }
  bool unix_socket() const { return unix_; }
  bool Open(int end) const { return ends_[Index(end)].open; }

  // The end closes: by its owner, or by the kernel when its process dies.
  void Close(int end);
  // The end vanishes without a word (power loss of its machine).
  void Vanish(int end);
  void Cut(bool notice);
  // After a partition has ended.
  void Unstall();

 private:
  friend class SimStream;

  enum class ItemKind { kData, kEnd, kReset };
  struct Item {
    ItemKind kind = ItemKind::kData;
    SimNanos sent = 0;  // later than now: by a process that was stopped in the middle of a step
    SimNanos arrival = 0;
    std::vector<std::byte> bytes;
  };
  struct End {
    std::shared_ptr<SimLoopCore> core;
    std::string peer_name;
    Stream::Handler* handler = nullptr;
    bool open = true;  // has an owner that lives
    bool vanished = false;
    bool paused = false;
    bool turn_queued = false;
    bool wants_write = false;
    bool writable = false;
    bool ended = false;   // nothing can be read any more
    bool failed = false;  // OnClosed is owed
    bool closed = false;  // OnClosed was given
    absl::Status why;
    // What comes to this end.
    std::deque<Item> flying;
    SimNanos last_arrival = 0;
    std::deque<std::byte> arrived;
    bool end_arrived = false;
    bool gone = false;  // the other end reads no more either
    size_t flying_bytes = 0;
    size_t window = 0;
  };
  static size_t Index(int end) { return static_cast<size_t>(end); }
  End& end(int which) { return ends_[Index(which)]; }
  bool HasReadable(const End& e) const { return !e.arrived.empty() || e.end_arrived || e.failed; }

  ptrdiff_t Read(int which, std::span<std::byte> out);
  ptrdiff_t Write(int which, std::span<const iovec> pieces);
  void SetHandler(int which, Stream::Handler* handler);
  void PauseReading(int which, bool paused);

  void Send(int to, Item item, SimNanos extra_delay = 0);
  void ScheduleArrival(int to);
  void Arrive(int to);
  void DropUnsent(int from);
  void AnswerWithReset(int to);
  void Fail(int which, absl::Status why);
  void QueueTurn(int which);
  void Turn(int which);
  void OfferWriting(int which);
  void ForgetIfOver();

  SimNetwork& network_;
  const uint64_t id_;
  const bool local_;  // both ends on one machine
  const bool unix_;
  bool silent_ = false;  // cut without notice: nothing arrives
  std::array<End, 2> ends_;
};

}  // namespace semper::sim
