// Probe: asks a coordinator on its probe port what it is among its members, as a kubelet would.
#pragma once

#include <chrono>
#include <string>

namespace shop::demo {

enum class Standing {
  kAway,   // does not answer, or could not lead: it starts, joins, takes over or hangs
  kReady,  // follows, and could lead now
  kLeads,
};

struct ProbeAnswer {
  Standing standing = Standing::kAway;
  std::string text;  // as it said, for people; empty: no answer
};

// GET `path` from 127.0.0.1:`port`. Waits for the answer at most that long. Only /readyz has a
// standing.
ProbeAnswer Probe(int port, std::chrono::milliseconds limit, const std::string& path = "/readyz");

}  // namespace shop::demo
