// One node's mount of a directory by lying_mount.
#pragma once

#include <sys/types.h>

#include <string>

namespace semper::volumes {

class FuseMount {
 public:
  // Whether this machine lets us mount FUSE file systems; if not, `why` says why.
  static bool Possible(std::string& why);

  // Mounts `directory` on `point`, which is made; both absolute. Dies with the test's process.
  // EXPECTs that it succeeds.
  FuseMount(const std::string& lie, const std::string& directory, const std::string& point);
  ~FuseMount();
  FuseMount(const FuseMount&) = delete;
  FuseMount& operator=(const FuseMount&) = delete;

  const std::string& point() const { return point_; }
  pid_t pid() const { return pid_; }

 private:
  const std::string point_;
  pid_t pid_ = -1;
};

}  // namespace semper::volumes
