// Typed messages: calls, one-way calls, replies, errors.
#include <cstring>

#include "sdk/cpp/src/engine.h"
#include "sdk/cpp/src/serialize.h"

namespace semper {

namespace internal {

namespace {

constexpr size_t kCallPrefix = 12;   // call id, method id
constexpr size_t kOneWayPrefix = 4;  // method id
constexpr size_t kReplyPrefix = 8;   // call id
constexpr size_t kErrorPrefix = 12;  // call id, code
constexpr size_t kErrorTextMax = 16384;

std::string HexId(uint32_t id) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "0x";
  for (int shift = 28; shift >= 0; shift -= 4) text += kDigits[(id >> shift) & 15];
  return text;
}

}  // namespace

void Engine::Warn(const std::string& text) {
  // The first ones, then ever fewer: what is dropped may be dropped a million times a second.
  ++warnings_;
  if (warnings_ <= 10 || (warnings_ & (warnings_ - 1)) == 0) {
    port_.Warn("input " + std::to_string(context_.index_) + ": " + text + " (warning " +
               std::to_string(warnings_) + ")");
  }
}

void Engine::Dispatch(const Source& source, const Message& message) {
  if (!ok()) return;
  context_.source_ = &source;
  switch (message.kind) {
    case MessageKind::kRaw:
      if (source.slot == 0) {
        service_->OnImpulse(context_, message.body);
      } else {
        service_->OnMessage(context_, source, message.body);
      }
      return;
    case MessageKind::kCall:
      return DispatchCall(source, message.body);
    case MessageKind::kOneWay:
      return DispatchOneWay(source, message.body);
    case MessageKind::kReply:
    case MessageKind::kErrorReply:
      return DispatchReply(source, message);
  }
  Warn("a message of the unknown kind " + std::to_string(static_cast<int>(message.kind)) +
       " from '" + source.name + "' is dropped");
}

void Engine::DispatchCall(const Source& source, std::span<const std::byte> body) {
  if (body.size() < kCallPrefix || source.slot == 0) {
    return Warn("a call from '" + source.name + "' is dropped: it is no call, or an impulse");
  }
  caller_ = {source.slot, LoadLittle<uint64_t>(body.data())};
  answered_ = false;
  const Caller caller = caller_;
  const auto id = LoadLittle<uint32_t>(body.data() + 8);
  const auto found = handlers_.methods.find(id);
  if (found == handlers_.methods.end() || found->second->one_way()) {
    context_.ReplyError(
        caller, Status(Code::kUnimplemented,
                       name_ + " has no method with the id " + HexId(id) +
                           (found == handlers_.methods.end()
                                ? std::string()
                                : " that answers: " + found->second->name() + " is one-way")));
  } else {
    method_ = found->second.get();
    if (!found->second->Invoke(context_, caller, body.subspan(kCallPrefix))) {
      context_.ReplyError(caller,
                          Status(Code::kInvalidArgument,
                                 "the request of " + found->second->name() + " does not parse (" +
                                     std::to_string(body.size() - kCallPrefix) + " bytes)"));
    } else if (!answered_) {
      ServiceFailed("the handler of " + found->second->name() +
                    " returned Deferred() and did not call Context::DeferReply: its caller would "
                    "wait for ever");
    }
  }
  caller_ = Caller();
  method_ = nullptr;
}

void Engine::DispatchOneWay(const Source& source, std::span<const std::byte> body) {
  const auto found = body.size() < kOneWayPrefix
                         ? handlers_.methods.end()
                         : handlers_.methods.find(LoadLittle<uint32_t>(body.data()));
  if (found == handlers_.methods.end()) {
    return Warn(
        "a one-way call from '" + source.name + "' is dropped: there is no method with the id " +
        (body.size() < kOneWayPrefix ? "(none)" : HexId(LoadLittle<uint32_t>(body.data()))));
  }
  method_ = found->second.get();
  if (!found->second->Invoke(context_, Caller(), body.subspan(kOneWayPrefix))) {
    Warn("a one-way call from '" + source.name + "' is dropped: its request of " + method_->name() +
         " does not parse (" + std::to_string(body.size() - kOneWayPrefix) + " bytes)");
  }
  method_ = nullptr;
}

void Engine::DispatchReply(const Source& source, const Message& message) {
  const size_t prefix = message.kind == MessageKind::kReply ? kReplyPrefix : kErrorPrefix;
  if (message.body.size() < prefix)
    return Warn("a reply from '" + source.name + "' is dropped: it is too short");
  const auto call_id = LoadLittle<uint64_t>(message.body.data());
  const auto found = state_.calls.find(call_id);
  if (found == state_.calls.end() ||
      state_.destinations[found->second.destination_slot] != source.name) {
    return Warn("a reply from '" + source.name + "' is dropped: no call " +
                std::to_string(call_id) + " waits for one from there");
  }
  const std::span<const std::byte> rest = message.body.subspan(prefix);
  if (message.kind == MessageKind::kReply) return FinishCall(call_id, Status(), rest);
  auto code = static_cast<Code>(LoadLittle<uint32_t>(message.body.data() + 8));
  if (code == Code::kOk) code = Code::kUnknown;
  FinishCall(call_id, Status(code, AsText(rest)), {});
}

void Engine::FinishCall(uint64_t call_id, const Status& error, std::span<const std::byte> reply) {
  const auto found = state_.calls.find(call_id);
  if (found == state_.calls.end()) return;
  const Replicated::Call call = std::move(found->second);
  state_.calls.erase(found);
  Handlers::Reply& handler = handlers_.replies[call.handler];
  if (handler.target->Invoke(context_, error, reply, call.context)) return;
  const Status unreadable(Code::kInternal, "the reply of " + state_.method_names[call.method_id] +
                                               " does not parse (" + std::to_string(reply.size()) +
                                               " bytes)");
  if (!error.ok() || !handler.target->Invoke(context_, unreadable, {}, call.context)) {
    ServiceFailed("the context of a call to " + state_.method_names[call.method_id] +
                  " does not parse for its handler '" + handler.name + "'");
  }
}

// A call that could not be sent ends like one that was answered with an error: as a later event, by
// a timer that is due at once. Context: call id (8), text.
void Engine::FinishFailedCall(std::string_view timer_context) {
  if (timer_context.size() < 8) return;
  FinishCall(LoadLittle<uint64_t>(timer_context.data()),
             Status(Code::kResourceExhausted, timer_context.substr(8)), {});
}

}  // namespace internal

