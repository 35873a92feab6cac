// Named handlers: where replies and timers go. The name and a context stand for the rest of the
// computation, so that a checkpoint needs no stack and a crash between a call and its reply loses
// nothing.
//
//   class Orders : public shop::OrdersService {
//     semper::ReplyHandler<ReserveReply, Order> reserved_{this, "reserved", &Orders::Reserved};
//     semper::TimerHandler<Order> expire_{this, "expire", &Orders::Expire};
//     void Reserved(semper::Context&, const semper::Result<ReserveReply>&, const Order& context);
//     void Expire(semper::Context&, const Order& context);
//
// Contexts are protobuf messages or std::string; without one the last parameter falls away. Names
// stand in checkpoints: keep the old ones when a service changes, as long as a call or a timer may
// be pending under them.
#pragma once

#include <google/protobuf/message_lite.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "semper/context.h"
#include "semper/service.h"
#include "semper/status.h"

namespace semper {

namespace internal {

using Bytes = std::span<const std::byte>;

// A method of the service. Invoke parses, calls the handler, and answers; false if `request` does
// not parse.
class Method {
 public:
  Method(uint32_t id, std::string_view name, bool one_way)
      : id_(id), name_(name), one_way_(one_way) {}
  virtual ~Method() = default;
  virtual bool Invoke(Context& context, const Caller& caller, Bytes request) = 0;

  uint32_t id() const { return id_; }
  const std::string& name() const { return name_; }
  bool one_way() const { return one_way_; }

 private:
  const uint32_t id_;
  const std::string name_;
  const bool one_way_;
};

// Where replies go. `error` is OK for a reply. False if reply or context does not parse.
class ReplyTarget {
 public:
  virtual ~ReplyTarget() = default;
  virtual bool Invoke(Context& context, const Status& error, Bytes reply,
                      std::string_view reply_context) = 0;
};

// Where timers go. False if the context does not parse.
class TimerTarget {
 public:
  virtual ~TimerTarget() = default;
  virtual bool Invoke(Context& context, std::string_view timer_context) = 0;
};

inline bool Parse(google::protobuf::MessageLite& to, Bytes from) {
  return to.ParseFromArray(from.data(), static_cast<int>(from.size()));
}

template <typename C>
std::string PackContext(const C& context) {
  if constexpr (std::is_same_v<C, std::string>) {
    return context;
  } else {
    return Serialize(context);
  }
}

template <typename C>
bool UnpackContext(C& to, std::string_view from) {
  if constexpr (std::is_same_v<C, std::string>) {
    to = from;
    return true;
  } else {
    return to.ParseFromArray(from.data(), static_cast<int>(from.size()));
  }
}

// Handler: Result<Reply>(Context&, const Request&). The request object is kept for its memory.
template <typename Request, typename Reply, typename Handler>
class CallMethod final : public Method {
 public:
  CallMethod(uint32_t id, std::string_view name, Handler handler)
      : Method(id, name, false), handler_(std::move(handler)) {}
  bool Invoke(Context& context, const Caller& caller, Bytes request) override {
    if (!Parse(request_, request)) return false;
    const Result<Reply> answer = handler_(context, static_cast<const Request&>(request_));
    if (!answer.deferred()) context.Reply(caller, answer);
    return true;
  }

 private:
  Handler handler_;
  Request request_;
};

// Handler: void(Context&, const Request&).
template <typename Request, typename Handler>
class OneWayMethod final : public Method {
 public:
  OneWayMethod(uint32_t id, std::string_view name, Handler handler)
      : Method(id, name, true), handler_(std::move(handler)) {}
  bool Invoke(Context& context, const Caller&, Bytes request) override {
    if (!Parse(request_, request)) return false;
    handler_(context, static_cast<const Request&>(request_));
    return true;
  }

