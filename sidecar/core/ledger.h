// Ledger: every output that may still be needed, per destination: numbering, holding until
// committed, sending from where the receiver is, comparing what a replay makes again, dropping what
// is acknowledged. No I/O.
//
// Numbering is a function of the log: outputs of a slot count 1, 2, 3, … in the order in which the
// service makes them. A *generation* is one life of the service; it begins at a checkpoint's
// counters and makes the outputs after them again. What was held already is compared by stream hash
// and dropped, never sent twice.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/buffer.h"
#include "sidecar/core/ring.h"
#include "sidecar/core/types.h"

namespace semper::core {

struct HeldOutput {
  uint64_t first_sequence = 0;
  uint32_t count = 0;
  uint32_t crc = 0;
  uint64_t cause = 0;  // index of the input that must be committed before this leaves
  Position after;      // of the stream, after this frame
  Buffer payload;
};

struct Destination {
  Slot slot{};
  std::string name;
  Position produced;  // the furthest that any generation has come
  Position current;   // of this generation; behind `produced` while it regenerates
  Position acked;     // committed at the receiver; may be ahead of `produced` after a restart
  Position dropped;   // the end of the last frame that was dropped; `held` begins after it
  Ring<HeldOutput> held;
  size_t next = 0;  // in `held`: the first frame not yet sent on this connection
  bool connected = false;
  bool queued = false;  // in the ledger's list of destinations with something to send
  bool welcomed = false;
  Incarnation incarnation{};        // of the receiver; valid if welcomed
  std::vector<Position> witnesses;  // some that the receiver told and are still ahead of `current`
  std::string quarantine;           // not empty: why nothing is sent any more
  uint64_t sent = 0;                // frames, for metrics
};

class Ledger {
 public:
  // Begins a process: what a checkpoint says of a destination. Slots in order. The frames kept in
  // the checkpoint follow by RestoreHeld; the first begins after `dropped`.
  void Restore(Slot slot, std::string name, const Position& produced, const Position& dropped);
  void RestoreHeld(Slot slot, uint32_t count, uint32_t crc, Buffer payload);

  // Begins a generation at these counters (by slot; missing ones are zero).
  void BeginGeneration(const std::vector<Position>& counters);

  // The service names a slot. FAILED_PRECONDITION: the replay names it differently than before, or
  // skips one.
  absl::Status Define(Slot slot, std::string_view name);

  // An output frame of the current generation. Nothing may be told to the outside for it before
  // `cause` is committed. DATA_LOSS (determinism): it differs from what was produced before; the
  // text names peer, sequence and index. INVALID_ARGUMENT: malformed.
  absl::Status Add(Slot slot, uint32_t count, uint32_t crc, uint64_t cause, Buffer payload);

  // The receiver has told where it is. `settled`: this generation has made all outputs of the
  // committed log, so a receiver that knows more remembers another history. An error quarantines
  // the destination.
  absl::Status Welcome(Slot slot, const Position& resume, const Position& committed, bool settled);
  // The receiver, an ack note in the log, or the member that leads says that everything up to
  // `position` is committed there.
  absl::Status Ack(Slot slot, const Position& position, bool settled);
  // After replay: destinations whose receiver knows more than was produced.
  absl::Status CheckSettled(Slot slot);
  void Disconnected(Slot slot);
  void Quarantine(Slot slot, std::string why);

  // The next frame that may leave, given what is committed; nullptr if none. Taking it moves on.
  const HeldOutput* NextToSend(Slot slot, Index committed);

  Destination* Find(Slot slot) {
    return Raw(slot) == 0 || Raw(slot) > destinations_.size() ? nullptr
                                                              : &destinations_[Raw(slot) - 1];
  }
  std::vector<Destination>& destinations() { return destinations_; }
  const std::vector<Destination>& destinations() const { return destinations_; }

  // Destinations that may have something to send, each once; clears the list.
  std::vector<Slot>& pending() { return pending_; }
  void Queue(Destination& destination);

  uint64_t held_bytes() const { return held_bytes_; }
  uint64_t acked_bytes() const { return acked_bytes_; }  // that were held and are not any more
  uint64_t regenerated() const { return regenerated_; }  // frames compared and dropped

 private:
  absl::Status CheckWitnesses(Destination& d, uint32_t count, const Buffer& payload);
  absl::Status CompareRegenerated(Destination& d, uint64_t cause);
  void DropAcked(Destination& d);
  static void AddWitness(Destination& d, const Position& position);
  absl::Status Differs(const Destination& d, uint64_t sequence, uint64_t cause) const;

  std::vector<Destination> destinations_;  // slot s at s - 1
  std::vector<Slot> pending_;
  uint64_t held_bytes_ = 0;
  uint64_t acked_bytes_ = 0;
  uint64_t regenerated_ = 0;
};

}  // namespace semper::core
