// LogWatch: notices what a coordinator makes in its log directory at the moment when it makes it.
// One thread.
#pragma once

#include <cstdint>
#include <string>

namespace shop::demo {

class LogWatch {
 public:
  // Watches the directory of one immortal, which exists.
  explicit LogWatch(const std::string& dir);
  ~LogWatch();
  LogWatch(const LogWatch&) = delete;
  LogWatch& operator=(const LogWatch&) = delete;

  int descriptor() const { return fd_; }  // readable when there is something to Read

  // Counts what happened since the last call. False if nothing did.
  bool Read();

  uint64_t segments() const { return segments_; }        // files of the log begun
  uint64_t checkpoints() const { return checkpoints_; }  // checkpoints begun, finished or not

 private:
  void Watch(const std::string& dir, int& watch);

  const std::string dir_;
  int fd_ = -1;
  int segment_watch_ = -1;
  int checkpoint_watch_ = -1;
  uint64_t segments_ = 0;
  uint64_t checkpoints_ = 0;
};

}  // namespace shop::demo
