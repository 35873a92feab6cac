// ReplicatedState: what the coordinator itself knows as a function of the log, and nothing else.
//
// The same Apply runs at admission, in the scan of a take-over and (through checkpoints) on
// standbys. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "semper/v1/log.pb.h"
#include "sidecar/core/types.h"

namespace semper::core {

inline constexpr uint32_t kCoreVersion =
    1;  // of the replicated logic; stands in Start and in checkpoints

class ReplicatedState {
 public:
  struct Source {
    std::string name;
    Incarnation incarnation{};
    Position position;  // last message that has a place in the log
  };
  struct DestinationNote {
    Position acked;  // as the log knows it; outputs up to it need not be kept
    Incarnation incarnation{};
    bool welcomed = false;  // the incarnation is known
  };

  // Applies one input frame of the log. `payload` is looked at for control inputs only.
  // DATA_LOSS: the frame contradicts the state (a gap in indexes or sequences, an unknown slot,
  // time going back).
  absl::Status Apply(const FrameHeader& entry, std::span<const std::byte> payload);

  Index index() const { return index_; }
  uint64_t time() const { return time_; }
  uint64_t message_bytes_max() const { return message_bytes_max_; }
  const std::string& service_name() const { return service_name_; }  // of Start; empty before it
  const std::vector<Source>& sources() const { return sources_; }    // slot s is at s - 1
  const std::vector<DestinationNote>& notes() const { return notes_; }

  // For the coordinator's part of a checkpoint: sources, time, limits. Destinations are the
  // ledger's to fill.
  void Save(v1::CoordinatorState& to) const;
  static ReplicatedState Load(const v1::CoordinatorState& from, Index index);

 private:
  absl::Status ApplyControl(std::span<const std::byte> payload);

  Index index_{};
  uint64_t time_ = 0;
  uint64_t message_bytes_max_ = kMessageBytesMax;
  std::string service_name_;
  std::vector<Source> sources_;
  std::vector<DestinationNote> notes_;
};

// 16 bytes of a protobuf field; all zero if the length is wrong.
Incarnation IncarnationFrom(const std::string& bytes);
std::string BytesOf(const Incarnation& incarnation);
// 32 hexadecimal digits.
std::string HexOf(const Incarnation& incarnation);

}  // namespace semper::core
