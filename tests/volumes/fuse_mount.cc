#include "tests/volumes/fuse_mount.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

namespace semper::volumes {

bool FuseMount::Possible(std::string& why) {
  if (geteuid() != 0) {
    why = "mounting without fusermount needs root";
    return false;
  }
  const int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    why = "/dev/fuse cannot be opened";
    return false;
  }
  close(fd);
  return true;
}

FuseMount::FuseMount(const std::string& lie, const std::string& directory, const std::string& point)
    : point_(point) {
  std::filesystem::create_directories(point);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    ADD_FAILURE() << "no pipe";
    return;
  }
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(1);
    dup2(ends[1], STDOUT_FILENO);
    execl(SEMPER_LYING_MOUNT, SEMPER_LYING_MOUNT, lie.c_str(), directory.c_str(), point.c_str(),
          nullptr);
    _exit(127);
  }
  close(ends[1]);
  // "ready", or the end of the pipe if the program ended.
  char word[8] = {};
  const ssize_t got = read(ends[0], word, sizeof word - 1);
  close(ends[0]);
  EXPECT_EQ(std::string(word, got > 0 ? static_cast<size_t>(got) : 0), "ready\n")
      << SEMPER_LYING_MOUNT << " " << lie << " " << directory << " " << point;
}

FuseMount::~FuseMount() {
  if (pid_ > 0) {
    kill(pid_, SIGTERM);
    kill(pid_, SIGCONT);  // had it been stopped
    waitpid(pid_, nullptr, 0);
  }
  umount2(point_.c_str(), MNT_DETACH);  // had it been killed
}

}  // namespace semper::volumes
