#include "examples/shop/page.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <new>

namespace shop {

namespace {

void* MapFile(const std::string& path, int flags, bool grow) {
  const int fd = open(path.c_str(), flags | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) return nullptr;
  void* at = MAP_FAILED;
  if (!grow || ftruncate(fd, sizeof(Page)) == 0) {
    at = mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  close(fd);
  return at == MAP_FAILED ? nullptr : at;
}

}  // namespace

Page* OpenPage(const std::string& path) { return static_cast<Page*>(MapFile(path, 0, false)); }

Page* CreatePage(const std::string& path) {
  void* at = MapFile(path, O_CREAT | O_EXCL, true);
  return at == nullptr ? nullptr : new (at) Page;
}

}  // namespace shop
