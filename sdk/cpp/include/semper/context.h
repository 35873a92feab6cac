// Context: what a handler may know and do. Everything that it says is a function of the log, so a
// replay repeats it exactly.
#pragma once

#include <google/protobuf/message_lite.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "semper/export.h"
#include "semper/status.h"

namespace semper {

class Context;
namespace internal {
class Engine;
}

// Logged time: set by the coordinator that logged the input. Never goes back.
using Time = std::chrono::sys_time<std::chrono::nanoseconds>;

// Another immortal to send to, by "namespace/name", or by "name" in the sender's own namespace.
// Cheap to use when it is made once (a member of the service) and kept: the first use looks the
// name up. One thread: the service's.
class Destination {
 public:
  explicit Destination(std::string name) : name_(std::move(name)) {}
  const std::string& name() const { return name_; }

 private:
  friend class internal::Engine;
  std::string name_;
  mutable uint64_t owner_ = 0;  // the engine that `slot_` belongs to
  mutable uint32_t slot_ = 0;
};

// Who sent an input. Lives as long as the service; slot 0 is the service's own edge (an impulse, a
// timer).
struct Source {
  uint32_t slot = 0;
  std::string name;                         // "namespace/name"; empty for slot 0
  std::array<std::byte, 16> incarnation{};  // which life of that name
};

// The right to answer a call later: keep it in a call's context or in the state.
struct Caller {
  uint32_t source_slot = 0;  // 0: nobody waits for an answer
  uint64_t call_id = 0;

  SEMPER_EXPORT std::string Pack() const;  // 12 bytes, for a field of a message
  SEMPER_EXPORT static Result<Caller> Unpack(
      std::string_view bytes);  // INVALID_ARGUMENT if it is not one
  bool operator==(const Caller&) const = default;
};

enum class TimerId : uint64_t {};

enum class MessageKind : uint8_t { kRaw = 0, kCall = 1, kOneWay = 2, kReply = 3, kErrorReply = 4 };

// One message of a frame, in place in the read buffer: valid until the next one is asked for.
struct Message {
  MessageKind kind = MessageKind::kRaw;
  std::span<const std::byte> body;
};

// Handed to a handler, and valid only inside of it. One thread: the service's.
class SEMPER_EXPORT Context {
 public:
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  uint64_t index() const { return index_; }  // the input's place in the log, from 1
  Time now() const { return Time(std::chrono::nanoseconds(static_cast<int64_t>(time_))); }
  uint64_t random();  // 64 bits, from the immortal's identity, the index and a counter
  uint64_t random(uint64_t bound);  // evenly in [0, bound); bound > 0
  const Source& source() const { return *source_; }
  const std::string& immortal() const;                           // "namespace/name" of this one
  const std::string& configuration(std::string_view key) const;  // of Start; empty if there is none
  uint32_t message_bytes_max() const;                            // largest body of a message
  bool replaying() const;  // not a function of the log: for log lines and metrics only

  // Sends one raw message (at most message_bytes_max() bytes; more fails the service by Fail).
  // Copies `body`.
  void Send(const Destination& to, std::span<const std::byte> body);
  void Send(const Destination& to, std::string_view body) {
    Send(to, {reinterpret_cast<const std::byte*>(body.data()), body.size()});
  }
  void Send(const Source& to,
            std::span<const std::byte> body);  // to who sent something; not to slot 0
  void Send(const Source& to, std::string_view body) {
    Send(to, {reinterpret_cast<const std::byte*>(body.data()), body.size()});
  }

  // The caller of the current input, to be answered with Reply; its handler then returns
  // Deferred().
  Caller DeferReply();
  template <typename T>
  void Reply(const Caller& caller, const Result<T>& answer) {
    if (answer.ok()) {
      ReplyMessage(caller, answer.value());
    } else {
      ReplyError(caller, answer.status());
    }
  }
  void ReplyMessage(const Caller& caller, const google::protobuf::MessageLite& answer);
  void ReplyError(const Caller& caller, const Status& error);

  // Forgets a timer (see TimerHandler); false if it has fired or was cancelled.
  bool CancelTimer(TimerId id);

  // Runs `f` on the service's thread as soon as this input is committed: the way out to what is not
  // replicated (an answer to a web request). Not kept: after a restart, and during a replay, it is
  // dropped. At most once.
  void AfterCommit(std::function<void()> f);

  // Gives up: this input cannot be processed. The coordinator learns the text and the index, the
  // service starts over.
  void Fail(std::string_view text);

  // For generated code and handlers.h: call and timers by handler name. Use their typed forms.
  void CallMethod(const Destination& to, uint32_t method_id, std::string_view method_name,
                  const google::protobuf::MessageLite& request, uint32_t reply_handler,
                  std::string context);
  void SendOneWay(const Destination& to, uint32_t method_id, std::string_view method_name,
                  const google::protobuf::MessageLite& request);
  TimerId SetTimer(Time due, uint32_t timer_handler, std::string context);

 private:
  friend class internal::Engine;
  friend class Messages;
  explicit Context(internal::Engine& engine) : engine_(engine) {}
  bool FireTimers();  // those due at time_, before the input index_; false if the service failed

  internal::Engine& engine_;
  const Source* source_ = nullptr;
  uint64_t index_ = 0;
  uint64_t time_ = 0;
  uint64_t draws_ = 0;
  uint64_t next_due_ = UINT64_MAX;  // of the earliest timer
};

// The messages of one frame, each an input of its own. Next moves the context on to that input.
class Messages {
 public:
  // The next message; false when there is none. Timers that are due fire in here, before the
  // message.
  bool Next(Message& message) {
    if (left_ == 0) return false;
    const std::byte* at = cursor_;
    if (end_ - at < 4) return Bad();
    uint32_t header;
    std::memcpy(&header, at, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    header = __builtin_bswap32(header);
#endif
    at += 4;
    if (header >> 28 != 0 && !SkipExtension(header, at)) return Bad();
    const uint32_t length = header & 0x1ffffff;
    if (length > static_cast<size_t>(end_ - at)) return Bad();
    cursor_ = at + length;
    --left_;
    ++context_.index_;
    context_.draws_ = 0;
    if (context_.next_due_ <= context_.time_ && !context_.FireTimers()) return false;
    message.kind = static_cast<MessageKind>((header >> 25) & 7);
    message.body = {at, length};
    return true;
  }
  uint32_t left() const { return left_; }

 private:
  friend class internal::Engine;
  Messages(Context& context, std::span<const std::byte> payload, uint32_t count)
      : context_(context),
        cursor_(payload.data()),
        end_(payload.data() + payload.size()),
        left_(count) {}
  SEMPER_EXPORT bool SkipExtension(uint32_t header, const std::byte*& at) const;
  bool Bad() {
    bad_ = true;
    left_ = 0;
    return false;
  }

  Context& context_;
  const std::byte* cursor_;
  const std::byte* end_;
  uint32_t left_;
  bool bad_ = false;
};

}  // namespace semper
