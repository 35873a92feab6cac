#include "sidecar/core/ledger.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "sidecar/core/messages.h"

namespace semper::core {

namespace {
// While a service is far behind there is a new one several times a second. A stream hash covers all
// that was before: the last one moves on, and stands for those in between.
constexpr size_t kWitnessesMax = 16;
}  // namespace

void Ledger::Restore(Slot slot, std::string name, const Position& produced,
                     const Position& dropped) {
  if (destinations_.size() < Raw(slot)) destinations_.resize(Raw(slot));
  Destination& d = destinations_[Raw(slot) - 1];
  d.slot = slot;
  d.name = std::move(name);
  d.produced = d.current = produced;
  d.acked = d.dropped = dropped;
}

void Ledger::RestoreHeld(Slot slot, uint32_t count, uint32_t crc, Buffer payload) {
  Destination& d = destinations_[Raw(slot) - 1];
  HeldOutput held;
  const Position before = d.held.empty() ? d.dropped : d.held.back().after;
  held.first_sequence = before.sequence + 1;
  held.count = count;
  held.crc = crc;
  held.after = before.After(count, payload.size(), crc);
  held_bytes_ += payload.size();
  held.payload = std::move(payload);
  d.held.Push(std::move(held));
  Queue(d);
}

void Ledger::BeginGeneration(const std::vector<Position>& counters) {
  for (size_t i = 0; i < destinations_.size(); ++i) {
    destinations_[i].current = i < counters.size() ? counters[i] : Position{};
  }
}

absl::Status Ledger::Define(Slot slot, std::string_view name) {
  if (Raw(slot) >= 1 && Raw(slot) <= destinations_.size()) {
    const Destination& d = destinations_[Raw(slot) - 1];
    if (d.name == name) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        "destination slot ", Raw(slot), " was ", d.name, " before and is ", std::string(name),
        " in this run of the service: its order of first calls is not a function of the log"));
  }
  if (Raw(slot) != destinations_.size() + 1) {
    return absl::FailedPreconditionError(absl::StrCat(
        "destination slot ", Raw(slot), " defined, expected ", destinations_.size() + 1));
  }
  Destination d;
  d.slot = slot;
  d.name = std::string(name);
  destinations_.push_back(std::move(d));
  return absl::OkStatus();
}

absl::Status Ledger::Differs(const Destination& d, uint64_t sequence, uint64_t cause) const {
  return absl::DataLossError(absl::StrCat(
      "the service is not deterministic: its outputs to ", d.name, " up to sequence ", sequence,
      " (input ", cause, ") differ from those it made for the same inputs before"));
}

// Compares where this generation stands with what is remembered of that place.
absl::Status Ledger::CompareRegenerated(Destination& d, uint64_t cause) {
  ++regenerated_;
  if (d.current.sequence == d.produced.sequence) {
    return d.current == d.produced ? absl::OkStatus() : Differs(d, d.current.sequence, cause);
  }
  size_t low = 0;
  size_t high = d.held.size();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (d.held[middle].after.sequence < d.current.sequence)
      low = middle + 1;
    else
      high = middle;
  }
  if (low < d.held.size() && d.held[low].after.sequence == d.current.sequence &&
      d.held[low].after != d.current) {
    return Differs(d, d.current.sequence, cause);
  }
  return absl::OkStatus();
}

absl::Status Ledger::CheckWitnesses(Destination& d, uint32_t count, const Buffer& payload) {
  for (size_t i = 0; i < d.witnesses.size();) {
    const Position& w = d.witnesses[i];
    if (w.sequence > d.current.sequence + count) {
      ++i;
      continue;
    }
    if (w.sequence > d.current.sequence) {
      const auto bytes = BytesOfMessages(payload.bytes(), w.sequence - d.current.sequence);
      if (!bytes)
        return absl::InvalidArgumentError(absl::StrCat("malformed output frame to ", d.name));
      const Position at = d.current.After(w.sequence - d.current.sequence, *bytes,
                                          Crc32c(0, payload.bytes().first(*bytes)));
      if (at != w) {
        return absl::DataLossError(absl::StrCat(
            "outputs to ", d.name, " up to sequence ", w.sequence, " have stream hash ",
            absl::Hex(at.hash, absl::kZeroPad8), ", but the receiver remembers ",
            absl::Hex(w.hash, absl::kZeroPad8),
            ": the service is not deterministic, or the two remember different histories"));
      }
    }
    d.witnesses.erase(d.witnesses.begin() + static_cast<ptrdiff_t>(i));
  }
  return absl::OkStatus();
}

absl::Status Ledger::Add(Slot slot, uint32_t count, uint32_t crc, uint64_t cause, Buffer payload) {
  Destination* found = Find(slot);
  if (found == nullptr)
    return absl::InvalidArgumentError(absl::StrCat("output to undefined slot ", Raw(slot)));
  Destination& d = *found;
  if (count == 0 || payload.empty()) return absl::InvalidArgumentError("empty output frame");
  if (!d.witnesses.empty()) {
    if (absl::Status s = CheckWitnesses(d, count, payload); !s.ok()) return s;
  }
  if (d.current.sequence < d.produced.sequence) {
    const uint64_t known = d.produced.sequence - d.current.sequence;
    if (count <= known) {
      d.current = d.current.After(count, payload.size(), crc);
      return CompareRegenerated(d, cause);
    }
    const auto bytes = BytesOfMessages(payload.bytes(), known);
    if (!bytes)
      return absl::InvalidArgumentError(absl::StrCat("malformed output frame to ", d.name));
    d.current = d.current.After(known, *bytes, Crc32c(0, payload.bytes().first(*bytes)));
    if (absl::Status s = CompareRegenerated(d, cause); !s.ok()) return s;
    payload =
        payload.Part(static_cast<uint32_t>(*bytes), static_cast<uint32_t>(payload.size() - *bytes));
    count -= static_cast<uint32_t>(known);
    crc = Crc32c(0, payload.bytes());
  }
  HeldOutput held;
  held.first_sequence = d.current.sequence + 1;
  held.count = count;
  held.crc = crc;
  held.cause = cause;
  held.after = d.current.After(count, payload.size(), crc);
  d.current = d.produced = held.after;
  if (held.after.sequence <= d.acked.sequence) {  // committed at the receiver before a restart
    d.dropped = held.after;
    return absl::OkStatus();
  }
  held_bytes_ += payload.size();
  held.payload = std::move(payload);
  d.held.Push(std::move(held));
  Queue(d);
  return absl::OkStatus();
}

