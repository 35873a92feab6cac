// What handlers ask of their Context: sending, randomness, timers.
#include <algorithm>
#include <cstring>

#include "sdk/cpp/src/engine.h"

namespace semper {

namespace internal {

namespace {

// The finaliser of splitmix64: every bit of the input moves every bit of the output.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

// Described in docs/formats/service-state.md: what it gives must never change.
uint64_t Engine::Draw() {
  constexpr uint64_t kStep = 0x9e3779b97f4a7c15u;
  const uint64_t place = Mix(incarnation_[0] + kStep * context_.index_);
  return Mix(Mix(place ^ incarnation_[1]) + kStep * ++context_.draws_);
}

uint32_t Engine::SlotOf(const Destination& to) {
  if (to.owner_ != id_) {
    to.slot_ = SlotOfName(to.name_);
    to.owner_ = id_;
  }
  return to.slot_;
}

uint32_t Engine::SlotOf(const Source& to) {
  if (to.slot >= source_slots_.size()) source_slots_.resize(state_.sources.size());
  if (to.slot == 0 || to.slot >= source_slots_.size()) {
    ServiceFailed("a message was sent to the source in slot " + std::to_string(to.slot) +
                  ", which is no other immortal");
    return 0;
  }
  uint32_t& slot = source_slots_[to.slot];
  if (slot == 0) slot = SlotOfName(state_.sources[to.slot].name);
  return slot;
}

uint32_t Engine::SlotOfName(const std::string& name) {
  const std::string full =
      name.find('/') == std::string::npos ? name_.substr(0, name_.find('/') + 1) + name : name;
  if (name.empty()) ServiceFailed("a Destination has no name");
  const auto [found, is_new] =
      state_.destination_slots.try_emplace(full, static_cast<uint32_t>(state_.destinations.size()));
  if (is_new) {
    state_.destinations.push_back(full);
    outbox_.SetSlots(found->second);
    core::FrameHeader header;
    header.kind = core::FrameKind::kDestination;
    header.slot = found->second;
    outbox_.AppendFrame(header, AsBytes(full));
  }
  return found->second;
}

// After an error what is sent goes nowhere, but handlers run on to their return.
std::byte* Engine::Append(uint32_t slot, MessageKind kind, size_t bytes) {
  return outbox_.Append(slot, context_.index_, static_cast<uint32_t>(kind) << 25, bytes);
}

std::byte* Engine::AppendChecked(uint32_t slot, MessageKind kind, size_t bytes,
                                 std::string_view what) {
  if (bytes > message_bytes_max_) [[unlikely]] {
    ServiceFailed(std::string(what) + " to " + state_.destinations[slot] + " has " +
                  std::to_string(bytes) + " bytes; the limit for a message is " +
                  std::to_string(message_bytes_max_) +
                  " (Context::message_bytes_max): send it in parts");
  }
  return ok() ? Append(slot, kind, bytes) : nullptr;
}

void Engine::UpdateNextDue() {
  context_.next_due_ = state_.timers.empty() ? UINT64_MAX : state_.timers.begin()->first.first;
}

// Fires what is due at context_.time_, except timers that are set meanwhile: those wait for the
// next input, so that a timer that sets itself anew cannot keep an input from beginning.
void Engine::FireTimers() {
  const uint64_t newest = state_.timers_set;
  const Source* source = std::exchange(context_.source_, &state_.sources[0]);
  auto at = state_.timers.begin();
  while (ok() && at != state_.timers.end() && at->first.first <= context_.time_) {
    if (at->first.second > newest) {
      ++at;
      continue;
    }
    const Replicated::Due due = at->first;
    const Replicated::Timer timer = std::move(at->second);
    state_.timers.erase(at);
    state_.timer_due.erase(due.second);
    if (timer.handler == kFailedCallTimer) {
      FinishFailedCall(timer.context);
    } else if (!handlers_.timers[timer.handler].target->Invoke(context_, timer.context)) {
      ServiceFailed("the context of a timer does not parse for its handler '" +
                    handlers_.timers[timer.handler].name + "'");
    }
    at = state_.timers.upper_bound(due);
    // A handler may have set one that is due earlier than this one was; it is newer than `newest`
    // all the same.
  }
  UpdateNextDue();
  context_.source_ = source;
}

}  // namespace internal

uint64_t Context::random() { return engine_.Draw(); }

uint64_t Context::random(uint64_t bound) {
  // Multiply and keep the upper half; draws that would favour some values are repeated.
  const uint64_t threshold = -bound % bound;
  for (;;) {
    const auto product = static_cast<unsigned __int128>(random()) * bound;
    if (static_cast<uint64_t>(product) >= threshold) return static_cast<uint64_t>(product >> 64);
  }
}

const std::string& Context::immortal() const { return engine_.name_; }
uint32_t Context::message_bytes_max() const { return engine_.message_bytes_max_; }
bool Context::replaying() const { return !engine_.live_index_.has_value(); }

const std::string& Context::configuration(std::string_view key) const {
  static const std::string kNone;
  const auto found = engine_.state_.configuration.find(key);
  return found == engine_.state_.configuration.end() ? kNone : found->second;
}

void Context::Send(const Destination& to, std::span<const std::byte> body) {
  std::byte* at =
      engine_.AppendChecked(engine_.SlotOf(to), MessageKind::kRaw, body.size(), "a raw message");
  if (at != nullptr && !body.empty()) std::memcpy(at, body.data(), body.size());
}

void Context::Send(const Source& to, std::span<const std::byte> body) {
  const uint32_t slot = engine_.SlotOf(to);
  std::byte* at = engine_.AppendChecked(slot, MessageKind::kRaw, body.size(), "a raw message");
  if (at != nullptr && !body.empty()) std::memcpy(at, body.data(), body.size());
}

TimerId Context::SetTimer(Time due, uint32_t timer_handler, std::string context) {
  const uint64_t id = ++engine_.state_.timers_set;
  const auto nanoseconds = std::max<int64_t>(due.time_since_epoch().count(), 1);
  engine_.state_.timers[{static_cast<uint64_t>(nanoseconds), id}] = {timer_handler,
                                                                     std::move(context)};
  engine_.state_.timer_due[id] = static_cast<uint64_t>(nanoseconds);
  engine_.UpdateNextDue();
  return TimerId{id};
}

bool Context::CancelTimer(TimerId id) {
  const auto found = engine_.state_.timer_due.find(static_cast<uint64_t>(id));
  if (found == engine_.state_.timer_due.end()) return false;
  engine_.state_.timers.erase({found->second, found->first});
  engine_.state_.timer_due.erase(found);
  engine_.UpdateNextDue();
  return true;
}

void Context::AfterCommit(std::function<void()> f) {
  if (engine_.live()) engine_.after_commit_.emplace_back(index_, std::move(f));
}

void Context::Fail(std::string_view text) { engine_.ServiceFailed(std::string(text)); }

bool Context::FireTimers() {
  engine_.FireTimers();
  return engine_.ok();
}

bool Messages::SkipExtension(uint32_t header, const std::byte*& at) const {
  constexpr uint32_t kExtension = 1u << 28;
  if ((header & ~(kExtension - 1)) != kExtension || end_ - at < 2) return false;
  const size_t bytes = LoadLittle<uint16_t>(at);
  if (static_cast<size_t>(end_ - at) < 2 + bytes) return false;
  at += 2 + bytes;
  return true;
}

}  // namespace semper
