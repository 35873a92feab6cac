#include "semper/service.h"

#include <cstdio>
#include <cstdlib>

#include "sdk/cpp/src/engine.h"
#include "sdk/cpp/src/handlers_table.h"

namespace semper {

namespace {

// A mistake in the service's own code, found while it is being made.
[[noreturn]] void DieOfDuplicate(const char* what, std::string_view name) {
  std::fprintf(stderr,
               "semper: the service registers two %s of the name '%.*s'; names must differ\n", what,
               static_cast<int>(name.size()), name.data());
  std::abort();
}

template <typename Entries, typename Target>
uint32_t AddEntry(Entries& entries, const char* what, std::string_view name,
                  std::unique_ptr<Target> target) {
  for (const auto& entry : entries) {
    if (entry.name == name) DieOfDuplicate(what, name);
  }
  entries.push_back({std::string(name), std::move(target)});
  return static_cast<uint32_t>(entries.size() - 1);
}

}  // namespace

Service::Service() : handlers_(std::make_unique<internal::Handlers>()) {
  handlers_->timers.push_back({internal::kFailedCallTimerName, nullptr});
}

Service::~Service() = default;

std::string Service::service_name() const {
  std::string names;
  for (const std::string& name : handlers_->services) names += (names.empty() ? "" : "+") + name;
  return names.empty() ? "raw" : names;
}

void Service::OnStart(Context&, const StartInfo&) {}

void Service::OnMessage(Context& context, const Source& source, std::span<const std::byte> body) {
  internal::Engine::Of(context).Warn("a raw message of " + std::to_string(body.size()) +
                                     " bytes from " + source.name +
                                     " is dropped: the service has no OnMessage");
}

void Service::OnImpulse(Context& context, std::span<const std::byte> body) {
  internal::Engine::Of(context).Warn("a raw impulse of " + std::to_string(body.size()) +
                                     " bytes is dropped: the service has no OnImpulse");
}

void Service::OnMessages(Context& context, const Source& source, Messages& messages) {
  internal::Engine& engine = internal::Engine::Of(context);
  Message message;
  if (source.slot == 0) {
    while (messages.Next(message)) engine.Dispatch(source, message);
    return;
  }
  while (messages.Next(message)) {
    if (message.kind == MessageKind::kRaw) {
      OnMessage(context, source, message.body);
    } else {
      engine.Dispatch(source, message);
    }
  }
}

void Service::OnLive(const Impulses&) {}

void Service::Dispatch(Context& context, const Source& source, const Message& message) {
  internal::Engine::Of(context).Dispatch(source, message);
}

void Service::AddService(std::string_view full_name) {
  handlers_->services.emplace_back(full_name);
}

void Service::AddMethod(std::unique_ptr<internal::Method> method) {
  const uint32_t id = method->id();
  const std::string name = method->name();
  const auto [found, is_new] = handlers_->methods.try_emplace(id, std::move(method));
  if (is_new) return;
  std::fprintf(stderr, "semper: the methods %s and %s have the same id %#x; rename one of them\n",
               found->second->name().c_str(), name.c_str(), id);
  std::abort();
}

uint32_t Service::AddReply(std::string_view name, std::unique_ptr<internal::ReplyTarget> target) {
  return AddEntry(handlers_->replies, "reply handlers", name, std::move(target));
}

uint32_t Service::AddTimer(std::string_view name, std::unique_ptr<internal::TimerTarget> target) {
  return AddEntry(handlers_->timers, "timer handlers", name, std::move(target));
}

}  // namespace semper
