// The coordinator's end of the native link (docs/formats/link.md): one service at a time on a Unix
// socket.
//
// Loop's thread only. Frames of an older generation are dropped here; what arrives at the handler
// is of the current one. What is sent gathers until the end of the round of events.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "base/buffer.h"
#include "base/loop.h"
#include "semper/v1/link.pb.h"
#include "sidecar/core/types.h"
#include "sidecar/wire/frame_stream.h"

namespace semper::link {

class ServiceHandler {
 public:
  virtual ~ServiceHandler() = default;
  virtual void OnServiceHello(const v1::ServiceHello& hello) = 0;
  virtual void OnServiceLost(const std::string& why) = 0;
  virtual absl::Status OnDestination(core::Slot slot, std::string_view name) = 0;
  // `frame.crc` is filled: the CRC32C of the payload.
  virtual absl::Status OnOutput(const core::FrameHeader& frame, Buffer payload) = 0;
  virtual absl::Status OnDone(core::Index index, uint64_t next_timer) = 0;
  virtual absl::Status OnImpulse(const core::FrameHeader& frame, Buffer payload) = 0;
  virtual absl::Status OnCheckpointBegin(core::Index index,
                                         const v1::ServiceCheckpoint& service) = 0;
  virtual absl::Status OnCheckpointChunk(Buffer chunk) = 0;
  virtual absl::Status OnCheckpointEnd(core::Index index, uint64_t bytes) = 0;
  virtual void OnServiceFailed(core::Index index, const std::string& why) = 0;
  virtual void
  OnLinkDrained() = 0;  // queued_bytes() fell below the low mark after it was above the high mark
};

class Server {
 public:
  static constexpr size_t kQueueHighBytes = 16u << 20;
  static constexpr size_t kQueueLowBytes = 4u << 20;

  // `address`: "unix:/path". The loop, the arena and the handler outlive the server.
  Server(Loop& loop, wire::ReadArena& arena, ServiceHandler& handler);
  ~Server();

  absl::Status Listen(const std::string& address);

  // True while a service has said hello and its connection lasts.
  bool connected() const;
  std::string ServiceAddress() const;

  // Answers the hello; from now on frames of this generation count.
  void Greet(const v1::CoordinatorHello& hello);
  // Says why and closes; the handler is not told.
  void Refuse(const std::string& why);
  // Refuse, and nobody is accepted any more.
  void Close(const std::string& why);

  void Deliver(const core::FrameHeader& entry, const Buffer& payload);
  void RestoreBegin(core::Index index, const v1::ServiceCheckpoint& service);
  void RestoreChunk(Buffer chunk);
  void RestoreEnd(core::Index index, uint64_t bytes);
  void TellLive(core::Index index);
  void TellCommitted(core::Index index);
  void CutCheckpoint(core::Index index);

  // Bytes that the service has not taken yet.
  size_t queued_bytes() const;
  // Whether the queue has shrunk since the last call; for noticing a service that has stopped
  // reading.
  bool MadeProgress();

  // While paused the service's frames stay unread: it feels it and waits.
  void PauseReading(bool paused);

 private:
  class Connection;
  void Accept(std::unique_ptr<Stream> stream);
  void Push(core::FrameKind kind, core::FrameHeader header, Buffer payload);
  void Drop(const std::string& why, bool tell);

  Loop& loop_;
  wire::ReadArena& arena_;
  ServiceHandler& handler_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Stream> refused_;  // kept for a moment so that its last words get out
  uint32_t generation_ = 0;
  bool reading_paused_ = false;
  bool above_high_ = false;
  RoundTask flush_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace semper::link
