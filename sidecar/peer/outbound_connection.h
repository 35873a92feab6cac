// One connection to one address of another immortal: carries messages out and acknowledgements in.
// Whether it is the right one is its owner's business. Loop's thread only.
#pragma once

#include <string>
#include <utility>

#include "semper/v1/peer.pb.h"
#include "sidecar/core/core.h"
#include "sidecar/peer/dialled_connection.h"

namespace semper::peer {

class OutboundConnection final : public DialledConnection {
 public:
  // Any of these may close the connection, or let go of it.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual v1::PeerHello MakeHello() = 0;
    virtual void OnWelcome(OutboundConnection& connection, const v1::PeerWelcome& welcome) = 0;
    virtual void OnAck(OutboundConnection& connection, const core::Position& committed) = 0;
    virtual void OnCanSend(OutboundConnection& connection) = 0;
    // The last callback: it was refused (`refused` is not null), could not be made, or is lost.
    virtual void OnEnded(OutboundConnection& connection, const std::string& why,
                         const v1::PeerRefused* refused) = 0;
  };

  // `owner` lives until Close or OnEnded.
  OutboundConnection(Loop& loop, wire::ReadArena& arena, std::string address, Owner& owner)
      : DialledConnection(loop, arena, std::move(address)), owner_(owner) {}

  // Once welcomed. False: OnCanSend follows when the queue has drained.
  bool CanSend();
  void SendMessages(const core::HeldOutput& output);

 private:
  std::pair<core::FrameKind, std::string> MakeGreeting() override;
  std::string Take(const core::FrameHeader& header, const Buffer& payload) override;
  std::string TakeWelcome(const Buffer& payload);
  void TakeRefusal(const Buffer& payload);
  void OnWritten() override;
  void OnEnded(const std::string& why) override { owner_.OnEnded(*this, why, nullptr); }

  Owner& owner_;
  bool wants_room_ = false;
};

}  // namespace semper::peer
