#include "tests/campaign/checker.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace campaign {

namespace {

constexpr size_t kFindingsMax = 40;

class Checker {
 public:
  explicit Checker(const std::vector<Record>& histories) : histories_(histories) {}

  Verdict Run(const FinalStates& states, bool settled) {
    CountFates();
    bool all = true;
    for (uint32_t i = 0; i < kImmortals; ++i) {
      CompareCopies(i, states[i]);
      all = all && !states[i].empty();
      if (!states[i].empty()) states_[i] = &states[i].front().state;
    }
    for (uint32_t i = 0; i < kImmortals; ++i) {
      if (states_[i] == nullptr) continue;
      CheckJournals(i);
      CheckCounters(i);
      CheckAccounts(i);
    }
    if (!settled || !all) return verdict_;
    for (uint32_t i = 0; i < kImmortals; ++i) {
      for (uint32_t j = 0; j < kImmortals; ++j) CompareLink(i, j);
    }
    CheckSum();
    return verdict_;
  }

 private:
  template <typename... Arguments>
  void Find(uint64_t& count, fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    ++count;
    if (verdict_.findings.size() < kFindingsMax)
      verdict_.findings.push_back(fmt::format(text, std::forward<Arguments>(arguments)...));
  }

  void CountFates() {
    for (const Record& record : histories_) {
      if (!by_id_.emplace(record.operation.id, &record).second) {
        Find(verdict_.diverged, "two clients used the id {}", record.operation.id);
      }
      ++(record.fate == Fate::kOk        ? verdict_.ok
         : record.fate == Fate::kRefused ? verdict_.refused
                                         : verdict_.unknown);
    }
    verdict_.operations = histories_.size();
  }

  void CompareCopies(uint32_t immortal, const std::vector<Copy>& copies) {
    const std::string name = ImmortalName(immortal);
    if (copies.empty()) Find(verdict_.diverged, "{} has no final state", name);
    for (size_t i = 1; i < copies.size(); ++i) {
      if (copies[i].state == copies[0].state) continue;
      Find(verdict_.diverged, "{}: members {} and {} differ: {}", name, copies[0].member,
           copies[i].member, DescribeDifference(copies[0].state, copies[i].state));
    }
    if (!copies.empty() && copies[0].state.errors > 0)
      Find(verdict_.diverged, "{} got {} answers that were errors", name, copies[0].state.errors);
  }

  // What one sequence of ids must hold: each id once, of an operation that belongs there and was
  // not refused; each acknowledged operation that belongs there, where it was told; and an order
  // that does not contradict real time. `belongs` and `told` read a record.
  template <typename Belongs, typename Told>
  void CheckSequence(const std::string& name, const Ids& ids, Belongs belongs, Told told) {
    std::unordered_map<uint64_t, uint64_t> position;  // from 1
    for (size_t i = 0; i < ids.size(); ++i) {
      if (!position.emplace(ids[i], i + 1).second) {
        Find(verdict_.duplicated, "{} has {} at {} and at {}", name, ids[i], position[ids[i]],
             i + 1);
        continue;
      }
      const auto found = by_id_.find(ids[i]);
      if (found == by_id_.end() || !belongs(*found->second)) {
        Find(verdict_.diverged, "{} has {} at {}, which nobody asked for there", name, ids[i],
             i + 1);
      } else if (found->second->fate == Fate::kRefused) {
        Find(verdict_.diverged, "{} has {} at {}, although it was refused", name, ids[i], i + 1);
      }
    }
    for (const Record& record : histories_) {
      if (record.fate != Fate::kOk || !belongs(record)) continue;
      const auto found = position.find(record.operation.id);
      if (found == position.end()) {
        Find(verdict_.lost, "{} has not {}, which was acknowledged at {}", name,
             record.operation.id, told(record));
      } else if (found->second != told(record)) {
        Find(verdict_.diverged, "{} has {} at {}, but its client was told {}", name,
             record.operation.id, found->second, told(record));
      }
    }
    Ids once;
    for (size_t i = 0; i < ids.size(); ++i) {
      if (position[ids[i]] == i + 1) once.push_back(ids[i]);
    }
    CheckOrder(name, once);
  }

  // From the end to the beginning: the earliest acknowledgement behind must not lie before the
  // invocation of the one in front.
  void CheckOrder(const std::string& name, const Ids& ids) {
    const Record* earliest = nullptr;
    for (size_t i = ids.size(); i-- > 0;) {
      const auto found = by_id_.find(ids[i]);
      if (found == by_id_.end()) continue;
      const Record& record = *found->second;
      if (earliest != nullptr && earliest->ended_us < record.invoked_us) {
        Find(verdict_.diverged,
             "{}: {} was acknowledged before {} was invoked, but comes behind it", name,
             earliest->operation.id, record.operation.id);
      }
      if (record.fate == Fate::kOk &&
          (earliest == nullptr || record.ended_us < earliest->ended_us)) {
        earliest = &record;
      }
    }
  }

