// One connection to one address, as the side that dials it: greets, takes frames, says that it
// lives, notices that the other end does not. What frames mean, and when to dial again, is the
// business of who inherits. Held by shared_ptr, since it may be on the call stack when it is let
// go of. Loop's thread only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/buffer.h"
#include "base/loop.h"
#include "base/round_task.h"
#include "sidecar/core/types.h"
#include "sidecar/wire/frame_stream.h"

namespace semper::peer {

class DialledConnection : public std::enable_shared_from_this<DialledConnection>,
                          private Stream::Handler,
                          private wire::FrameReader::Check {
 public:
  DialledConnection(Loop& loop, wire::ReadArena& arena, std::string address);

  void Dial();  // for the first time, or after OnEnded
  // Nothing happens unless the hello is out.
  void Push(core::FrameKind kind, const std::string& bytes);
  void Close();  // no callback after this

  const std::string& address() const { return address_; }
  bool greeted() const { return stream_ != nullptr; }  // the hello is out

 protected:
  virtual std::pair<core::FrameKind, std::string> MakeGreeting() = 0;
  // The payload was checked. Not empty: what is wrong with it; the connection ends.
  virtual std::string Take(const core::FrameHeader& header, const Buffer& payload) = 0;
  virtual void OnWritten() {}  // the queue may be shorter
  // The last callback: it could not be made, or is lost, and was closed.
  virtual void OnEnded(const std::string& why) = 0;

  void SetWelcomed();  // by an answer to the hello
  bool welcomed() const { return welcomed_; }
  void PushAtEndOfRound(core::FrameHeader header, const Buffer& payload);
  size_t queued_bytes() const { return writer_.queued_bytes(); }

 private:
  void OnReadable() override;
  void OnWritable() override { Flush(); }
  void OnClosed(const absl::Status& why) override;
  std::string Refusal(const core::FrameHeader& header, const std::byte* encoded) override;

  void Greet(std::unique_ptr<Stream> stream);
  void Flush();
  void OnTimer();
  void Fail(const std::string& why);

  Loop& loop_;
  wire::ReadArena& arena_;
  const std::string address_;
  std::unique_ptr<Stream> stream_;
  std::optional<wire::FrameReader> reader_;
  wire::FrameWriter writer_;
  RoundTask flush_{[this] { Flush(); }};
  std::unique_ptr<Timer> dial_;
  std::unique_ptr<Timer> timer_;
  bool welcomed_ = false;
  bool heard_ = false;
  bool said_ = false;
  int quiet_ = 0;  // ticks without a byte
};

}  // namespace semper::peer
