#include "sidecar/core/replicated_state.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace semper::core {

Incarnation IncarnationFrom(const std::string& bytes) {
  Incarnation result{};
  if (bytes.size() == result.size()) std::memcpy(result.data(), bytes.data(), result.size());
  return result;
}

std::string BytesOf(const Incarnation& incarnation) {
  return {reinterpret_cast<const char*>(incarnation.data()), incarnation.size()};
}

std::string HexOf(const Incarnation& incarnation) {
  return absl::BytesToHexString(
      {reinterpret_cast<const char*>(incarnation.data()), incarnation.size()});
}

absl::Status ReplicatedState::Apply(const FrameHeader& entry, std::span<const std::byte> payload) {
  if (entry.index != Raw(index_) + 1) {
    return absl::DataLossError(
        absl::StrCat("input frame begins at index ", entry.index, ", expected ", Raw(index_) + 1));
  }
  if (entry.time < time_) {
    return absl::DataLossError(absl::StrCat("logged time of input ", entry.index,
                                            " goes back: ", entry.time, " after ", time_));
  }
  switch (entry.kind) {
    case FrameKind::kPeer: {
      if (entry.slot == 0 || entry.slot > sources_.size()) {
        return absl::DataLossError(
            absl::StrCat("input ", entry.index, " names unknown source slot ", entry.slot));
      }
      Source& source = sources_[entry.slot - 1];
      if (entry.first_sequence != source.position.sequence + 1) {
        return absl::DataLossError(absl::StrCat("input ", entry.index, " has sequence ",
                                                entry.first_sequence, " of ", source.name,
                                                ", expected ", source.position.sequence + 1));
      }
      source.position = source.position.After(entry.count, entry.bytes, entry.crc);
      break;
    }
    case FrameKind::kImpulse:
      break;
    case FrameKind::kControl:
      if (absl::Status s = ApplyControl(payload); !s.ok()) {
        return absl::DataLossError(absl::StrCat("control input ", entry.index, ": ", s.message()));
      }
      break;
    default:
      return absl::DataLossError(absl::StrCat("input ", entry.index, " has unknown kind ",
                                              static_cast<int>(entry.kind),
                                              "; a newer version wrote it?"));
  }
  index_ = index_ + entry.count;
  time_ = entry.time;
  return absl::OkStatus();
}

absl::Status ReplicatedState::ApplyControl(std::span<const std::byte> payload) {
  v1::Control control;
  if (!control.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return absl::DataLossError("not a semper.v1.Control");
  }
  switch (control.what_case()) {
    case v1::Control::kStart:
      if (control.start().core_version() > kCoreVersion) {
        return absl::DataLossError(absl::StrCat("core version ", control.start().core_version(),
                                                " is newer than this program's ", kCoreVersion));
      }
      if (control.start().message_bytes_max() != 0)
        message_bytes_max_ = control.start().message_bytes_max();
      service_name_ = control.start().service_name();
      return absl::OkStatus();
    case v1::Control::kPeerSeen: {
      const auto& seen = control.peer_seen();
      if (seen.slot() != sources_.size() + 1)
        return absl::DataLossError(absl::StrCat("source slot ", seen.slot(), " out of order"));
      sources_.push_back({seen.name(), IncarnationFrom(seen.incarnation()), {}});
      return absl::OkStatus();
    }
    case v1::Control::kAckNote:
      for (const auto& acked : control.ack_note().acked()) {
        if (acked.slot() == 0 || acked.slot() > 1u << 20)
          return absl::DataLossError("ack note with a bad slot");
        if (notes_.size() < acked.slot()) notes_.resize(acked.slot());
        DestinationNote& note = notes_[acked.slot() - 1];
        if (acked.sequence() >= note.acked.sequence) note.acked = {acked.sequence(), acked.hash()};
        if (acked.incarnation().size() == 16) {
          note.incarnation = IncarnationFrom(acked.incarnation());
          note.welcomed = true;
        }
      }
      return absl::OkStatus();
    case v1::Control::kTick:
    case v1::Control::kHandOver:
      return absl::OkStatus();
    case v1::Control::WHAT_NOT_SET:
      return absl::DataLossError("unknown control input; a newer version wrote it");
  }
  return absl::OkStatus();
}

void ReplicatedState::Save(v1::CoordinatorState& to) const {
  to.set_time(time_);
  to.set_core_version(kCoreVersion);
  to.set_message_bytes_max(message_bytes_max_);
  to.set_service_name(service_name_);
  for (size_t i = 0; i < sources_.size(); ++i) {
    auto* source = to.add_sources();
    source->set_slot(static_cast<uint32_t>(i + 1));
    source->set_name(sources_[i].name);
    source->set_incarnation(BytesOf(sources_[i].incarnation));
    source->set_sequence(sources_[i].position.sequence);
    source->set_hash(sources_[i].position.hash);
  }
}

ReplicatedState ReplicatedState::Load(const v1::CoordinatorState& from, Index index) {
  ReplicatedState state;
  state.index_ = index;
  state.time_ = from.time();
  if (from.message_bytes_max() != 0) state.message_bytes_max_ = from.message_bytes_max();
  state.service_name_ = from.service_name();
  for (const auto& source : from.sources()) {
    state.sources_.push_back(
        {source.name(), IncarnationFrom(source.incarnation()), {source.sequence(), source.hash()}});
  }
  for (const auto& destination : from.destinations()) {
    if (state.notes_.size() < destination.slot()) state.notes_.resize(destination.slot());
    DestinationNote& note = state.notes_[destination.slot() - 1];
    note.acked = {destination.acked_sequence(), destination.acked_hash()};
    note.welcomed = destination.incarnation().size() == 16;
    note.incarnation = IncarnationFrom(destination.incarnation());
  }
  return state;
}

}  // namespace semper::core