void Context::CallMethod(const Destination& to, uint32_t method_id, std::string_view method_name,
                         const google::protobuf::MessageLite& request, uint32_t reply_handler,
                         std::string context) {
  internal::Replicated& state = engine_.state_;
  const uint32_t slot = engine_.SlotOf(to);
  const uint64_t id = ++state.calls_made;
  const auto [name, is_new] = state.method_names.try_emplace(method_id);
  if (is_new) name->second = method_name;
  state.calls[id] = {slot, method_id, reply_handler, std::move(context)};

  const size_t bytes = internal::kCallPrefix + request.ByteSizeLong();
  if (bytes > engine_.message_bytes_max_) {
    std::string error(8, '\0');
    StoreLittle(error.data(), id);
    error += "the request of " + std::string(method_name) + " to " + state.destinations[slot] +
             " has " + std::to_string(bytes) + " bytes; the limit for a message is " +
             std::to_string(engine_.message_bytes_max_);
    SetTimer(now(), internal::kFailedCallTimer, std::move(error));
    return;
  }
  std::byte* at = engine_.Append(slot, MessageKind::kCall, bytes);
  StoreLittle(at, id);
  StoreLittle(at + 8, method_id);
  internal::SerializeTo(request, at + internal::kCallPrefix, bytes - internal::kCallPrefix);
}

void Context::SendOneWay(const Destination& to, uint32_t method_id, std::string_view method_name,
                         const google::protobuf::MessageLite& request) {
  const uint32_t slot = engine_.SlotOf(to);
  const size_t bytes = internal::kOneWayPrefix + request.ByteSizeLong();
  std::byte* at = bytes <= engine_.message_bytes_max_
                      ? engine_.Append(slot, MessageKind::kOneWay, bytes)
                      : engine_.AppendChecked(slot, MessageKind::kOneWay, bytes,
                                              "a one-way call of " + std::string(method_name));
  if (at == nullptr) return;
  StoreLittle(at, method_id);
  internal::SerializeTo(request, at + internal::kOneWayPrefix, bytes - internal::kOneWayPrefix);
}

Caller Context::DeferReply() {
  engine_.answered_ = true;
  return engine_.caller_;
}

void Context::ReplyMessage(const Caller& caller, const google::protobuf::MessageLite& answer) {
  if (caller == engine_.caller_) engine_.answered_ = true;
  if (caller.source_slot == 0) return;  // nobody waits
  const size_t bytes = internal::kReplyPrefix + answer.ByteSizeLong();
  if (bytes > engine_.message_bytes_max_) {
    const std::string what =
        engine_.method_ == nullptr ? answer.GetTypeName() : engine_.method_->name();
    return ReplyError(caller, Status(Code::kResourceExhausted,
                                     "the reply of " + what + " has " + std::to_string(bytes) +
                                         " bytes; the limit for a message is " +
                                         std::to_string(engine_.message_bytes_max_)));
  }
  if (caller.source_slot >= engine_.state_.sources.size())
    return Fail("a Caller names a source that is not known");
  std::byte* at = engine_.Append(engine_.SlotOf(engine_.state_.sources[caller.source_slot]),
                                 MessageKind::kReply, bytes);
  StoreLittle(at, caller.call_id);
  internal::SerializeTo(answer, at + internal::kReplyPrefix, bytes - internal::kReplyPrefix);
}

void Context::ReplyError(const Caller& caller, const Status& error) {
  if (caller == engine_.caller_) engine_.answered_ = true;
  if (caller.source_slot == 0) return;
  if (caller.source_slot >= engine_.state_.sources.size())
    return Fail("a Caller names a source that is not known");
  const std::string_view text =
      std::string_view(error.message()).substr(0, internal::kErrorTextMax);
  std::byte* at = engine_.Append(engine_.SlotOf(engine_.state_.sources[caller.source_slot]),
                                 MessageKind::kErrorReply, internal::kErrorPrefix + text.size());
  StoreLittle(at, caller.call_id);
  StoreLittle(at + 8, static_cast<uint32_t>(error.code()));
  if (!text.empty()) std::memcpy(at + internal::kErrorPrefix, text.data(), text.size());
}

}  // namespace semper
