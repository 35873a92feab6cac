// EventSource: something with a descriptor in an EpollLoop. A part of the loop's implementation.
#pragma once

#include <cstdint>
#include <utility>

namespace semper {

class EpollLoop;

// Destroyed by the loop only, at the end of a round, so that events that were already fetched find
// it dead, not gone.
class EventSource {
 public:
  EventSource(EpollLoop& loop, int fd);  // takes `fd`; -1 for none yet
  virtual ~EventSource();
  EventSource(const EventSource&) = delete;
  EventSource& operator=(const EventSource&) = delete;

  virtual void OnEvents(uint32_t events) = 0;  // what epoll reported
  virtual void OnTurn() = 0;                   // after EpollLoop::TakeTurn

 protected:
  EpollLoop& loop() const { return loop_; }
  int fd() const { return fd_; }
  void AdoptFd(int fd) { fd_ = fd; }
  int ReleaseFd() { return std::exchange(fd_, -1); }
  void CloseFd();

  // Its owner let go of it: no callback of the user may be called any more.
  bool dead() const { return dead_; }

 private:
  friend class EpollLoop;

  EpollLoop& loop_;
  int fd_;
  bool watched_ = false;
  bool dead_ = false;
  bool has_turn_ = false;
};

}  // namespace semper
