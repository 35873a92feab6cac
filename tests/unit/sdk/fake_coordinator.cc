#include "tests/unit/sdk/fake_coordinator.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/hash.h"
#include "semper/v1/link.pb.h"
#include "semper/v1/log.pb.h"

namespace semper::test {

namespace {

const std::string kIncarnation = "0123456789abcdef";

template <typename T>
std::string Little(T value) {
  std::string text(sizeof value, '\0');
  StoreLittle(text.data(), value);
  return text;
}

std::string OneMessage(MessageKind kind, std::string_view body) {
  return Little(static_cast<uint32_t>(body.size()) | static_cast<uint32_t>(kind) << 25) +
         std::string(body);
}

}  // namespace

std::string Raw(std::string_view body) { return OneMessage(MessageKind::kRaw, body); }
std::string CallMessage(uint64_t call_id, uint32_t method_id, std::string_view request) {
  return OneMessage(MessageKind::kCall, Little(call_id) + Little(method_id) + std::string(request));
}
std::string OneWayMessage(uint32_t method_id, std::string_view request) {
  return OneMessage(MessageKind::kOneWay, Little(method_id) + std::string(request));
}
std::string ReplyMessage(uint64_t call_id, std::string_view reply) {
  return OneMessage(MessageKind::kReply, Little(call_id) + std::string(reply));
}
std::string ErrorMessage(uint64_t call_id, Code code, std::string_view text) {
  return OneMessage(MessageKind::kErrorReply,
                    Little(call_id) + Little(static_cast<uint32_t>(code)) + std::string(text));
}
uint32_t MethodId(std::string_view full_name) { return Crc32c(0, AsBytes(full_name)); }

std::string Encoded(FrameHeader header, std::string_view payload) {
  header.bytes = static_cast<uint32_t>(payload.size());
  std::string text(core::kFrameHeaderBytes, '\0');
  header.Encode(reinterpret_cast<std::byte*>(text.data()));
  return text + std::string(payload);
}

std::vector<Received> ParseMessages(std::string_view payload, uint32_t count) {
  std::vector<Received> messages;
  while (count-- > 0) {
    const auto header = LoadLittle<uint32_t>(payload.data());
    const size_t bytes = core::MessageBodyBytes(header);
    messages.push_back(
        {static_cast<MessageKind>((header >> 25) & 7), std::string(payload.substr(4, bytes))});
    payload.remove_prefix(4 + bytes);
  }
  return messages;
}

FakeCoordinator::FakeCoordinator(std::unique_ptr<Service> service, Config config)
    : config_(config),
      queue_(std::make_shared<internal::ImpulseQueue>(config.outstanding_max, [this] { ++wakes; })),
      engine_(std::make_unique<internal::Engine>(
          std::move(service), *this, queue_,
          internal::EngineOptions{config.read_buffer_bytes, config.blocking_reads})) {
  engine_->Start();
}

void FakeCoordinator::Bytes(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, config_.piece_bytes);
    bytes.remove_prefix(piece.size());
    status_ = engine_->OnBytes(AsBytes(piece));
  }
}

void FakeCoordinator::Say(FrameHeader header, std::string_view payload) {
  header.last = config_.generation;
  Bytes(Encoded(header, payload));
}

void FakeCoordinator::Hello(bool restore) {
  v1::CoordinatorHello hello;
  hello.set_protocol_version(1);
  hello.set_name("test/self");
  hello.set_incarnation(kIncarnation);
  hello.set_epoch(3);
  hello.set_generation(config_.generation);
  hello.set_message_bytes_max(config_.message_bytes_max);
  hello.set_restore(restore);
  Say({.kind = FrameKind::kCoordinatorHello}, hello.SerializeAsString());
}

void FakeCoordinator::Restore(uint64_t index, const std::string& state, uint32_t version,
                              size_t chunk_bytes) {
  v1::ServiceCheckpoint begin;
  begin.set_index(index);
  begin.set_service_version(version);
  begin.set_service_name("test");
  std::string bytes;
  auto add = [&](FrameHeader header, std::string_view payload) {
    header.last = config_.generation;
    bytes += Encoded(header, payload);
  };
  add({.index = index, .kind = FrameKind::kRestoreBegin}, begin.SerializeAsString());
  for (size_t at = 0; at < state.size(); at += chunk_bytes) {
    const std::string_view chunk = std::string_view(state).substr(at, chunk_bytes);
    add({.crc = Crc32c(0, AsBytes(chunk)), .kind = FrameKind::kRestoreChunk}, chunk);
  }
  add({.first_sequence = state.size(), .index = index, .kind = FrameKind::kRestoreEnd}, "");
  index_ = index;
  if (config_.blocking_reads) {
    // The first frame comes as an event; the rest is fetched.
    const size_t first = core::kFrameHeaderBytes + begin.ByteSizeLong();
    readable = bytes.substr(first);
    bytes.resize(first);
  }
  Bytes(bytes);
}

