// The sending end of links between coordinators (docs/formats/peer.md): finds the destination,
// keeps one connection to it, redials with back-off. Loop's thread only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/buffer.h"
#include "base/loop.h"
#include "semper/v1/peer.pb.h"
#include "sidecar/core/core.h"
#include "sidecar/wire/frame_stream.h"

namespace semper::peer {

class DestinationHandler {
 public:
  virtual ~DestinationHandler() = default;
  virtual v1::PeerHello MakeHello(core::Slot slot) = 0;
  virtual void OnWelcome(core::Slot slot, const v1::PeerWelcome& welcome) = 0;
  virtual void OnAck(core::Slot slot, const core::Position& committed) = 0;
  virtual void OnCanSend(core::Slot slot) = 0;
  virtual void OnDisconnected(core::Slot slot) = 0;
  virtual void OnRefusedByPeer(core::Slot slot, const v1::PeerRefused& refused) = 0;
};

// Finds the addresses of an immortal's members: "host:port" with a literal host, or "unix:/path";
// at least one, or an error. Asked again and again, so that a change needs no restart.
class Resolver {
 public:
  virtual ~Resolver() = default;
  virtual void Resolve(const std::string& name,
                       std::function<void(absl::StatusOr<std::vector<std::string>>)> done) = 0;
};

class Dialer {
 public:
  Dialer(Loop& loop, wire::ReadArena& arena, Resolver& resolver, DestinationHandler& handler);
  ~Dialer();

  void Connect(core::Slot slot, const std::string& name);
  // Ends the connection; redials unless `for_good`.
  void Disconnect(core::Slot slot, bool for_good);

  // True while the connection is welcomed and its queue is below the limit; after false OnCanSend
  // follows when it is.
  bool CanSend(core::Slot slot);
  void SendMessages(core::Slot slot, const core::HeldOutput& output);

  // For status: where it is connected to, or why it is not.
  std::string StateOf(core::Slot slot) const;
  bool Connected(core::Slot slot) const;
  uint64_t reconnects() const { return reconnects_; }
  void CloseAll();

 private:
  class Link;
  Loop& loop_;
  wire::ReadArena& arena_;
  Resolver& resolver_;
  DestinationHandler& handler_;
  std::map<uint32_t, std::shared_ptr<Link>> links_;
  uint64_t reconnects_ = 0;
};

}  // namespace semper::peer
