// One connection to one address of an immortal: dials, greets, then carries messages out and
// acknowledgements in. Whether it is the right one is its owner's business. Loop's thread only.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/loop.h"
#include "semper/v1/peer.pb.h"
#include "sidecar/core/core.h"
#include "sidecar/wire/frame_stream.h"

namespace semper::peer {

class OutboundConnection : public Stream::Handler,
                           public wire::FrameReader::Check,
                           public std::enable_shared_from_this<OutboundConnection> {
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
  OutboundConnection(Loop& loop, wire::ReadArena& arena, std::string address, Owner& owner);

  void Dial();
  // Once welcomed. False: OnCanSend follows when the queue has drained.
  bool CanSend();
  void SendMessages(const core::HeldOutput& output);
  void Close();  // no callback after this

  const std::string& address() const { return address_; }
  bool greeted() const { return stream_ != nullptr; }  // the hello is out

  void OnReadable() override;
  void OnWritable() override;
  void OnClosed(const absl::Status& why) override;
  std::string Refusal(const core::FrameHeader& header, const std::byte* encoded) override;

 private:
  void Greet(std::unique_ptr<Stream> stream);
  void Push(core::FrameKind kind, Buffer payload);
  void Take(const core::FrameHeader& header, const Buffer& payload);
  void TakeWelcome(const Buffer& payload);
  void TakeRefusal(const Buffer& payload);
  void FlushAtEndOfRound();
  void MaybeTellCanSend();
  void OnTimer();
  void Fail(const std::string& why);

  Loop& loop_;
  wire::ReadArena& arena_;
  const std::string address_;
  Owner& owner_;
  std::unique_ptr<Stream> stream_;
  wire::FrameReader reader_;
  wire::FrameWriter writer_;
  std::unique_ptr<Timer> dial_;
  std::unique_ptr<Timer> timer_;
  std::string failure_;  // of the frame in hand
  bool closed_ = false;
  bool welcomed_ = false;
  bool wants_room_ = false;
  bool heard_ = false;
  bool said_ = false;
  bool flush_planned_ = false;
  int quiet_ = 0;  // ticks without a byte
};

}  // namespace semper::peer