void FakeCoordinator::Input(FrameKind kind, uint32_t slot, uint64_t first_sequence,
                            const std::vector<std::string>& messages) {
  std::string payload;
  for (const std::string& message : messages) payload += message;
  FrameHeader header{.count = static_cast<uint32_t>(messages.size()),
                     .first_sequence = first_sequence,
                     .index = index_ + 1,
                     .time = time,
                     .slot = slot,
                     .crc = Crc32c(0, AsBytes(payload)),
                     .kind = kind};
  index_ += messages.size();
  Say(header, payload);
}

void FakeCoordinator::Control(const std::string& payload) {
  Input(FrameKind::kControl, 0, 0, {payload});
}

void FakeCoordinator::StartLog(std::map<std::string, std::string> configuration) {
  v1::Control control;
  control.mutable_start()->set_service_name("test");
  control.mutable_start()->set_service_version(1);
  for (const auto& [key, value] : configuration)
    (*control.mutable_start()->mutable_configuration())[key] = value;
  Control(control.SerializeAsString());
}

void FakeCoordinator::PeerSeen(uint32_t slot, std::string_view name) {
  v1::Control control;
  control.mutable_peer_seen()->set_slot(slot);
  control.mutable_peer_seen()->set_name(std::string(name));
  control.mutable_peer_seen()->set_incarnation(kIncarnation);
  Control(control.SerializeAsString());
}

void FakeCoordinator::Note() {
  v1::Control control;
  control.mutable_ack_note();
  Control(control.SerializeAsString());
}

void FakeCoordinator::Tick(uint64_t at) {
  time = at;
  v1::Control control;
  control.mutable_tick();
  Control(control.SerializeAsString());
}

void FakeCoordinator::Peer(uint32_t slot, const std::vector<std::string>& messages) {
  Input(FrameKind::kPeer, slot, 1, messages);
}

void FakeCoordinator::Impulse(uint64_t first_token, const std::vector<std::string>& messages) {
  Input(FrameKind::kImpulse, 0, first_token, messages);
}

void FakeCoordinator::Live() { Say({.index = index_, .kind = FrameKind::kLive}); }
void FakeCoordinator::Committed(uint64_t index) {
  Say({.index = index, .kind = FrameKind::kCommitted});
}

std::string FakeCoordinator::Cut() {
  const size_t before = frames_.size();
  Say({.index = index_, .kind = FrameKind::kCheckpointCut});
  std::string state;
  for (size_t i = before; i < frames_.size(); ++i) {
    if (frames_[i].header.kind == FrameKind::kCheckpointChunk) state += frames_[i].payload;
  }
  return state;
}

void FakeCoordinator::Write(std::span<const iovec> pieces) {
  for (const iovec& piece : pieces)
    written_.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  while (written_.size() - parsed_ >= core::kFrameHeaderBytes) {
    const auto header =
        FrameHeader::Decode(reinterpret_cast<const std::byte*>(written_.data() + parsed_));
    const size_t size = core::kFrameHeaderBytes + header.bytes;
    if (written_.size() - parsed_ < size) break;
    frames_.push_back({header, written_.substr(parsed_ + core::kFrameHeaderBytes, header.bytes)});
    if (header.kind == FrameKind::kDestination) destinations_[header.slot] = frames_.back().payload;
    parsed_ += size;
  }
}

size_t FakeCoordinator::Read(std::span<std::byte> space) {
  const size_t n = std::min({space.size(), readable.size(), config_.piece_bytes});
  std::memcpy(space.data(), readable.data(), n);
  readable.erase(0, n);
  return n;
}

std::vector<Frame> FakeCoordinator::Frames(FrameKind kind) const {
  std::vector<Frame> found;
  for (const Frame& frame : frames_) {
    if (frame.header.kind == kind) found.push_back(frame);
  }
  return found;
}

std::vector<Received> FakeCoordinator::SentTo(std::string_view name) const {
  std::vector<Received> messages;
  for (const Frame& frame : Frames(FrameKind::kOutput)) {
    const auto found = destinations_.find(frame.header.slot);
    if (found == destinations_.end() || found->second != name) continue;
    for (Received& message : ParseMessages(frame.payload, frame.header.count)) {
      messages.push_back(std::move(message));
    }
  }
  return messages;
}

Frame FakeCoordinator::last_done() const {
  const std::vector<Frame> done = Frames(FrameKind::kDone);
  return done.empty() ? Frame() : done.back();
}

std::string FakeCoordinator::Everything() const { return written_; }

}  // namespace semper::test
