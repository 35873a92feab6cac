// The receiving end of links between coordinators (docs/formats/peer.md): other immortals dial, and
// send. Loop's thread only.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "base/buffer.h"
#include "base/loop.h"
#include "semper/v1/member.pb.h"
#include "semper/v1/peer.pb.h"
#include "sidecar/core/core.h"
#include "sidecar/wire/frame_stream.h"

namespace semper::peer {

class SourceHandler {
 public:
  virtual ~SourceHandler() = default;
  virtual void OnPeerHello(core::ConnectionId connection, const v1::PeerHello& hello) = 0;
  // The payload's CRC32C was checked against the header.
  virtual void OnPeerFrame(core::ConnectionId connection, const core::FrameHeader& frame,
                           Buffer payload) = 0;
  virtual void OnPeerLost(core::ConnectionId connection) = 0;
};

// Fellow members dial the same port (docs/formats/member.md); theirs is told by its first frame.
class MemberHandler {
 public:
  virtual ~MemberHandler() = default;
  virtual void OnMemberHello(core::ConnectionId connection, const v1::MemberHello& hello) = 0;
  // kMemberTest; the payload was checked.
  virtual void OnMemberFrame(core::ConnectionId connection, const core::FrameHeader& frame,
                             const Buffer& payload) = 0;
  virtual void OnMemberLost(core::ConnectionId connection) = 0;
};

class Acceptor {
 public:
  // Without `members` connections of fellow members are refused.
  Acceptor(Loop& loop, wire::ReadArena& arena, SourceHandler& handler,
           MemberHandler* members = nullptr);
  ~Acceptor();

  absl::Status Listen(const std::string& address);
  std::string Address() const { return listener_ ? listener_->Address() : ""; }

  // Connections that have not been welcomed are closed after 5 s, and when there are too many of
  // them.
  static constexpr size_t kUnwelcomedMax = 256;

  void Welcome(core::ConnectionId connection, const v1::PeerWelcome& welcome);
  void Refuse(core::ConnectionId connection,
              const v1::PeerRefused& refused);  // says why, closes; no OnPeerLost
  void SendAck(core::ConnectionId connection, const core::Position& committed);
  void PauseReading(bool paused);  // all but those of members

  void WelcomeMember(core::ConnectionId connection, const v1::MemberWelcome& welcome);
  void RefuseMember(core::ConnectionId connection, const v1::MemberRefused& refused);
  void SendMember(core::ConnectionId connection, core::FrameKind kind, const std::string& payload);

  std::string AddressOf(core::ConnectionId connection) const;
  void CloseAll();

 private:
  class Connection;
  void Accept(std::unique_ptr<Stream> stream);
  void Drop(core::ConnectionId connection);
  void Close(core::ConnectionId connection, core::FrameKind kind, const std::string& last_word);

  Loop& loop_;
  wire::ReadArena& arena_;
  SourceHandler& handler_;
  MemberHandler* const members_;
  std::unique_ptr<Listener> listener_;
  std::map<uint64_t, std::shared_ptr<Connection>> connections_;
  uint64_t next_id_ = 1;
  size_t unwelcomed_ = 0;
  bool paused_ = false;
};

}  // namespace semper::peer
