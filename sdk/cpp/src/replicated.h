// Replicated: the SDK's own state, a function of the log like the service's, and part of every
// checkpoint before it (docs/formats/service-state.md).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sdk/cpp/src/handlers_table.h"
#include "semper/context.h"
#include "semper/state.h"
#include "semper/status.h"

namespace semper::internal {

struct Replicated {
  struct Call {
    uint32_t destination_slot = 0;
    uint32_t method_id = 0;
    uint32_t handler = 0;  // index into Handlers::replies
    std::string context;
  };
  struct Timer {
    uint32_t handler = 0;  // index into Handlers::timers
    std::string context;
  };
  using Due = std::pair<uint64_t, uint64_t>;  // nanoseconds since 1970, timer id

  uint64_t index = 0;  // last input that is finished
  uint64_t time = 0;   // its logged time
  uint64_t message_bytes_max = 0;
  std::map<std::string, std::string, std::less<>> configuration;

  std::deque<Source> sources{1};             // by slot; 0 is the service's own edge
  std::vector<std::string> destinations{1};  // by slot; 0 stays unused
  std::unordered_map<std::string, uint32_t> destination_slots;

  uint64_t calls_made = 0;
  std::unordered_map<uint64_t, Call> calls;  // by call id
  std::unordered_map<uint32_t, std::string>
      method_names;  // of calls; by method id, for error texts

  uint64_t timers_set = 0;
  std::map<Due, Timer> timers;
  std::unordered_map<uint64_t, uint64_t> timer_due;  // by timer id
};

void SaveReplicated(const Replicated& state, const Handlers& handlers, StateWriter& writer);

// Into a fresh `state`. FAILED_PRECONDITION if a call or timer waits under a handler name that
// nobody registered; DATA_LOSS if it does not read.
Status LoadReplicated(Replicated& state, const Handlers& handlers, StateReader& reader);

}  // namespace semper::internal
