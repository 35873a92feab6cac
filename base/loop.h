// Loop: the one thread on which a coordinator lives: byte streams, timers, time, randomness.
//
// A port with two implementations: epoll (base/epoll_loop.h) and the simulator's. Everything here
// is called on the loop's thread, except Post. Callbacks never run inside a call of the port,
// always later from the loop itself.
#pragma once

#include <sys/uio.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/round_task.h"

namespace semper {

// Nanoseconds since the Unix epoch, by the machine's clock. May jump; never decides what is true
// (I6).
using UnixNanos = uint64_t;

// A connected byte stream (TCP, Unix socket, later TLS). Destroying it closes it; no callback comes
// after that.
class Stream {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void OnReadable() = 0;  // call Read until it returns 0, or PauseReading
    virtual void OnWritable() = 0;  // once after a Write that took less than everything
    virtual void OnClosed(
        const absl::Status& why) = 0;  // the last callback; the owner may destroy the stream in it
  };

  virtual ~Stream() = default;

  virtual void SetHandler(Handler* handler) = 0;  // borrowed; before the first callback

  // Reads up to out.size() bytes. >0: bytes read; 0: nothing now; -1: closed (OnClosed follows).
  virtual ptrdiff_t Read(std::span<std::byte> out) = 0;

  // Writes from `pieces` (at most 1024) in order. Returns the bytes taken, possibly 0 (OnWritable
  // follows); -1: closed (OnClosed follows).
  virtual ptrdiff_t Write(std::span<const iovec> pieces) = 0;

  // While paused OnReadable is not called and the other end feels the back-pressure. Its death is
  // noticed only when something is written or reading goes on: what it sent before is not lost.
  virtual void PauseReading(bool paused) = 0;

  // Who is at the other end, for messages: "10.0.0.7:7600", "unix:pid=42,uid=0".
  virtual std::string PeerName() const = 0;
};

// A listening socket. Destroying it stops listening.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual std::string Address() const = 0;  // with the port that was really bound
};

// Cancels on destruction.
class Timer {
 public:
  virtual ~Timer() = default;
};

// Addresses are "unix:/path" (created with mode 0600, SO_PEERCRED checked: same uid or root) or
// "host:port" (host is a literal address; names are resolved by the caller).
class Loop {
 public:
  virtual ~Loop() = default;

  virtual absl::StatusOr<std::unique_ptr<Listener>> Listen(
      const std::string& address, std::function<void(std::unique_ptr<Stream>)> accept) = 0;

  // Starts to connect; `connected` gets the stream or the error. Dropping the returned Timer gives
  // up.
  virtual std::unique_ptr<Timer> Dial(
      const std::string& address, std::chrono::nanoseconds timeout,
      std::function<void(absl::StatusOr<std::unique_ptr<Stream>>)> connected) = 0;

  // Calls `f` once, `delay` from now.
  [[nodiscard]] virtual std::unique_ptr<Timer> After(std::chrono::nanoseconds delay,
                                                     std::function<void()> f) = 0;

  // Calls `f` at the end of the current round of events, before the loop sleeps. Loop's thread
  // only.
  virtual void AtEndOfRound(std::function<void()> f) = 0;
  // The same for what happens round after round.
  virtual void AtEndOfRound(RoundTask& task) = 0;

  // Calls `f` on the loop's thread. Any thread.
  virtual void Post(std::function<void()> f) = 0;

  virtual std::chrono::nanoseconds Monotonic() const = 0;  // steady; for waits only
  virtual UnixNanos WallClock() const = 0;                 // becomes an input when it is logged
  virtual uint64_t Random() = 0;                           // not reproducible outside the simulator
};

}  // namespace semper
