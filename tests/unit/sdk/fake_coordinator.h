// FakeCoordinator: the other end of an engine's link, in memory. Says what a test tells it to say,
// and keeps every frame that the engine sends.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sdk/cpp/src/engine.h"
#include "semper/semper.h"
#include "sidecar/core/types.h"

namespace semper::test {

using core::FrameHeader;
using core::FrameKind;

struct Frame {
  FrameHeader header;
  std::string payload;
};

// A message as the receiver's SDK sees it.
struct Received {
  MessageKind kind;
  std::string body;
  bool operator==(const Received&) const = default;
};

std::string Raw(std::string_view body);
std::string CallMessage(uint64_t call_id, uint32_t method_id, std::string_view request);
std::string OneWayMessage(uint32_t method_id, std::string_view request);
std::string ReplyMessage(uint64_t call_id, std::string_view reply);
std::string ErrorMessage(uint64_t call_id, Code code, std::string_view text);
uint32_t MethodId(std::string_view full_name);
std::string Encoded(FrameHeader header, std::string_view payload);
std::vector<Received> ParseMessages(std::string_view payload, uint32_t count);

struct Config {
  size_t outstanding_max = 65536;
  size_t read_buffer_bytes = 1 << 16;
  bool blocking_reads = false;
  size_t piece_bytes = SIZE_MAX;  // the engine gets its bytes in pieces of at most this size
  uint32_t generation = 7;
  uint32_t message_bytes_max = 0;
};

class FakeCoordinator final : public internal::EnginePort {
 public:
  explicit FakeCoordinator(std::unique_ptr<Service> service, Config config = {});

  // The beginning of a link: hello, and index 1 unless a state is restored.
  void Hello(bool restore = false);
  void StartLog(std::map<std::string, std::string> configuration = {});
  void Begin() {
    Hello();
    StartLog();
  }
  // Sends `state` (as given by Cut) for index `index`, in chunks of `chunk_bytes`.
  void Restore(uint64_t index, const std::string& state, uint32_t version = 1,
               size_t chunk_bytes = 1 << 20);

  // Inputs; each moves the log on.
  void PeerSeen(uint32_t slot, std::string_view name);
  void Peer(uint32_t slot, const std::vector<std::string>& messages);
  void Impulse(uint64_t first_token, const std::vector<std::string>& messages);
  void Tick(uint64_t time);
  void Note();  // an input that is none of the service's business

  void Live();
  void Committed(uint64_t index);
  std::string Cut();  // asks for a checkpoint, gives its bytes

  // Any frame, with the generation filled in.
  void Say(FrameHeader header, std::string_view payload = "");
  void Bytes(std::string_view bytes);

  // What the engine has said.
  std::vector<Frame> Frames(FrameKind kind) const;
  const std::vector<Frame>& frames() const { return frames_; }
  std::vector<Received> SentTo(std::string_view name) const;  // all messages, in order
  Frame last_done() const;
  void Forget() { frames_.clear(); }  // not the destinations' names
  std::string Everything() const;     // all bytes that were written

  internal::Engine& engine() { return *engine_; }
  const Status& status() const { return status_; }
  const std::shared_ptr<internal::ImpulseQueue>& queue() const { return queue_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  uint64_t index() const { return index_; }
  uint64_t time = 1000;        // of the next inputs
  std::string readable;        // what a blocking Read gives
  std::atomic<int> wakes = 0;  // any thread

  void Write(std::span<const iovec> pieces) override;
  size_t Read(std::span<std::byte> space) override;
  void Warn(std::string_view text) override { warnings_.emplace_back(text); }

 private:
  void Input(FrameKind kind, uint32_t slot, uint64_t first_sequence,
             const std::vector<std::string>& messages);
  void Control(const std::string& payload);

  const Config config_;
  std::shared_ptr<internal::ImpulseQueue> queue_;
  std::unique_ptr<internal::Engine> engine_;
  Status status_;
  uint64_t index_ = 0;
  std::string written_;
  size_t parsed_ = 0;
  std::vector<Frame> frames_;
  std::map<uint32_t, std::string> destinations_;
  std::vector<std::string> warnings_;
};

}  // namespace semper::test
