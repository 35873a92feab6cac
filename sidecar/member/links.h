// Links: this member's connections to its fellows, as the side that dials and listens to what they
// say (docs/formats/member.md). Loop's thread only.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/loop.h"
#include "semper/v1/member.pb.h"
#include "sidecar/peer/dialer.h"
#include "sidecar/wire/frame_stream.h"

namespace semper::member {

class FellowHandler {
 public:
  virtual ~FellowHandler() = default;
  virtual v1::MemberHello MakeMemberHello() = 0;
  // A welcome has come. Empty: go on; else why not, and the connection ends.
  virtual std::string OnFellowFound(const v1::MemberIdentity& fellow) = 0;
  virtual void OnFellowState(const std::string& member, const v1::MemberState& state) = 0;
  virtual void OnFellowTest(const std::string& member, const v1::MemberTest& test) = 0;
  virtual void OnFellowLost(const std::string& member) = 0;
  // Another member does not want to know us; it is tried again.
  virtual void OnFellowRefused(const v1::MemberRefused& refused) = 0;
};

class Links {
 public:
  // `resolver` knows the addresses under the name `name`.
  Links(Loop& loop, wire::ReadArena& arena, peer::Resolver& resolver, std::string name,
        FellowHandler& handler);
  ~Links();

  // Resolves now and every 10 s, so that a change of members needs no restart.
  void Begin();
  // To the fellow's answering side; nothing happens if it is not connected.
  void SendTest(const std::string& member, const v1::MemberTest& test);
  bool Connected(const std::string& member) const;
  void CloseAll();

 private:
  class Link;
  void Resolve();
  std::shared_ptr<Link> Find(const std::string& member) const;  // welcomed by it; null: none

  Loop& loop_;
  wire::ReadArena& arena_;
  peer::Resolver& resolver_;
  const std::string name_;
  FellowHandler& handler_;
  std::unique_ptr<Timer> resolve_;
  std::map<std::string, std::shared_ptr<Link>> links_;  // by address
  bool closed_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace semper::member