 private:
  Handler handler_;
  Request request_;
};

template <typename Request, typename Reply, typename Handler>
std::unique_ptr<Method> MakeCall(uint32_t id, std::string_view name, Handler handler) {
  return std::make_unique<CallMethod<Request, Reply, Handler>>(id, name, std::move(handler));
}
template <typename Request, typename Handler>
std::unique_ptr<Method> MakeOneWay(uint32_t id, std::string_view name, Handler handler) {
  return std::make_unique<OneWayMethod<Request, Handler>>(id, name, std::move(handler));
}

template <typename Reply, typename C, typename Function>
class TypedReplyTarget final : public ReplyTarget {
 public:
  explicit TypedReplyTarget(Function function) : function_(std::move(function)) {}
  bool Invoke(Context& context, const Status& error, Bytes reply,
              std::string_view reply_context) override {
    Result<Reply> result = error.ok() ? Result<Reply>(Reply()) : Result<Reply>(error);
    if (error.ok() && !Parse(*result, reply)) return false;
    if constexpr (std::is_void_v<C>) {
      function_(context, result);
    } else {
      C unpacked;
      if (!UnpackContext(unpacked, reply_context)) return false;
      function_(context, result, unpacked);
    }
    return true;
  }

 private:
  Function function_;
};

template <typename C, typename Function>
class TypedTimerTarget final : public TimerTarget {
 public:
  explicit TypedTimerTarget(Function function) : function_(std::move(function)) {}
  bool Invoke(Context& context, std::string_view timer_context) override {
    if constexpr (std::is_void_v<C>) {
      function_(context);
    } else {
      C unpacked;
      if (!UnpackContext(unpacked, timer_context)) return false;
      function_(context, unpacked);
    }
    return true;
  }

 private:
  Function function_;
};

}  // namespace internal

// A named place for replies of type Reply. A member of its service; generated clients take it.
template <typename Reply, typename C = void>
class ReplyHandler {
 public:
  template <typename S, typename H>
  ReplyHandler(S* service, std::string_view name,
               void (H::*handler)(Context&, const Result<Reply>&, const C&)) {
    auto call = [target = static_cast<H*>(service), handler](
                    Context& context, const Result<Reply>& reply, const C& reply_context) {
      (target->*handler)(context, reply, reply_context);
    };
    id_ = service->AddReply(
        name,
        std::make_unique<internal::TypedReplyTarget<Reply, C, decltype(call)>>(std::move(call)));
  }
  uint32_t id() const { return id_; }

 private:
  uint32_t id_ = 0;
};

template <typename Reply>
class ReplyHandler<Reply, void> {
 public:
  template <typename S, typename H>
  ReplyHandler(S* service, std::string_view name,
               void (H::*handler)(Context&, const Result<Reply>&)) {
    auto call = [target = static_cast<H*>(service), handler](Context& context,
                                                             const Result<Reply>& reply) {
      (target->*handler)(context, reply);
    };
    id_ = service->AddReply(
        name,
        std::make_unique<internal::TypedReplyTarget<Reply, void, decltype(call)>>(std::move(call)));
  }
  uint32_t id() const { return id_; }

 private:
  uint32_t id_ = 0;
};

// A named place for timers. A timer fires before the first input whose logged time has reached its
// due time; the coordinator makes one (a tick) when there is no other. Timers due at once fire by
// due time, then in order of setting.
template <typename C = void>
class TimerHandler {
 public:
  template <typename S, typename H>
  TimerHandler(S* service, std::string_view name, void (H::*handler)(Context&, const C&)) {
    auto call = [target = static_cast<H*>(service), handler](Context& context,
                                                             const C& timer_context) {
      (target->*handler)(context, timer_context);
    };
    id_ = service->AddTimer(
        name, std::make_unique<internal::TypedTimerTarget<C, decltype(call)>>(std::move(call)));
  }
  TimerId At(Context& context, Time due, const C& timer_context) const {
    return context.SetTimer(due, id_, internal::PackContext(timer_context));
  }
  TimerId After(Context& context, std::chrono::nanoseconds delay, const C& timer_context) const {
    return At(context, context.now() + delay, timer_context);
  }

 private:
  uint32_t id_ = 0;
};

template <>
class TimerHandler<void> {
 public:
  template <typename S, typename H>
  TimerHandler(S* service, std::string_view name, void (H::*handler)(Context&)) {
    auto call = [target = static_cast<H*>(service), handler](Context& context) {
      (target->*handler)(context);
    };
    id_ = service->AddTimer(
        name, std::make_unique<internal::TypedTimerTarget<void, decltype(call)>>(std::move(call)));
  }
  TimerId At(Context& context, Time due) const { return context.SetTimer(due, id_, {}); }
  TimerId After(Context& context, std::chrono::nanoseconds delay) const {
    return At(context, context.now() + delay);
  }

 private:
  uint32_t id_ = 0;
};

}  // namespace semper
