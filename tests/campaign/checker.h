// Check: does what clients were told agree with what the ledgers remember at the end? It knows no
// log, no epoch and no clock but the clients' own.
//
//   lost        an operation that was acknowledged is not in the final state
//   duplicated  an operation took effect more than once
//   diverged    everything else: copies of one immortal that differ, two immortals that disagree
//               about what passed between them, a sum of all accounts that changed, effects of
//               what was refused or never asked, results that no single order explains, an order
//               that contradicts real time
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/campaign/history.h"
#include "tests/campaign/ledger_state.h"

namespace campaign {

// One member's copy at rest, after the same input as its fellows'.
struct Copy {
  std::string member;
  LedgerState state;
};
using FinalStates = std::array<std::vector<Copy>, kImmortals>;

struct Verdict {
  uint64_t operations = 0;  // invoked
  uint64_t ok = 0;
  uint64_t refused = 0;
  uint64_t unknown = 0;

  uint64_t lost = 0;
  uint64_t duplicated = 0;
  uint64_t diverged = 0;
  std::vector<std::string> findings;  // the first ones, for people

  bool clean() const { return lost + duplicated + diverged == 0; }
};

// Histories of all clients in one vector. An immortal without any copy has diverged. Not settled:
// transfers are still on their way, so two immortals are not compared.
Verdict Check(const std::vector<Record>& histories, const FinalStates& states, bool settled = true);

}  // namespace campaign
