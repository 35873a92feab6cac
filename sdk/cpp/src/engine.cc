#include "sdk/cpp/src/engine.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>

#include "base/check.h"
#include "base/version.h"
#include "semper/v1/link.pb.h"

namespace semper::internal {

namespace {

constexpr uint32_t kProtocolVersion = 1;

uint64_t NextEngineId() {
  static std::atomic<uint64_t> ids{0};
  return ++ids;
}

std::string KindText(core::FrameKind kind) {
  return "kind " + std::to_string(static_cast<int>(kind));
}

}  // namespace

Engine::Engine(std::unique_ptr<Service> service, EnginePort& port,
               std::shared_ptr<ImpulseQueue> impulses, const EngineOptions& options)
    : port_(port),
      options_(options),
      id_(NextEngineId()),
      impulses_(std::move(impulses)),
      service_(std::move(service)),
      handlers_(*service_->handlers_),
      inbox_(options.read_buffer_bytes),
      outbox_([this](std::span<const iovec> pieces) {
        if (!muted_) port_.Write(pieces);
      }),
      context_(*this) {
  context_.source_ = &state_.sources[0];
  outbox_.SetSlots(0);
  impulses_->Adopt();
}

Engine::~Engine() { impulses_->End(); }

void Engine::Start() {
  v1::ServiceHello hello;
  hello.set_protocol_version(kProtocolVersion);
  hello.set_minimum_protocol_version(kProtocolVersion);
  hello.set_service_name(service_->service_name());
  hello.set_service_version(service_->version());
  hello.set_minimum_state_version(service_->minimum_version());
  hello.set_sdk(std::string("semper-cpp/") + kVersion);
  const std::string payload = hello.SerializeAsString();
  core::FrameHeader header;
  header.kind = core::FrameKind::kServiceHello;
  outbox_.WriteFrame(header, AsBytes(payload));
}

void Engine::SendPing() {
  core::FrameHeader header;
  header.kind = core::FrameKind::kPing;
  outbox_.WriteFrame(header, {});
}

void Engine::Break(Code code, const std::string& text) {
  if (!ok()) return;
  status_ = Status(code, text);
  outbox_.Discard();
  muted_ = true;
  if (messages_ != nullptr) messages_->left_ = 0;
}

void Engine::ServiceFailed(std::string text) {
  if (!ok()) return;
  const uint64_t index = std::max(context_.index_, state_.index);
  text = "the service failed at input " + std::to_string(index) + ": " + text;
  Break(Code::kAborted, text);
  core::FrameHeader header;
  header.kind = core::FrameKind::kServiceFailed;
  header.index = index;
  constexpr size_t kTextMax = 4096;
  muted_ = false;
  outbox_.WriteFrame(header, AsBytes(std::string_view(text).substr(0, kTextMax)));
  muted_ = true;
}

Status Engine::OnBytes(std::span<const std::byte> bytes) {
  while (!bytes.empty() && ok()) {
    const std::span<std::byte> space = ReadSpace();
    const size_t n = std::min(space.size(), bytes.size());
    std::memcpy(space.data(), bytes.data(), n);
    bytes = bytes.subspan(n);
    (void)OnRead(n);
  }
  return status_;
}

Status Engine::OnRead(size_t bytes) {
  inbox_.Added(bytes);
  if (!ok()) return status_;
  try {
    Process();
  } catch (const std::exception& e) {
    ServiceFailed(std::string("an exception left a handler: ") + e.what());
  } catch (...) {
    ServiceFailed("an exception of an unknown type left a handler");
  }
  return status_;
}

void Engine::Process() {
  core::FrameHeader header;
  std::span<const std::byte> payload;
  while (ok()) {
    const Inbox::Found found = inbox_.Next(header, payload);
    if (found == Inbox::Found::kNothing) break;
    if (found == Inbox::Found::kBadFrame) {
      return Break(Code::kDataLoss,
                   "the coordinator sent what is no frame: " + KindText(header.kind) + ", " +
                       std::to_string(header.bytes) + " bytes, flags " +
                       std::to_string(header.flags));
    }
    HandleFrame(header, payload);
  }
  if (ok()) FinishBatch();
}

void Engine::FinishBatch() {
  if (state_.index > told_done_) {
    core::FrameHeader done;
    done.kind = core::FrameKind::kDone;
    done.index = told_done_ = state_.index;
    done.time = context_.next_due_ == UINT64_MAX ? 0 : context_.next_due_;
    outbox_.Flush(&done);
  } else if (!outbox_.empty()) {
    outbox_.Flush();
  }
  RunCommitted();
  SendImpulses();
}

void Engine::RunCommitted() {
  if (!live()) return;
  impulses_->Committed(committed_);
  while (!after_commit_.empty() && after_commit_.front().first <= committed_) {
    const std::function<void()> f = std::move(after_commit_.front().second);
    after_commit_.pop_front();
    f();
  }
}

void Engine::SendImpulses() {
  if (!live() || !ok()) return;
  impulses_->Take([this](uint64_t first_token, uint32_t count, std::span<const std::byte> payload) {
    core::FrameHeader header;
    header.kind = core::FrameKind::kImpulseSubmit;
    header.count = count;
    header.first_sequence = first_token;
    outbox_.WriteFrame(header, payload);
  });
}

void Engine::HandleFrame(const core::FrameHeader& header, std::span<const std::byte> payload) {
  using core::FrameKind;
  if (header.kind == FrameKind::kRefused) {
    return Break(Code::kUnavailable, "the coordinator refused: " + std::string(AsText(payload)));
  }
  if (phase_ == Phase::kHello) {
    if (header.kind == FrameKind::kPing) return;
    if (header.kind == FrameKind::kCoordinatorHello) {
      generation_ = header.last;
      return HandleHello(payload);
    }
    return Break(Code::kDataLoss,
                 "the coordinator's first frame is not its hello but " + KindText(header.kind));
  }
  if (header.last != generation_) return;  // of another generation
  if (header.kind == FrameKind::kPing) return;
  if (phase_ == Phase::kRestore || phase_ == Phase::kRestoring)
    return HandleRestore(header, payload);
  switch (header.kind) {
    case FrameKind::kPeer:
    case FrameKind::kImpulse:
      return HandleMessages(header, payload);
    case FrameKind::kControl:
      return HandleControl(header, payload);
    case FrameKind::kLive:
      return HandleLive(header.index);
    case FrameKind::kCommitted:
      if (header.index < committed_) {
        return Break(Code::kDataLoss, "the coordinator's committed index went back from " +
                                          std::to_string(committed_) + " to " +
                                          std::to_string(header.index));
      }
      committed_ = header.index;
      return;
    case FrameKind::kCheckpointCut:
      return Cut(header.index);
    default:
      return Break(Code::kDataLoss,
                   "the coordinator sent a frame that does not belong on a running link: " +
                       KindText(header.kind));
  }
}

void Engine::HandleHello(std::span<const std::byte> payload) {
  v1::CoordinatorHello hello;
  if (!hello.ParseFromArray(payload.data(), static_cast<int>(payload.size())) ||
      hello.incarnation().size() != sizeof incarnation_) {
    return Break(Code::kDataLoss, "the coordinator's hello does not parse (" +
                                      std::to_string(payload.size()) + " bytes)");
  }
  if (hello.protocol_version() != kProtocolVersion || hello.feature_bits() != 0) {
    return Break(Code::kFailedPrecondition,
                 "the coordinator speaks version " + std::to_string(hello.protocol_version()) +
                     " of the link with feature bits " + std::to_string(hello.feature_bits()) +
                     "; this SDK (semper-cpp/" + kVersion +
                     ") knows version 1 without features: upgrade it");
  }
  name_ = hello.name();
  for (size_t i = 0; i < incarnation_.size(); ++i) {
    incarnation_[i] = LoadLittle<uint64_t>(hello.incarnation().data() + 8 * i);
  }
  if (hello.message_bytes_max() != 0) link_bytes_max_ = hello.message_bytes_max();
  UpdateLimit();
  outbox_.SetGeneration(generation_);
  phase_ = hello.restore() ? Phase::kRestore : Phase::kRunning;
}

// What does not fit is an event of the log's history, so the limit that counts is the logged one.
void Engine::UpdateLimit() {
  const uint64_t limit = state_.message_bytes_max != 0 ? state_.message_bytes_max : link_bytes_max_;
  message_bytes_max_ = static_cast<uint32_t>(std::min<uint64_t>(limit, core::kMessageBytesMax));
}

// Moves logged time on. The index moves with each message.
bool Engine::BeginInputs(const core::FrameHeader& header) {
  if (header.index != state_.index + 1 || header.count == 0 || header.time < state_.time) {
    Break(Code::kDataLoss, "the coordinator sent " + std::to_string(header.count) +
                               " inputs from index " + std::to_string(header.index) +
                               " on at time " + std::to_string(header.time) + ", after index " +
                               std::to_string(state_.index) + " at time " +
                               std::to_string(state_.time));
    return false;
  }
  state_.time = context_.time_ = header.time;
  return true;
}

void Engine::HandleMessages(const core::FrameHeader& header, std::span<const std::byte> payload) {
  const bool impulse = header.kind == core::FrameKind::kImpulse;
  if (!BeginInputs(header)) return;
  if (!impulse && (header.slot == 0 || header.slot >= state_.sources.size())) {
    return Break(Code::kDataLoss, "the coordinator sent input " + std::to_string(header.index) +
                                      " of source slot " + std::to_string(header.slot) +
                                      ", which no PeerSeen has named");
  }
  if (impulse && live() && header.index > *live_index_ &&
      !impulses_->Placed(header.first_sequence, header.count, header.index)) {
    return Break(Code::kDataLoss, "the coordinator delivered impulses with tokens from " +
                                      std::to_string(header.first_sequence) +
                                      " on that were not submitted so");
  }
  const Source& source = state_.sources[impulse ? 0 : header.slot];
  context_.source_ = &source;
  Messages messages(context_, payload, header.count);
  messages_ = &messages;
  service_->OnMessages(context_, source, messages);
  Message rest;
  while (messages.Next(rest)) Dispatch(source, rest);  // of an author's loop that ended early
  messages_ = nullptr;
  if (!ok()) return;
  if (messages.bad_ || messages.cursor_ != messages.end_) {
    return Break(Code::kDataLoss, "the frame of inputs from " + std::to_string(header.index) +
                                      " on says " + std::to_string(header.count) + " messages in " +
                                      std::to_string(payload.size()) +
                                      " bytes and does not hold them");
  }
  state_.index = header.index + header.count - 1;
  SEMPER_CHECK(state_.index == context_.index_, "inputs counted ", context_.index_,
               ", frame ends at ", state_.index);
}

void Engine::HandleControl(const core::FrameHeader& header, std::span<const std::byte> payload) {
  if (!BeginInputs(header)) return;
  v1::Control control;
  if (header.count != 1 ||
      !control.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return Break(Code::kDataLoss,
                 "control input " + std::to_string(header.index) + " does not parse");
  }
  context_.index_ = header.index;
  context_.draws_ = 0;
  context_.source_ = &state_.sources[0];
  if (context_.next_due_ <= context_.time_) FireTimers();
  switch (control.what_case()) {
    case v1::Control::kStart:
      HandleStart(control.start());
      break;
    case v1::Control::kPeerSeen:
      HandlePeerSeen(control.peer_seen());
      break;
    default:  // the coordinator's own business, or only there to move time
      break;
  }
  state_.index = header.index;
}

void Engine::HandleStart(const v1::Control::Start& start) {
  StartInfo info;
  info.service_name = start.service_name();
  info.service_version = start.service_version();
  for (const auto& [key, value] : start.configuration()) info.configuration[key] = value;
  state_.configuration.insert(info.configuration.begin(), info.configuration.end());
  state_.message_bytes_max = start.message_bytes_max();
  UpdateLimit();
  service_->OnStart(context_, info);
}

void Engine::HandlePeerSeen(const v1::Control::PeerSeen& seen) {
  Source source;
  if (seen.slot() == 0 || seen.slot() > state_.sources.size() ||
      seen.incarnation().size() != source.incarnation.size()) {
    return Break(Code::kDataLoss, "control input " + std::to_string(context_.index_) +
                                      " names source slot " + std::to_string(seen.slot()) +
                                      " where " + std::to_string(state_.sources.size()) +
                                      " would be the next");
  }
  source.slot = seen.slot();
  source.name = seen.name();
  std::memcpy(source.incarnation.data(), seen.incarnation().data(), source.incarnation.size());
  if (seen.slot() == state_.sources.size()) {
    state_.sources.push_back(std::move(source));
  } else {
    state_.sources[seen.slot()] = std::move(source);
    if (seen.slot() < source_slots_.size()) source_slots_[seen.slot()] = 0;
  }
}

void Engine::HandleLive(uint64_t index) {
  if (live())
    return Break(Code::kDataLoss, "the coordinator said twice that this generation is live");
  live_index_ = index;
  impulses_->Live(message_bytes_max_);
  service_->OnLive(Impulses(impulses_));
}

}  // namespace semper::internal
