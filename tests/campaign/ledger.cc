#include "tests/campaign/ledger.h"

#include <cstdio>

namespace campaign {

namespace {

void SaveIds(semper::StateWriter& writer, const Ids& ids) {
  writer.WriteVarint(ids.size());
  for (const uint64_t id : ids) writer.WriteUint64(id);
}

void LoadIds(semper::StateReader& reader, Ids& ids) {
  for (uint64_t left = reader.ReadVarint(); left > 0 && reader.ok(); --left)
    ids.push_back(reader.ReadUint64());
}

uint64_t Add(Ids& ids, uint64_t id) {
  ids.push_back(id);
  return ids.size();
}

}  // namespace

void Ledger::Tell(semper::Context& context, uint64_t id, uint64_t first, uint64_t second) {
  if (context.replaying()) return;  // nobody is there to hear it
  context.AfterCommit([this, id, first, second] { edge_.Tell({Fate::kOk, id, first, second}); });
}

void Ledger::Take(semper::Context& context, const Order& order) {
  switch (static_cast<Kind>(order.kind())) {
    case Kind::kAdd:
      return Tell(context, order.id(), ++state_.counters[order.place()]);
    case Kind::kAppend:
      return Tell(context, order.id(), Add(state_.lists[order.place()], order.id()));
    case Kind::kTransfer:
      return Transfer(context, order);
    case Kind::kReport:
      Report(context, order);
      [[fallthrough]];
    case Kind::kQuery:
      return Tell(context, order.id(), state_.Unsettled());
  }
}

void Ledger::Transfer(semper::Context& context, const Order& order) {
  state_.accounts[order.place()] -= order.amount();
  if (order.to_immortal() != order.immortal()) {
    Add(state_.sent[order.to_immortal()], order.id());
    books_[order.to_immortal()].Deposit(context, order, deposited_, order);
    return;
  }
  state_.accounts[order.to_place()] += order.amount();
  Tell(context, order.id(), Add(state_.local, order.id()));
}

semper::Result<Deposited> Ledger::Deposit(semper::Context&, const Order& order) {
  state_.accounts[order.to_place()] += order.amount();
  Deposited answer;
  answer.set_position(Add(state_.received[order.immortal()], order.id()));
  return answer;
}

// Answers come in the order of the calls, so that the n-th is that of the n-th transfer sent.
void Ledger::OnDeposited(semper::Context& context, const semper::Result<Deposited>& answer,
                         const Order& order) {
  if (!answer.ok()) {
    ++state_.errors;
    return;
  }
  const uint64_t position = Add(state_.settled[order.to_immortal()], order.id());
  Tell(context, order.id(), position, answer->position());
}

// Written at once by every copy, also by standbys and in a replay: the same bytes each time.
void Ledger::Report(semper::Context&, const Order& order) {
  const std::string path = options_.report_dir + "/" + std::to_string(order.id());
  const std::string text = FormatState(state_);
  std::FILE* file = std::fopen((path + ".new").c_str(), "we");
  const bool written =
      file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const bool closed = file != nullptr && std::fclose(file) == 0;
  if (!written || !closed || std::rename((path + ".new").c_str(), path.c_str()) != 0)
    std::fprintf(stderr, "ledger: cannot write the report %s\n", path.c_str());
}

void Ledger::Save(semper::StateWriter& writer) const {
  for (const uint64_t counter : state_.counters) writer.WriteUint64(counter);
  for (const int64_t account : state_.accounts) writer.WriteInt64(account);
  for (const Ids& ids : state_.lists) SaveIds(writer, ids);
  SaveIds(writer, state_.local);
  for (const Ids& ids : state_.sent) SaveIds(writer, ids);
  for (const Ids& ids : state_.settled) SaveIds(writer, ids);
  for (const Ids& ids : state_.received) SaveIds(writer, ids);
  writer.WriteUint64(state_.errors);
}

semper::Status Ledger::Load(semper::StateReader& reader, uint32_t) {
  for (uint64_t& counter : state_.counters) counter = reader.ReadUint64();
  for (int64_t& account : state_.accounts) account = reader.ReadInt64();
  for (Ids& ids : state_.lists) LoadIds(reader, ids);
  LoadIds(reader, state_.local);
  for (Ids& ids : state_.sent) LoadIds(reader, ids);
  for (Ids& ids : state_.settled) LoadIds(reader, ids);
  for (Ids& ids : state_.received) LoadIds(reader, ids);
  state_.errors = reader.ReadUint64();
  return reader.status();
}

}  // namespace campaign
