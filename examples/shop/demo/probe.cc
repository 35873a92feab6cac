#include "examples/shop/demo/probe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace shop::demo {

namespace {

// All that comes until the other side closes; empty if anything fails.
std::string Ask(int fd, int port, const std::string& request) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
          static_cast<ssize_t>(request.size())) {
    return "";
  }
  std::string answer;
  char buffer[4096];
  for (ssize_t got; (got = recv(fd, buffer, sizeof buffer, 0)) != 0;) {
    if (got < 0) return "";
    answer.append(buffer, static_cast<size_t>(got));
  }
  return answer;
}

}  // namespace

ProbeAnswer Probe(int port, std::chrono::milliseconds limit, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return {};
  const timeval wait{limit.count() / 1000, limit.count() % 1000 * 1000};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  const std::string answer = Ask(fd, port, "GET " + path + " HTTP/1.0\r\n\r\n");
  close(fd);
  const size_t head = answer.find("\r\n\r\n");
  if (head == answer.npos) return {};
  ProbeAnswer probe{.text = answer.substr(head + 4)};
  while (!probe.text.empty() && probe.text.back() == '\n') probe.text.pop_back();
  const size_t code = answer.find(' ');
  if (code > head || answer.compare(code, 5, " 200 ") != 0) return probe;
  // "leading", or "following NAME, ...". A standby between two leaders says "following;" or so.
  if (probe.text.starts_with("leading")) probe.standing = Standing::kLeads;
  if (probe.text.starts_with("following ")) probe.standing = Standing::kReady;
  return probe;
}

}  // namespace shop::demo
