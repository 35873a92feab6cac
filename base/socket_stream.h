// SocketStream: a connected socket in an EpollLoop. A part of the loop's implementation.
#pragma once

#include <memory>
#include <string>

#include "base/event_source.h"
#include "base/loop.h"

namespace semper {

// Sizes of socket buffers, no Nagle. Before connect or listen, because TCP agrees on its window
// then.
void TuneSocket(int fd, int family);

// A stream over the connected, non-blocking socket `fd`, which it owns from now on.
std::unique_ptr<Stream> MakeSocketStream(EpollLoop& loop, int fd, std::string peer_name);

// "10.0.0.7:7600", or "unix:pid=42,uid=0" for the process at the other end.
std::string PeerNameOf(int fd);

}  // namespace semper
