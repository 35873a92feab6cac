// semperctl status and checkpoint take: what needs a running coordinator.
#include <chrono>

#include "absl/strings/str_cat.h"
#include "cli/admin_client.h"
#include "cli/invocation.h"
#include "cli/json.h"
#include "cli/text.h"
#include "fmt/format.h"

namespace semper::cli {
namespace {

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

void PrintPeers(Invocation& call, const v1::Status& s) {
  if (s.sources_size() > 0) {
    std::vector<std::vector<std::string>> rows = {
        {"SOURCE PEER", "LOGGED>", "COMMITTED>", "CONNECTED", "ADDRESS", "STATE"}};
    for (const v1::Status::Source& one : s.sources()) {
      rows.push_back({one.name(), std::to_string(one.sequence()), std::to_string(one.committed()),
                      one.connected() ? "yes" : "no", OrDash(one.address()),
                      one.quarantine().empty() ? "ok" : "quarantined: " + one.quarantine()});
    }
    call.out << "\n" << TableText(rows);
  }
  if (s.destinations_size() > 0) {
    std::vector<std::vector<std::string>> rows = {{"DESTINATION PEER", "PRODUCED>", "RELEASED>",
                                                   "ACKED>", "HELD>", "CONNECTED", "ADDRESS",
                                                   "STATE"}};
    for (const v1::Status::Destination& one : s.destinations()) {
      std::string state = "ok";
      if (!one.error().empty()) state = one.error();
      if (!one.quarantine().empty()) state = "quarantined: " + one.quarantine();
      rows.push_back({one.name(), std::to_string(one.produced()), std::to_string(one.released()),
                      std::to_string(one.acked()), BytesText(one.held_bytes()),
                      one.connected() ? "yes" : "no", OrDash(one.address()), state});
    }
    call.out << "\n" << TableText(rows);
  }
}

// Fellow members, which are copies of the same immortal; peers are other immortals.
void PrintMembers(Invocation& call, const v1::Status& s) {
  if (s.members_size() == 0) return;
  std::vector<std::vector<std::string>> rows = {
      {"FELLOW MEMBER", "ROLE", "READY", "EPOCH>", "INDEX>", "REASON"}};
  for (const v1::Status::Member& one : s.members()) {
    rows.push_back({one.name(), one.role(), one.ready() ? "yes" : "no", std::to_string(one.epoch()),
                    std::to_string(one.index()), OrDash(one.reason())});
  }
  call.out << "\n" << TableText(rows);
}

// "standby of orders-1, ready, 12 inputs (0.1 s) behind".
std::string RoleText(const v1::Status& s) {
  if (s.role() == "unfit") return "unfit, never leads: " + s.unfit();
  if (s.role() == "leader" || s.role() == "alone") return s.role();
  std::string text =
      fmt::format("{} of {}", s.role(), s.leader().empty() ? "no known leader" : s.leader());
  if (s.role() == "standby") {
    absl::StrAppend(
        &text, s.ready() ? ", ready, " : ", not ready, ",
        s.lag_inputs() == 0 && s.lag_seconds() == 0
            ? "caught up"
            : fmt::format("{} inputs ({}) behind", s.lag_inputs(), SecondsText(s.lag_seconds())));
  }
  return text;
}

std::string LatencyText(const v1::Status::Latency& latency) {
  if (latency.samples() == 0) return "-";
  return fmt::format("median {}, p99 {} ({} samples)", SecondsText(latency.p50_seconds()),
                     SecondsText(latency.p99_seconds()), latency.samples());
}

void PrintStatus(Invocation& call, const v1::Status& s) {
  const auto line = [&](const char* what, const std::string& text) {
    call.out << fmt::format("{:<12} {}\n", what, text);
  };
  line("immortal", s.name());
  line("phase",
       EnumWord(v1::Status::Phase_Name(s.phase())) + (s.reason().empty() ? "" : ": " + s.reason()));
  if (!s.fresh()) {
    line("stale", fmt::format("the coordinator's loop does not answer; this is {} old",
                              SecondsText(s.age_seconds())));
  }
  line("member", fmt::format("{}, epoch {}, version {}, since {}", OrDash(s.member()), s.epoch(),
                             s.version(), TimeText(s.started_unix_nanos())));
  if (!s.role().empty()) line("role", RoleText(s));
  line("identity",
       fmt::format("cluster '{}', incarnation {}", s.cluster(), OrDash(s.incarnation())));
  line("index",
       fmt::format("appended {}, committed {}, delivered {}, done {}", s.index().appended(),
                   s.index().committed(), s.index().delivered(), s.index().done()));
  line("service", s.service().connected() ? fmt::format("{} v{}, {}, generation {}",
                                                        s.service().name(), s.service().version(),
                                                        s.service().sdk(), s.service().generation())
                                          : "not connected");
  line("log",
       fmt::format("{} segments, {}, {} free", s.log().segments(), BytesText(s.log().bytes()),
                   s.log().free_bytes() == 0 ? "?" : BytesText(s.log().free_bytes())));
  std::string checkpoint = "none yet";
  if (s.checkpoint().has_last()) {
    checkpoint = fmt::format("{}-{}, {}, {}", s.checkpoint().last().epoch(),
                             s.checkpoint().last().index(), BytesText(s.checkpoint().last_bytes()),
                             TimeText(s.checkpoint().last_unix_nanos()));
  }
  if (!s.checkpoint().last_error().empty()) {
    absl::StrAppend(&checkpoint, "; the last attempt failed: ", s.checkpoint().last_error());
  }
  line("checkpoint", checkpoint);
  line("recovery", s.recovery_seconds() > 0 ? SecondsText(s.recovery_seconds()) : "-");
  line("commit", LatencyText(s.commit()));
  line("sync", LatencyText(s.sync()));
  line("look-up", LatencyText(s.look_up()));
  const v1::Status::Counters& c = s.counters();
  line("so far",
       fmt::format("{} inputs ({}), {} batches, {} outputs ({}), {} duplicates cut, {} reconnects",
                   c.inputs(), BytesText(c.input_bytes()), c.batches(), c.outputs(),
                   BytesText(c.output_bytes()), c.duplicates_cut(), c.reconnects()));
  PrintMembers(call, s);
  PrintPeers(call, s);
}

int RunStatus(Invocation& call) {
  v1::Status status;
  if (const grpc::Status got = GetStatus(*Connect(call), kStatusWait, status); !got.ok()) {
    return call.Fail(FromGrpc(call, got));
  }
  if (call.json()) {
    call.out << ToJson(status) << "\n";
  } else {
    PrintStatus(call, status);
  }
  return kExitOk;
}

int RunCheckpointTake(Invocation& call) {
  const absl::StatusOr<std::chrono::seconds> wait = TimeoutOf(call, 600);
  if (!wait.ok()) return call.Fail(wait.status());
  grpc::ClientContext context;
  // The server's answer that it was not done in time says more than a deadline of our own.
  context.set_deadline(std::chrono::system_clock::now() + *wait + kStatusWait);
  v1::TakeCheckpointRequest request;
  request.set_timeout_ms(static_cast<uint32_t>(wait->count() * 1000));
  v1::TakeCheckpointResponse response;
  const grpc::Status status = Connect(call)->TakeCheckpoint(&context, request, &response);
  if (!status.ok()) return call.Fail(FromGrpc(call, status));
  const v1::CheckpointId& id = response.checkpoint();
  if (call.json()) {
    call.out << ToJson(id) << "\n";
  } else {
    call.out << fmt::format("checkpoint {}-{} is published\n", id.epoch(), id.index());
  }
  return kExitOk;
}

}  // namespace

const Verb& StatusVerb() {
  static const auto& verb = *new Verb{
      "status",
      "",
      "what a coordinator is doing",
      "Asks a coordinator on its admin socket for its phase, role, positions, fellow members,\n"
      "peers and counters. Works while it recovers, and while it refuses to start.",
      SocketOptions(),
      RunStatus};
  return verb;
}

const Verb& CheckpointTakeVerb() {
  static const auto& verb = *new Verb{
      "checkpoint take",
      "",
      "has the leader take a checkpoint now",
      "Asks the leader on its admin socket for a checkpoint and waits until it is published.",
      [] {
        std::vector<Option> options = SocketOptions();
        options.push_back({"--timeout", "SECONDS", "How long to wait.", nullptr, "60"});
        return options;
      }(),
      RunCheckpointTake};
  return verb;
}

}  // namespace semper::cli
