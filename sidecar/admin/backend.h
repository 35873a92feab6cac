// Backend: what the outside may ask a running coordinator, and the port behind which the runtime
// answers.
//
// Everything here is plain data: an admin thread never touches the protocol's own state.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sidecar/admin/histogram.h"

namespace semper::admin {

// Where a coordinator is in its life. `reason` of the snapshot says why in words.
enum class Phase {
  kStarting,           // reads genesis, claims and history
  kWaitingForService,  // no service is connected
  kTakingOver,         // claims, copies the tail, seals
  kReplaying,          // feeds logged inputs to the service
  kLeading,            // takes new inputs
  kDraining,           // takes nothing new, finishes what it has
  kStopped,            // drained, or gave up its epoch and will not come back by itself
  kRefused,            // did not start: wrong or missing genesis, damage; `reason` names it
  kFollowing,          // a standby: applies what the leader commits
};

// The name in status output and in the label `phase` of the metrics: "leading".
const char* PhaseName(Phase phase);

struct CheckpointRef {
  uint64_t epoch = 0;
  uint64_t index = 0;
  bool operator==(const CheckpointRef&) const = default;
};

// A peer that sends to us.
struct SourceStatus {
  std::string name;  // namespace/name
  uint32_t slot = 0;
  uint64_t sequence = 0;   // last message that has its place in the log
  uint64_t committed = 0;  // last message acknowledged
  bool connected = false;
  std::string address;     // of the present connection, empty without one
  std::string quarantine;  // why nothing is taken any more; empty: no quarantine
};

// A peer that we send to.
struct DestinationStatus {
  std::string name;
  uint32_t slot = 0;
  uint64_t produced = 0;    // messages that the service has sent so far
  uint64_t released = 0;    // of these, committed and therefore allowed to leave
  uint64_t acked = 0;       // committed at the receiver
  uint64_t held_bytes = 0;  // kept until acknowledged
  bool connected = false;
  std::string address;  // of the present connection, or the one tried last
  std::string error;    // why the last attempt failed; empty if it did not
  std::string quarantine;
};

struct ServiceStatus {
  bool connected = false;
  std::string name;
  uint32_t version = 0;
  std::string sdk;  // "semper-cpp/0.1.0"
};

// A fellow member, as it says.
struct MemberStatus {
  std::string name;
  std::string role;  // "leader", "standby", "joining", "unfit"
  bool ready = false;
  uint64_t epoch = 0;
  uint64_t index = 0;  // committed (leader) or applied
  std::string reason;
};

struct CheckpointStatus {
  CheckpointRef last;            // index 0: none yet
  uint64_t last_unix_nanos = 0;  // when it was published
  uint64_t last_bytes = 0;
  std::string last_error;  // of the last attempt, empty if it succeeded
};

// All count from the start of the process and never go back.
struct Counters {
  uint64_t inputs = 0;
  uint64_t input_bytes = 0;
  uint64_t batches = 0;  // records written
  uint64_t syncs = 0;
  uint64_t look_ups = 0;
  uint64_t outputs = 0;
  uint64_t output_bytes = 0;
  uint64_t duplicates_cut = 0;  // messages received twice and dropped
  uint64_t reconnects = 0;
  uint64_t generations = 0;  // connections of the service
  uint64_t checkpoints_taken = 0;
  uint64_t checkpoints_failed = 0;
  uint64_t takeovers = 0;  // times that this member became the leader
};

struct StatusSnapshot {
  // Set by whoever answers: false when the event loop did not answer in time and this is an older
  // snapshot.
  bool fresh = true;
  std::chrono::nanoseconds age{0};  // since the snapshot was taken

  std::string name;         // namespace/name
  std::string incarnation;  // 32 hexadecimal digits; empty before the genesis was read
  std::string cluster;
  std::string member;
  std::string version;  // of Semper
  uint64_t epoch = 0;   // 0: not leading yet
  Phase phase = Phase::kStarting;
  std::string reason;
  uint64_t started_unix_nanos = 0;

  // Positions of this immortal's history. appended >= committed; delivered and done are the
  // service's.
  uint64_t index_appended = 0;
  uint64_t index_committed = 0;
  uint64_t index_delivered = 0;
  uint64_t index_done = 0;
  uint32_t generation = 0;

  ServiceStatus service;
  uint64_t log_segments = 0;
  uint64_t log_bytes = 0;
  uint64_t log_free_bytes = 0;  // left on the volume, 0: not known yet
  CheckpointStatus checkpoint;
  std::string role;         // "leader", "standby", "joining", "unfit"; "alone" without fellows
  bool ready = false;       // of a standby: it could lead now
  std::string leader;       // the member that leads, as far as this one knows
  std::string unfit;        // why this member may never lead
  uint64_t lag_inputs = 0;  // of a standby behind the leader's committed index, as it said last
  double lag_seconds = 0;   // how long ago the leader said what is not applied yet (LagMeter)
  std::vector<MemberStatus> members;  // fellows that are connected
  std::vector<SourceStatus> sources;
  std::vector<DestinationStatus> destinations;
  Counters counters;
  uint64_t buffer_bytes_in_use = 0;
  uint64_t buffer_bytes_max = 0;
  double recovery_seconds =
      0;  // from the start of the process (or the take-over) to leading; 0: not there yet

  LatencyHistogram sync;
  LatencyHistogram look_up;
  LatencyHistogram commit;  // from the arrival of a batch's first input to committed
};

// Adds the counters and histograms of `from` to those of `to`: a process that begins a new life
// goes on counting.
void AddTotals(const StatusSnapshot& from, StatusSnapshot& to);

// Threads: any. No call waits longer than it says.
class Backend {
 public:
  virtual ~Backend() = default;

  // The state now; if the event loop does not answer within about a second, the last known state
  // with fresh = false.
  virtual StatusSnapshot Status() = 0;

  // Cuts a checkpoint and waits until it is published. FAILED_PRECONDITION: not leading;
  // UNAVAILABLE: drained or stopped before it was done; DEADLINE_EXCEEDED: it goes on, but nobody
  // waits for it any more.
  virtual absl::StatusOr<CheckpointRef> TakeCheckpoint(std::chrono::nanoseconds timeout) = 0;

  // Has the leader hand over to the fellow member `to`, or to the best that is ready if it is
  // empty. Answers when that has begun: the status tells how it ends. FAILED_PRECONDITION: this
  // member does not lead (the text names who does), or nobody, or not `to`, is ready; NOT_FOUND: no
  // such member is connected; UNAVAILABLE: stopped; DEADLINE_EXCEEDED: the event loop hangs,
  // nothing is begun.
  virtual absl::Status Switchover(const std::string& to, std::chrono::nanoseconds timeout) = 0;

  // Asks the process to stop intake, finish what it has and end. Returns at once; a second call
  // changes nothing.
  virtual void Drain() = 0;
};

}  // namespace semper::admin
