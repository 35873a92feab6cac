#include "sdk/cpp/src/replicated.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/bytes.h"
#include "semper/v1/sdk_state.pb.h"

namespace semper::internal {

namespace {

using v1::SdkStateRecord;

constexpr uint32_t kVersion = 1;

// Writes records and counts them. One record object is reused.
class RecordWriter {
 public:
  explicit RecordWriter(StateWriter& writer) : writer_(writer) {}
  SdkStateRecord& Begin() {
    record_.Clear();
    return record_;
  }
  void End() {
    writer_.WriteMessage(record_);
    ++records_;
  }
  uint64_t records() const { return records_; }

 private:
  StateWriter& writer_;
  SdkStateRecord record_;
  uint64_t records_ = 0;
};

void SaveCalls(const Replicated& state, const Handlers& handlers, RecordWriter& out) {
  std::vector<uint64_t> ids;  // sorted, so that equal states are equal bytes
  ids.reserve(state.calls.size());
  for (const auto& [id, call] : state.calls) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  for (const uint64_t id : ids) {
    const Replicated::Call& call = state.calls.at(id);
    auto& record = *out.Begin().mutable_call();
    record.set_id(id);
    record.set_destination_slot(call.destination_slot);
    record.set_method_id(call.method_id);
    record.set_method(state.method_names.at(call.method_id));
    record.set_handler(handlers.replies[call.handler].name);
    record.set_context(call.context);
    out.End();
  }
}

template <typename Entries>
Result<uint32_t> FindHandler(const Entries& entries, std::string_view name, std::string_view what) {
  for (uint32_t i = 0; i < entries.size(); ++i) {
    if (entries[i].name == name) return i;
  }
  return Status(Code::kFailedPrecondition,
                "the restored state has a " + std::string(what) + " that waits for the handler '" +
                    std::string(name) +
                    "', which this service does not register: keep a handler of that name until "
                    "nothing waits for it any more");
}

Status LoadCall(const SdkStateRecord::Call& record, const Handlers& handlers, Replicated& state) {
  auto handler = FindHandler(handlers.replies, record.handler(), "call to " + record.method());
  if (!handler.ok()) return handler.status();
  if (record.destination_slot() == 0 || record.destination_slot() >= state.destinations.size()) {
    return Status(Code::kDataLoss,
                  "the restored state has a call to the unknown destination slot " +
                      std::to_string(record.destination_slot()));
  }
  state.method_names.emplace(record.method_id(), record.method());
  state.calls[record.id()] = {record.destination_slot(), record.method_id(), *handler,
                              record.context()};
  return Status();
}

Status LoadTimer(const SdkStateRecord::Timer& record, const Handlers& handlers, Replicated& state) {
  auto handler = FindHandler(handlers.timers, record.handler(), "timer");
  if (!handler.ok()) return handler.status();
  state.timers[{record.due(), record.id()}] = {*handler, record.context()};
  state.timer_due[record.id()] = record.due();
  return Status();
}

Status LoadSource(const SdkStateRecord::Source& record, Replicated& state) {
  Source source;
  if (record.slot() != state.sources.size() ||
      record.incarnation().size() != source.incarnation.size()) {
    return Status(Code::kDataLoss, "the restored state has no sensible source at slot " +
                                       std::to_string(record.slot()));
  }
  source.slot = record.slot();
  source.name = record.name();
  std::memcpy(source.incarnation.data(), record.incarnation().data(), source.incarnation.size());
  state.sources.push_back(std::move(source));
  return Status();
}

Status LoadDestination(const SdkStateRecord::Destination& record, Replicated& state) {
  if (record.slot() != state.destinations.size()) {
    return Status(Code::kDataLoss, "the restored state has no sensible destination at slot " +
                                       std::to_string(record.slot()));
  }
  state.destinations.push_back(record.name());
  state.destination_slots[record.name()] = record.slot();
  return Status();
}

Status LoadHeader(const SdkStateRecord::Header& record, Replicated& state) {
  if (record.minimum_reader() > kVersion || record.version() == 0) {
    return Status(Code::kFailedPrecondition,
                  "the SDK's part of the restored state has version " +
                      std::to_string(record.version()) + " and needs a reader of version " +
                      std::to_string(record.minimum_reader()) + "; this SDK reads version " +
                      std::to_string(kVersion) + ": start a newer build");
  }
  state.index = record.index();
  state.time = record.time();
  state.calls_made = record.calls_made();
  state.timers_set = record.timers_set();
  state.message_bytes_max = record.message_bytes_max();
  return Status();
}

Status LoadRecord(const SdkStateRecord& record, const Handlers& handlers, Replicated& state) {
  switch (record.what_case()) {
    case SdkStateRecord::kHeader:
      return LoadHeader(record.header(), state);
    case SdkStateRecord::kSource:
      return LoadSource(record.source(), state);
    case SdkStateRecord::kDestination:
      return LoadDestination(record.destination(), state);
    case SdkStateRecord::kCall:
      return LoadCall(record.call(), handlers, state);
    case SdkStateRecord::kTimer:
      return LoadTimer(record.timer(), handlers, state);
    case SdkStateRecord::kParameter:
      state.configuration[record.parameter().key()] = record.parameter().value();
      return Status();
    default:
      return Status(Code::kDataLoss,
                    "the SDK's part of the restored state has a record of an unknown kind");
  }
}

}  // namespace

void SaveReplicated(const Replicated& state, const Handlers& handlers, StateWriter& writer) {
  RecordWriter out(writer);
  auto& header = *out.Begin().mutable_header();
  header.set_version(kVersion);
  header.set_minimum_reader(kVersion);
  header.set_index(state.index);
  header.set_time(state.time);
  header.set_calls_made(state.calls_made);
  header.set_timers_set(state.timers_set);
  header.set_message_bytes_max(state.message_bytes_max);
  out.End();
  for (uint32_t slot = 1; slot < state.sources.size(); ++slot) {
    auto& record = *out.Begin().mutable_source();
    record.set_slot(slot);
    record.set_name(state.sources[slot].name);
    record.set_incarnation(std::string(AsText(state.sources[slot].incarnation)));
    out.End();
  }
  for (uint32_t slot = 1; slot < state.destinations.size(); ++slot) {
    auto& record = *out.Begin().mutable_destination();
    record.set_slot(slot);
    record.set_name(state.destinations[slot]);
    out.End();
  }
  SaveCalls(state, handlers, out);
  for (const auto& [due, timer] : state.timers) {
    auto& record = *out.Begin().mutable_timer();
    record.set_id(due.second);
    record.set_due(due.first);
    record.set_handler(handlers.timers[timer.handler].name);
    record.set_context(timer.context);
    out.End();
  }
  for (const auto& [key, value] : state.configuration) {
    auto& record = *out.Begin().mutable_parameter();
    record.set_key(key);
    record.set_value(value);
    out.End();
  }
  out.Begin().mutable_end()->set_records(out.records());
  out.End();
}

Status LoadReplicated(Replicated& state, const Handlers& handlers, StateReader& reader) {
  SdkStateRecord record;
  for (uint64_t records = 0;; ++records) {
    if (!reader.ReadMessage(record)) return reader.status();
    if ((records == 0) != record.has_header()) {
      return Status(Code::kDataLoss,
                    "the SDK's part of the restored state does not begin with its header");
    }
    if (record.has_end()) {
      if (record.end().records() == records) return Status();
      return Status(Code::kDataLoss, "the SDK's part of the restored state has " +
                                         std::to_string(records) + " records where " +
                                         std::to_string(record.end().records()) + " were written");
    }
    if (Status status = LoadRecord(record, handlers, state); !status.ok()) return status;
  }
}

}  // namespace semper::internal