void Ledger::Queue(Destination& d) {
  if (d.queued || !d.connected || !d.quarantine.empty() || d.next >= d.held.size()) return;
  d.queued = true;
  pending_.push_back(d.slot);
}

absl::Status Ledger::Welcome(Slot slot, const Position& resume, const Position& committed,
                             bool settled) {
  Destination& d = *Find(slot);
  if (!d.quarantine.empty()) return absl::FailedPreconditionError(d.quarantine);
  if (committed.sequence > resume.sequence) {
    return absl::DataLossError(absl::StrCat(d.name, " says that it committed sequence ",
                                            committed.sequence, " but took in only ",
                                            resume.sequence));
  }
  if (absl::Status s = Ack(slot, committed, settled); !s.ok()) return s;
  if (resume.sequence > d.produced.sequence) {
    AddWitness(d, resume);
    if (settled) return CheckSettled(slot);
  }
  d.next = 0;
  while (d.next < d.held.size() && d.held[d.next].after.sequence <= resume.sequence) {
    const Position& after = d.held[d.next].after;
    if (after.sequence == resume.sequence && after != resume)
      return Differs(d, resume.sequence, d.held[d.next].cause);
    ++d.next;
  }
  if (d.next < d.held.size() && d.held[d.next].first_sequence <= resume.sequence) {
    const HeldOutput& held = d.held[d.next];
    const Position before = d.next == 0 ? d.dropped : d.held[d.next - 1].after;
    const uint64_t part = resume.sequence - before.sequence;
    const auto bytes = BytesOfMessages(held.payload.bytes(), part);
    if (!bytes)
      return absl::InternalError(absl::StrCat("held output to ", d.name, " is malformed"));
    if (before.After(part, *bytes, Crc32c(0, held.payload.bytes().first(*bytes))) != resume) {
      return Differs(d, resume.sequence, held.cause);
    }
  }
  d.connected = true;
  Queue(d);
  return absl::OkStatus();
}

absl::Status Ledger::Ack(Slot slot, const Position& position, bool settled) {
  Destination& d = *Find(slot);
  if (position.sequence < d.acked.sequence) return absl::OkStatus();  // late; never goes back
  if (position.sequence == d.acked.sequence) {
    return position.hash == d.acked.hash ? absl::OkStatus() : Differs(d, position.sequence, 0);
  }
  if (position.sequence > d.produced.sequence) {
    AddWitness(d, position);
    d.acked = position;
    DropAcked(d);
    return settled ? CheckSettled(slot) : absl::OkStatus();
  }
  for (size_t i = 0; i < d.held.size() && d.held[i].after.sequence <= position.sequence; ++i) {
    if (d.held[i].after.sequence == position.sequence && d.held[i].after != position) {
      return Differs(d, position.sequence, d.held[i].cause);
    }
  }
  d.acked = position;
  DropAcked(d);
  return absl::OkStatus();
}

absl::Status Ledger::CheckSettled(Slot slot) {
  const Destination& d = *Find(slot);
  for (const Position& w : d.witnesses) {
    if (w.sequence > d.produced.sequence) {
      return absl::DataLossError(absl::StrCat(d.name, " remembers ", w.sequence,
                                              " messages of this immortal, which has made only ",
                                              d.produced.sequence,
                                              ": the two remember different histories (was this "
                                              "immortal restored from an older copy?)"));
    }
  }
  return absl::OkStatus();
}

void Ledger::AddWitness(Destination& d, const Position& position) {
  if (d.witnesses.size() < kWitnessesMax) return d.witnesses.push_back(position);
  if (d.witnesses.back().sequence < position.sequence) d.witnesses.back() = position;
}

void Ledger::DropAcked(Destination& d) {
  while (!d.held.empty() && d.held.front().after.sequence <= d.acked.sequence) {
    held_bytes_ -= d.held.front().payload.size();
    acked_bytes_ += d.held.front().payload.size();
    d.dropped = d.held.front().after;
    d.held.Pop();
    if (d.next > 0) --d.next;
  }
}

void Ledger::Disconnected(Slot slot) {
  if (Destination* d = Find(slot)) d->connected = false;
}

void Ledger::Quarantine(Slot slot, std::string why) {
  Destination* d = Find(slot);
  if (d == nullptr || !d->quarantine.empty()) return;
  d->quarantine = std::move(why);
  d->connected = false;
}

const HeldOutput* Ledger::NextToSend(Slot slot, Index committed) {
  Destination& d = *Find(slot);
  if (!d.connected || d.next >= d.held.size()) return nullptr;
  const HeldOutput& held = d.held[d.next];
  if (held.cause > Raw(committed)) return nullptr;
  ++d.next;
  ++d.sent;
  return &held;
}

}  // namespace semper::core
