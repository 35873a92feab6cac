// Operation: what clients ask of the ledgers, and the lines in which they do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace campaign {

// Immortals are "campaign/a", "campaign/b", …; places are numbers of counters, accounts, lists.
inline constexpr uint32_t kImmortals = 3;
inline constexpr uint32_t kPlaces = 16;
inline constexpr int64_t kOpeningBalance = 1000;

std::string ImmortalName(uint32_t immortal);  // "campaign/a"

enum class Kind : char {
  kAdd = 'a',       // counter `place` up by one; result: its value
  kAppend = 'p',    // the id to list `place`; result: its position, from 1
  kTransfer = 't',  // `amount` from account `place` to `to_place` of `to_immortal`; result: the
                    // position in the payer's journal, and for another immortal in the receiver's
  kQuery = 'q',     // result: transfers that wait for the other immortal's answer
  kReport = 'r',    // each copy of the service writes its state to a file; result as kQuery
};

struct Operation {
  uint64_t id = 0;  // never used twice
  Kind kind = Kind::kQuery;
  uint32_t immortal = 0;  // whom it is for
  uint32_t place = 0;
  uint32_t to_immortal = 0;
  uint32_t to_place = 0;
  int64_t amount = 0;
  bool operator==(const Operation&) const = default;
};

// One line without its end: "<id> <kind> <immortal> <place> <to_immortal> <to_place> <amount>".
std::string FormatOperation(const Operation& operation);
std::optional<Operation> ParseOperation(std::string_view line);  // also checks all ranges

// What a client is told, or sees by itself.
enum class Fate : char {
  kOk = 'o',
  kRefused = 'r',  // it did not and will not take effect
  kUnknown = 'u',  // it did, or did not, or will
};

// The lines that answer: "o <id> <first> <second>", "r <id>", "u <id>".
struct Answer {
  Fate fate = Fate::kUnknown;
  uint64_t id = 0;
  uint64_t first = 0;
  uint64_t second = 0;
};
std::string FormatAnswer(const Answer& answer);
std::optional<Answer> ParseAnswer(std::string_view line);

}  // namespace campaign