  void CheckJournals(uint32_t immortal) {
    const LedgerState& state = *states_[immortal];
    const std::string name = ImmortalName(immortal);
    const auto first = [](const Record& record) { return record.first; };
    const auto second = [](const Record& record) { return record.second; };
    for (uint32_t place = 0; place < kPlaces; ++place) {
      CheckSequence(
          fmt::format("{}: list {}", name, place), state.lists[place],
          [&](const Record& record) {
            const Operation& operation = record.operation;
            return operation.kind == Kind::kAppend && operation.immortal == immortal &&
                   operation.place == place;
          },
          first);
    }
    const auto transfers = [](uint32_t from, uint32_t to) {
      return [from, to](const Record& record) {
        const Operation& operation = record.operation;
        return operation.kind == Kind::kTransfer && operation.immortal == from &&
               operation.to_immortal == to;
      };
    };
    CheckSequence(name + ": local transfers", state.local, transfers(immortal, immortal), first);
    for (uint32_t other = 0; other < kImmortals; ++other) {
      if (other == immortal) continue;
      CheckSequence(fmt::format("{}: transfers to {}", name, ImmortalName(other)),
                    state.sent[other], transfers(immortal, other), first);
      CheckSequence(fmt::format("{}: deposits from {}", name, ImmortalName(other)),
                    state.received[other], transfers(other, immortal), second);
    }
  }

  // What `from` sent arrived at `to` once and in order, and so did the answers.
  void CompareLink(uint32_t from, uint32_t to) {
    const Ids& sent = states_[from]->sent[to];
    const std::string name = ImmortalName(from) + " to " + ImmortalName(to);
    CompareSequences(name + ": deposits", sent, states_[to]->received[from]);
    CompareSequences(name + ": answers", sent, states_[from]->settled[to]);
  }

  void CompareSequences(const std::string& name, const Ids& sent, const Ids& arrived) {
    if (sent == arrived) return;
    const std::unordered_set<uint64_t> there(arrived.begin(), arrived.end());
    const size_t twice = arrived.size() - there.size();
    size_t missing = 0;
    for (const uint64_t id : sent) missing += there.count(id) == 0 ? 1 : 0;
    const auto at = std::mismatch(sent.begin(), sent.end(), arrived.begin(), arrived.end());
    const auto where = at.first - sent.begin();
    if (missing > 0) Find(verdict_.lost, "{}: {} did not arrive, from {} on", name, missing, where);
    if (twice > 0) Find(verdict_.duplicated, "{}: {} came again, from {} on", name, twice, where);
    if (missing + twice == 0) Find(verdict_.diverged, "{}: another order, from {} on", name, where);
  }

  // A counter has no memory of who added. Its acknowledged values must be different ones up to the
  // final one, and no more values may be left over than operations whose fate nobody knows.
  void CheckCounters(uint32_t immortal) {
    std::array<std::vector<const Record*>, kPlaces> told;
    std::array<uint64_t, kPlaces> maybe{};
    for (const Record& record : histories_) {
      const Operation& operation = record.operation;
      if (operation.kind != Kind::kAdd || operation.immortal != immortal) continue;
      if (record.fate == Fate::kOk) told[operation.place].push_back(&record);
      if (record.fate == Fate::kUnknown) ++maybe[operation.place];
    }
    for (uint32_t place = 0; place < kPlaces; ++place) {
      const uint64_t final_value = states_[immortal]->counters[place];
      const std::string name = fmt::format("{}: counter {}", ImmortalName(immortal), place);
      std::vector<const Record*>& values = told[place];
      std::sort(values.begin(), values.end(),
                [](const Record* a, const Record* b) { return a->first < b->first; });
      Ids order;
      for (size_t i = 0; i < values.size(); ++i) {
        const Record& record = *values[i];
        if (record.first == 0 || record.first > final_value) {
          Find(verdict_.lost, "{} ends at {}, but {} was told {}", name, final_value,
               record.operation.id, record.first);
        } else if (i > 0 && values[i - 1]->first == record.first) {
          Find(verdict_.lost, "{}: {} and {} were both told {}", name, values[i - 1]->operation.id,
               record.operation.id, record.first);
        } else {
          order.push_back(record.operation.id);
        }
      }
      if (final_value - order.size() > maybe[place]) {
        Find(verdict_.duplicated, "{} ends at {}: {} acknowledged and at most {} others", name,
             final_value, order.size(), maybe[place]);
      }
      CheckOrder(name, order);
    }
  }

  // Balances are what the journals say.
  void CheckAccounts(uint32_t immortal) {
    const LedgerState& state = *states_[immortal];
    std::array<int64_t, kPlaces> balance;
    balance.fill(kOpeningBalance);
    const auto apply = [&](const Ids& ids, bool pays, bool gets) {
      for (const uint64_t id : ids) {
        const auto found = by_id_.find(id);
        if (found == by_id_.end()) continue;  // found elsewhere
        const Operation& operation = found->second->operation;
        if (pays) balance[operation.place] -= operation.amount;
        if (gets) balance[operation.to_place] += operation.amount;
      }
    };
    apply(state.local, true, true);
    for (const Ids& ids : state.sent) apply(ids, true, false);
    for (const Ids& ids : state.received) apply(ids, false, true);
    for (uint32_t place = 0; place < kPlaces; ++place) {
      if (balance[place] == state.accounts[place]) continue;
      Find(verdict_.diverged, "{}: account {} has {}, its journals make it {}",
           ImmortalName(immortal), place, state.accounts[place], balance[place]);
    }
  }

  void CheckSum() {
    int64_t sum = 0;
    for (const LedgerState* state : states_) {
      for (const int64_t balance : state->accounts) sum += balance;
    }
    constexpr int64_t kSum = kOpeningBalance * kPlaces * kImmortals;
    if (sum != kSum) Find(verdict_.diverged, "the bank has {}; it began with {}", sum, kSum);
  }

  const std::vector<Record>& histories_;
  std::unordered_map<uint64_t, const Record*> by_id_;
  std::array<const LedgerState*, kImmortals> states_{};
  Verdict verdict_;
};

}  // namespace

Verdict Check(const std::vector<Record>& histories, const FinalStates& states, bool settled) {
  return Checker(histories).Run(states, settled);
}

}  // namespace campaign
