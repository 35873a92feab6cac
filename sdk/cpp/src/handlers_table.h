// Handlers: what a Service has registered, by id and by name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "semper/handlers.h"

namespace semper::internal {

// The timer "handler" that ends a call which could not be sent; its context is written by
// Engine::CallMethod.
inline constexpr uint32_t kFailedCallTimer = 0;
inline constexpr char kFailedCallTimerName[] = "semper.call-failed";

struct Handlers {
  struct Reply {
    std::string name;
    std::unique_ptr<ReplyTarget> target;
  };
  struct Timer {
    std::string name;
    std::unique_ptr<TimerTarget> target;  // null for kFailedCallTimer
  };
  std::vector<std::string> services;
  std::unordered_map<uint32_t, std::unique_ptr<Method>> methods;
  std::vector<Reply> replies;
  std::vector<Timer> timers;
};

}  // namespace semper::internal
