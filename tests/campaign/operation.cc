#include "tests/campaign/operation.h"

#include <fmt/format.h>

#include <cstdio>

namespace campaign {

std::string ImmortalName(uint32_t immortal) {
  return std::string("campaign/") + static_cast<char>('a' + immortal);
}

std::string FormatOperation(const Operation& operation) {
  return fmt::format("{} {} {} {} {} {} {}", operation.id, static_cast<char>(operation.kind),
                     operation.immortal, operation.place, operation.to_immortal, operation.to_place,
                     operation.amount);
}

std::optional<Operation> ParseOperation(std::string_view line) {
  Operation operation;
  unsigned long id = 0;
  char kind = 0;
  long amount = 0;
  char rest = 0;
  if (std::sscanf(std::string(line).c_str(), "%lu %c %u %u %u %u %ld%c", &id, &kind,
                  &operation.immortal, &operation.place, &operation.to_immortal,
                  &operation.to_place, &amount, &rest) != 7) {
    return std::nullopt;
  }
  operation.id = id;
  operation.kind = static_cast<Kind>(kind);
  operation.amount = amount;
  const bool known = std::string_view("aptqr").find(kind) != std::string_view::npos;
  if (!known || operation.immortal >= kImmortals || operation.to_immortal >= kImmortals ||
      operation.place >= kPlaces || operation.to_place >= kPlaces) {
    return std::nullopt;
  }
  return operation;
}

std::string FormatAnswer(const Answer& answer) {
  const char fate = static_cast<char>(answer.fate);
  if (answer.fate != Fate::kOk) return fmt::format("{} {}", fate, answer.id);
  return fmt::format("{} {} {} {}", fate, answer.id, answer.first, answer.second);
}

std::optional<Answer> ParseAnswer(std::string_view line) {
  char fate = 0;
  unsigned long id = 0, first = 0, second = 0;
  const int fields =
      std::sscanf(std::string(line).c_str(), "%c %lu %lu %lu", &fate, &id, &first, &second);
  const bool ok = fate == 'o' && fields == 4;
  const bool other = (fate == 'r' || fate == 'u') && fields == 2;
  if (!ok && !other) return std::nullopt;
  return Answer{static_cast<Fate>(fate), id, first, second};
}

}  // namespace campaign
