// WorkDir: a temporary directory on a disk, removed at the end unless it is kept.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace shop::demo {

class WorkDir {
 public:
  // Below $TMPDIR if that is set, else /tmp, or /var/tmp if /tmp is memory. Nothing with a sentence
  // in `why` if that fails.
  static std::optional<WorkDir> Make(std::string& why);
  ~WorkDir();
  WorkDir(WorkDir&& other) noexcept
      : path_(std::move(other.path_)), others_(std::move(other.others_)) {
    other.path_.clear();
    other.others_.clear();
  }
  WorkDir& operator=(WorkDir&&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  void Keep() { keep_ = true; }

  // Makes a directory of the same name below `parent`, removed or kept with this one. Empty with a
  // sentence in `why` if that fails.
  std::string MakeBelow(const std::string& parent, std::string& why);

 private:
  explicit WorkDir(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::vector<std::string> others_;
  bool keep_ = false;
};

// A loopback TCP port that nobody listens on, below those that the kernel gives to outgoing
// connections, so that it stays free while its owner is dead. 0 if there is none.
int FindFreePort(uint64_t random);

}  // namespace shop::demo
