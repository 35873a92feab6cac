// Engine: one life of a service on its link: frames of the coordinator in, frames out
// (docs/formats/link.md).
//
// A machine without clocks, threads or I/O: what it does is a function of the bytes it is given.
// Single-threaded (only the ImpulseQueue is shared). After an error it is finished: close the link,
// drop it, and begin with a new Service.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sdk/cpp/src/impulse_queue.h"
#include "sdk/cpp/src/inbox.h"
#include "sdk/cpp/src/outbox.h"
#include "sdk/cpp/src/replicated.h"
#include "semper/service.h"
#include "semper/v1/log.pb.h"

namespace semper::internal {

// What an engine needs of its surroundings.
class EnginePort {
 public:
  virtual ~EnginePort() = default;

  // Sends all of `pieces`; they are the engine's again when this returns. After a lost link: drops
  // them.
  virtual void Write(std::span<const iovec> pieces) = 0;

  // Waits for bytes and puts them into `space`; 0 when there will be none. Used inside OnRead,
  // while a state is being restored, and only if EngineOptions::blocking_reads.
  virtual size_t Read(std::span<std::byte> space) = 0;

  // A line for the author of the service: something was dropped.
  virtual void Warn(std::string_view text) = 0;
};

struct EngineOptions {
  size_t read_buffer_bytes = size_t{1} << 20;
  // True: Load of a restored state begins with its first chunk, and the engine asks for the next
  // ones by Read. False: chunks are kept until the last one is there.
  bool blocking_reads = false;
};

class Engine {
 public:
  // `port` is borrowed. Impulses are taken from `impulses`, and answered; the destructor ends it.
  Engine(std::unique_ptr<Service> service, EnginePort& port, std::shared_ptr<ImpulseQueue> impulses,
         const EngineOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // The service's hello. First of all, once.
  void Start();

  // Bytes of the coordinator: either into ReadSpace(), then OnRead(how many); or a copy by OnBytes.
  // Everything that can be done is done, and pushed, before the return. An error ends the link; it
  // tells why.
  std::span<std::byte> ReadSpace() { return inbox_.Space(); }
  Status OnRead(size_t bytes);
  Status OnBytes(std::span<const std::byte> bytes);

  void SendImpulses();  // those that wait in the queue; nothing before live
  void SendPing();

  bool live() const { return live_index_.has_value(); }
  uint64_t index() const { return state_.index; }  // last input that is finished
  bool has_inputs() const { return state_.index != 0 || phase_ == Phase::kRestoring; }
  Service& service() { return *service_; }

 private:
  friend class semper::Context;
  friend class semper::Service;
  class RestoreReader;
  enum class Phase { kHello, kRestore, kRestoring, kRunning };

  static Engine& Of(Context& context) { return context.engine_; }

  // Frames (engine.cc).
  void Process();
  void HandleFrame(const core::FrameHeader& header, std::span<const std::byte> payload);
  void HandleHello(std::span<const std::byte> payload);
  void HandleControl(const core::FrameHeader& header, std::span<const std::byte> payload);
  void HandleStart(const v1::Control::Start& start);
  void HandlePeerSeen(const v1::Control::PeerSeen& seen);
  void HandleMessages(const core::FrameHeader& header, std::span<const std::byte> payload);
  void HandleLive(uint64_t index);
  bool BeginInputs(const core::FrameHeader& header);
  void FinishBatch();
  void RunCommitted();
  void Break(Code code,
             const std::string& text);   // the link's rules are broken; the first error stands
  void ServiceFailed(std::string text);  // the service gave up
  bool ok() const { return status_.ok(); }

  // Checkpoints (engine_state.cc).
  void Cut(uint64_t index);
  void HandleRestore(const core::FrameHeader& header, std::span<const std::byte> payload);
  void BeginRestore(const core::FrameHeader& header, std::span<const std::byte> payload);
  void LoadState(StateReader& reader);
  bool CheckChunk(const core::FrameHeader& header, std::span<const std::byte> payload);

  // What a Context asks for (engine_context.cc).
  uint32_t SlotOf(const Destination& to);
  uint32_t SlotOf(const Source& to);
  uint32_t SlotOfName(const std::string& name);
  std::byte* Append(uint32_t slot, MessageKind kind, size_t bytes);
  std::byte* AppendChecked(uint32_t slot, MessageKind kind, size_t bytes, std::string_view what);
  void FireTimers();
  void UpdateNextDue();
  void UpdateLimit();
  uint64_t Draw();

  // Typed messages (engine_calls.cc).
  void Dispatch(const Source& source, const Message& message);
  void DispatchCall(const Source& source, std::span<const std::byte> body);
  void DispatchOneWay(const Source& source, std::span<const std::byte> body);
  void DispatchReply(const Source& source, const Message& message);
  void FinishCall(uint64_t call_id, const Status& error, std::span<const std::byte> reply);
  void FinishFailedCall(std::string_view timer_context);
  void Warn(const std::string& text);

  EnginePort& port_;
  const EngineOptions options_;
  const uint64_t id_;  // tells this engine's slots from another's, in Destination
  std::shared_ptr<ImpulseQueue> impulses_;
  std::unique_ptr<Service> service_;
  Handlers& handlers_;
  Inbox inbox_;
  Outbox outbox_;
  Context context_;

  Phase phase_ = Phase::kHello;
  Status status_;
  uint32_t generation_ = 0;
  std::string name_;
  std::array<uint64_t, 2> incarnation_{};
  uint32_t link_bytes_max_ = core::kMessageBytesMax;     // as the coordinator's hello says
  uint32_t message_bytes_max_ = core::kMessageBytesMax;  // as the log says, if it does
  bool muted_ = false;                                   // after an error nothing more leaves

  Replicated state_;
  std::vector<uint32_t> source_slots_;  // destination slot by source slot, 0: not looked up yet
  uint64_t told_done_ = 0;              // index of the last kDone
  std::optional<uint64_t> live_index_;
  uint64_t committed_ = 0;
  std::deque<std::pair<uint64_t, std::function<void()>>> after_commit_;

  // The input that is being processed.
  Messages* messages_ = nullptr;
  Caller caller_;
  const Method* method_ = nullptr;
  bool answered_ = false;  // or deferred

  // A restore that is under way.
  uint64_t restore_index_ = 0;
  uint32_t restore_version_ = 0;
  uint64_t restored_bytes_ = 0;
  std::deque<std::vector<std::byte>> chunks_;
  bool chunks_complete_ = false;

  uint64_t warnings_ = 0;
};

}  // namespace semper::internal
