// LedgerState: all that a ledger remembers; the final state that the checker reads. Ids stand in
// the order in which the operations took effect.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/campaign/operation.h"

namespace campaign {

using Ids = std::vector<uint64_t>;

struct LedgerState {
  LedgerState() { accounts.fill(kOpeningBalance); }

  std::array<uint64_t, kPlaces> counters{};
  std::array<int64_t, kPlaces> accounts;
  std::array<Ids, kPlaces> lists;
  Ids local;                             // transfers within the immortal
  std::array<Ids, kImmortals> sent;      // transfers to another immortal
  std::array<Ids, kImmortals> settled;   // those of them that were answered
  std::array<Ids, kImmortals> received;  // deposits from another immortal
  uint64_t errors = 0;                   // answers that were errors
  bool operator==(const LedgerState&) const = default;

  uint64_t Unsettled() const;
};

// One line for each counter, account, list and journal, beginning with its name; at the end "end".
std::string FormatState(const LedgerState& state);
// INVALID_ARGUMENT names the line that is not right, or says that the end is missing.
absl::StatusOr<LedgerState> ParseState(std::string_view text);

// The names and lines of two states that differ, at most `most` of them, for people.
std::string DescribeDifference(const LedgerState& a, const LedgerState& b, size_t most = 3);

}  // namespace campaign
