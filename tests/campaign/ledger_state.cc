#include "tests/campaign/ledger_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "absl/status/status.h"

namespace campaign {

namespace {

// Calls visit(name, place, ids) for every sequence of ids; State is const or not.
template <typename State, typename Visit>
void ForEachSequence(State& state, Visit visit) {
  for (uint32_t i = 0; i < kPlaces; ++i) visit("list", i, state.lists[i]);
  visit("local", 0u, state.local);
  for (uint32_t i = 0; i < kImmortals; ++i) visit("sent", i, state.sent[i]);
  for (uint32_t i = 0; i < kImmortals; ++i) visit("settled", i, state.settled[i]);
  for (uint32_t i = 0; i < kImmortals; ++i) visit("received", i, state.received[i]);
}

// Takes the next word of a line; empty at its end.
std::string_view NextWord(std::string_view& line) {
  const size_t begin = std::min(line.find_first_not_of(' '), line.size());
  const size_t end = std::min(line.find(' ', begin), line.size());
  const std::string_view word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

template <typename Number>
bool ReadNumber(std::string_view word, Number& number) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  return error == std::errc() && end == word.data() + word.size();
}

bool ReadIds(std::string_view line, Ids& ids) {
  for (std::string_view word = NextWord(line); !word.empty(); word = NextWord(line)) {
    if (!ReadNumber(word, ids.emplace_back())) return false;
  }
  return true;
}

bool ReadLine(std::string_view line, LedgerState& state) {
  const std::string_view name = NextWord(line);
  if (name == "errors") return ReadNumber(NextWord(line), state.errors);
  uint32_t place = 0;
  if (!ReadNumber(NextWord(line), place) || place >= kPlaces) return false;
  if (name == "counter") return ReadNumber(NextWord(line), state.counters[place]);
  if (name == "account") return ReadNumber(NextWord(line), state.accounts[place]);
  bool found = false, right = true;
  ForEachSequence(state, [&](std::string_view sequence, uint32_t at, Ids& ids) {
    if (sequence != name || at != place) return;
    found = true;
    right = ReadIds(line, ids);
  });
  return found && right;
}

}  // namespace

uint64_t LedgerState::Unsettled() const {
  uint64_t unsettled = 0;
  for (uint32_t i = 0; i < kImmortals; ++i) unsettled += sent[i].size() - settled[i].size();
  return unsettled;
}

std::string FormatState(const LedgerState& state) {
  std::string text;
  auto out = std::back_inserter(text);
  for (uint32_t i = 0; i < kPlaces; ++i)
    fmt::format_to(out, "counter {} {}\n", i, state.counters[i]);
  for (uint32_t i = 0; i < kPlaces; ++i)
    fmt::format_to(out, "account {} {}\n", i, state.accounts[i]);
  ForEachSequence(state, [&](std::string_view name, uint32_t place, const Ids& ids) {
    fmt::format_to(out, "{} {}", name, place);
    for (const uint64_t id : ids) fmt::format_to(out, " {}", id);
    text += '\n';
  });
  fmt::format_to(out, "errors {}\nend\n", state.errors);
  return text;
}

absl::StatusOr<LedgerState> ParseState(std::string_view text) {
  LedgerState state;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    const std::string_view line = text.substr(0, end);
    if (line == "end") return state;
    if (!ReadLine(line, state)) {
      return absl::InvalidArgumentError(
          fmt::format("line {} of a ledger's state is not understood: {}", number,
                      line.substr(0, std::min<size_t>(line.size(), 60))));
    }
    text.remove_prefix(end + 1);
  }
  return absl::InvalidArgumentError("a ledger's state has no end: it was not written whole");
}

std::string DescribeDifference(const LedgerState& a, const LedgerState& b, size_t most) {
  std::vector<std::string> found;
  for (uint32_t i = 0; i < kPlaces; ++i) {
    if (a.counters[i] != b.counters[i])
      found.push_back(fmt::format("counter {}: {} and {}", i, a.counters[i], b.counters[i]));
    if (a.accounts[i] != b.accounts[i])
      found.push_back(fmt::format("account {}: {} and {}", i, a.accounts[i], b.accounts[i]));
  }
  std::vector<const Ids*> other;
  ForEachSequence(b, [&](std::string_view, uint32_t, const Ids& ids) { other.push_back(&ids); });
  size_t next = 0;
  ForEachSequence(a, [&](std::string_view name, uint32_t place, const Ids& ids) {
    const Ids& theirs = *other[next++];
    const auto [mine_at, theirs_at] =
        std::mismatch(ids.begin(), ids.end(), theirs.begin(), theirs.end());
    if (mine_at == ids.end() && theirs_at == theirs.end()) return;
    found.push_back(fmt::format("{} {}: {} and {} entries, the same up to {}", name, place,
                                ids.size(), theirs.size(), mine_at - ids.begin()));
  });
  if (a.errors != b.errors) found.push_back(fmt::format("errors: {} and {}", a.errors, b.errors));
  std::string text;
  for (size_t i = 0; i < found.size() && i < most; ++i)
    text += (text.empty() ? "" : "; ") + found[i];
  return found.size() > most ? fmt::format("{}; and {} more", text, found.size() - most) : text;
}

}  // namespace campaign
