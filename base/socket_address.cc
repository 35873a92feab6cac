#include "base/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <charconv>
#include <cstddef>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace semper {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";

absl::StatusOr<SocketAddress> ParseUnix(const std::string& text) {
  const std::string path = text.substr(kUnixPrefix.size());
  SocketAddress address{};
  auto* const unix_address = reinterpret_cast<sockaddr_un*>(&address.storage);
  if (path.empty() || path[0] != '/') {
    return absl::InvalidArgumentError(
        absl::StrCat("address '", text, "': an absolute path must follow 'unix:'"));
  }
  if (path.size() >= sizeof unix_address->sun_path) {
    return absl::InvalidArgumentError(absl::StrCat(
        "address '", text, "': the path has ", path.size(), " bytes, and sockets take ",
        sizeof unix_address->sun_path - 1, " at most; choose a shorter directory"));
  }
  unix_address->sun_family = AF_UNIX;
  std::memcpy(unix_address->sun_path, path.data(), path.size());
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

}  // namespace

std::string_view SocketAddress::unix_path() const {
  const auto* const unix_address = reinterpret_cast<const sockaddr_un*>(&storage);
  return {unix_address->sun_path, strnlen(unix_address->sun_path, sizeof unix_address->sun_path)};
}

std::string SocketAddress::Text() const {
  char host[INET6_ADDRSTRLEN] = "?";
  if (is_unix()) return absl::StrCat("unix:", std::string(unix_path()));
  if (family() == AF_INET6) {
    const auto* const six = reinterpret_cast<const sockaddr_in6*>(&storage);
    inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host);
    return absl::StrCat("[", host, "]:", ntohs(six->sin6_port));
  }
  const auto* const four = reinterpret_cast<const sockaddr_in*>(&storage);
  inet_ntop(AF_INET, &four->sin_addr, host, sizeof host);
  return absl::StrCat(host, ":", ntohs(four->sin_port));
}

absl::StatusOr<SocketAddress> ParseSocketAddress(const std::string& text) {
  if (text.compare(0, kUnixPrefix.size(), kUnixPrefix) == 0) return ParseUnix(text);
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("address '", text, "': expected unix:/PATH or HOST:PORT"));
  }
  const std::string port_text = text.substr(colon + 1);
  uint16_t port = 0;
  const char* const port_end = port_text.data() + port_text.size();
  const auto [end, error] = std::from_chars(port_text.data(), port_end, port);
  if (error != std::errc() || end != port_end) {
    return absl::InvalidArgumentError(absl::StrCat("address '", text, "': the port '", port_text,
                                                   "' is no number from 0 to 65535"));
  }
  SocketAddress address{};
  std::string host = text.substr(0, colon);
  auto* const four = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* const six = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, host.c_str(), &six->sin6_addr) == 1) {
      six->sin6_family = AF_INET6;
      six->sin6_port = htons(port);
      address.size = sizeof *six;
      return address;
    }
  } else if (inet_pton(AF_INET, host.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    address.size = sizeof *four;
    return address;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("address '", text, "': the host '", host,
                   "' is no literal address such as 10.0.0.7 or [::1]"));
}

}  // namespace semper
