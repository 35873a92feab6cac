#include "examples/shop/demo/log_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <string_view>

namespace shop::demo {

LogWatch::LogWatch(const std::string& dir)
    : dir_(dir), fd_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  int directory = -1;
  Watch(dir_, directory);
  Watch(dir_ + "/log", segment_watch_);
  Watch(dir_ + "/checkpoints", checkpoint_watch_);
}

LogWatch::~LogWatch() {
  if (fd_ >= 0) close(fd_);
}

void LogWatch::Watch(const std::string& dir, int& watch) {
  if (watch < 0) watch = inotify_add_watch(fd_, dir.c_str(), IN_CREATE);
}

bool LogWatch::Read() {
  alignas(inotify_event) char buffer[16384];
  bool seen = false;
  for (;;) {
    const ssize_t got = read(fd_, buffer, sizeof buffer);
    if (got <= 0) return seen;
    for (const char* at = buffer; at < buffer + got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(at);
      at += sizeof(inotify_event) + event->len;
      if (event->wd == segment_watch_) {
        ++segments_;
        seen = true;
      } else if (event->wd == checkpoint_watch_) {
        ++checkpoints_;
        seen = true;
      } else if ((event->mask & IN_ISDIR) != 0) {
        // Made by the coordinator's first start. What is in it by now is missed: it is the first of
        // many.
        Watch(dir_ + "/log", segment_watch_);
        Watch(dir_ + "/checkpoints", checkpoint_watch_);
      }
    }
  }
}

}  // namespace shop::demo
