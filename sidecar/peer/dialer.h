// The sending end of links between coordinators (docs/formats/peer.md): finds the leader among the
// members of each destination and keeps one connection to it. Loop's thread only.
//
// Without a leader the members are asked in rounds, in turn, the one that welcomed last first; one
// that does not answer holds the next one up for 50 ms only. Between rounds there is a pause that
// grows. A leader whose acknowledgements are due and do not come keeps its connection while the
// others are asked; the welcome of a newer epoch replaces it. A welcome of an older epoch than one
// seen counts as a refusal.
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
  // After a welcome: instead of OnDisconnected. Before one: only what is not NOT_LEADER, which is
  // no news; the other members are asked all the same.
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
  // Ends the connection and takes its address last from now on, or stops dialling `for_good`.
  void Disconnect(core::Slot slot, bool for_good);

  // True while the connection is welcomed and its queue is below the limit; after false OnCanSend
  // follows when it is.
  bool CanSend(core::Slot slot);
  void SendMessages(core::Slot slot, const core::HeldOutput& output);

  // For status: where it is connected to, or why it is not.
  std::string StateOf(core::Slot slot) const;
  bool Connected(core::Slot slot) const;
  // Welcomes, of all destinations.
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
