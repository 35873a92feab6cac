// Service: the application's part of an immortal. Its state is a function of the inputs that it was
// given.
//
// A handler must be deterministic: it reads its input, its state and its Context, and nothing else
// (no clock, random device, thread, file, unordered iteration over pointers). Everything runs on
// one thread. An exception that leaves a handler is like Context::Fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "semper/context.h"
#include "semper/export.h"
#include "semper/impulses.h"
#include "semper/state.h"
#include "semper/status.h"

namespace semper {

namespace internal {
class Method;
class ReplyTarget;
class TimerTarget;
struct Handlers;
}  // namespace internal

// Index 1 of every log.
struct StartInfo {
  std::string service_name;
  uint32_t service_version = 0;
  std::map<std::string, std::string> configuration;
};

// Made afresh for every connection to the coordinator, then given the whole history: a state or
// nothing, and all inputs after it. Classes that protoc-gen-semper makes of a .proto service derive
// from it (virtually: one object may serve several); derive from it directly for raw messages.
class SEMPER_EXPORT Service {
 public:
  Service();
  virtual ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // The state, after all inputs so far and without side effects; and back, into a fresh object.
  // `version` is what version() was when it was saved, minimum_version() <= version <= version().
  virtual void Save(StateWriter& writer) const = 0;
  virtual Status Load(StateReader& reader, uint32_t version) = 0;
  virtual uint32_t version() const { return 1; }
  virtual uint32_t minimum_version() const { return 1; }

  // What it calls itself towards the coordinator; by default the .proto service's full name.
  virtual std::string service_name() const;

  // The first input of all.
  virtual void OnStart(Context& context, const StartInfo& start);

  // A raw message of another immortal; `body` is valid until the return. By default dropped with a
  // line on stderr.
  virtual void OnMessage(Context& context, const Source& source, std::span<const std::byte> body);

  // A raw impulse. By default dropped with a line on stderr.
  virtual void OnImpulse(Context& context, std::span<const std::byte> body);

  // A frame of messages or impulses (source.slot 0). Override it only to own the loop: call
  // messages.Next until it returns false, and give what is not MessageKind::kRaw to Dispatch. By
  // default Dispatch of each.
  virtual void OnMessages(Context& context, const Source& source, Messages& messages);

  // Not an input: from now on inputs are new, and impulses are taken. The place to start the
  // threads of the edge; the state may be read, not changed. Once in the object's life.
  virtual void OnLive(const Impulses& impulses);

  // The ordinary way of one message: to its method, its reply handler, OnMessage or OnImpulse.
  void Dispatch(Context& context, const Source& source, const Message& message);

  // For generated code and handlers.h. Names are unique within a service; a second one aborts.
  void AddService(std::string_view full_name);
  void AddMethod(std::unique_ptr<internal::Method> method);
  uint32_t AddReply(std::string_view name, std::unique_ptr<internal::ReplyTarget> target);
  uint32_t AddTimer(std::string_view name, std::unique_ptr<internal::TimerTarget> target);

 private:
  friend class internal::Engine;
  std::unique_ptr<internal::Handlers> handlers_;
};

// Makes the service; called once per connection.
using ServiceFactory = std::function<std::unique_ptr<Service>()>;

}  // namespace semper
