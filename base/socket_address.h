// SocketAddress: "unix:/path" or "host:port" with a literal host ("127.0.0.1:7600", "[::1]:7600"),
// for the kernel.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace semper {

struct SocketAddress {
  sockaddr_storage storage;
  socklen_t size;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
  bool is_unix() const { return family() == AF_UNIX; }
  std::string_view unix_path() const;  // only if is_unix()

  // As it was written, with the port as a number.
  std::string Text() const;
};

// INVALID_ARGUMENT with a text that says what is wrong. Names are never resolved.
absl::StatusOr<SocketAddress> ParseSocketAddress(const std::string& text);

}  // namespace semper
