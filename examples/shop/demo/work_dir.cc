#include "examples/shop/demo/work_dir.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace shop::demo {

namespace {

constexpr int kFirstPort = 10240;
constexpr int kPorts = 20000;

std::string Place() {
  if (const char* chosen = std::getenv("TMPDIR"); chosen != nullptr && *chosen != '\0') {
    return chosen;
  }
  struct statfs facts {};
  const bool memory = statfs("/tmp", &facts) == 0 && facts.f_type == TMPFS_MAGIC;
  return memory ? "/var/tmp" : "/tmp";
}

bool IsFree(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool free = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                    listen(fd, 1) == 0;
  close(fd);
  return free;
}

}  // namespace

std::optional<WorkDir> WorkDir::Make(std::string& why) {
  std::string path = Place() + "/semper-demo-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) {
    why = fmt::format("cannot make the directory {}: {}", path, std::strerror(errno));
    return std::nullopt;
  }
  return WorkDir(path);
}

WorkDir::~WorkDir() {
  std::error_code ignored;
  if (path_.empty() || keep_) return;
  std::filesystem::remove_all(path_, ignored);
  for (const std::string& other : others_) std::filesystem::remove_all(other, ignored);
}

std::string WorkDir::MakeBelow(const std::string& parent, std::string& why) {
  std::string path = parent + "/" + std::filesystem::path(path_).filename().string();
  std::error_code error;
  if (!std::filesystem::create_directory(path, error)) {
    why = fmt::format("cannot make the directory {}: {}", path, error.message());
    return "";
  }
  others_.push_back(path);
  return path;
}

int FindFreePort(uint64_t random) {
  for (int tries = 0; tries < kPorts; ++tries) {
    const int port =
        kFirstPort + static_cast<int>((random + static_cast<uint64_t>(tries)) % kPorts);
    if (IsFree(port)) return port;
  }
  return 0;
}

}  // namespace shop::demo
