// semperctl status and checkpoint take: what needs a running coordinator.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/invocation.h"
#include "cli/json.h"
#include "cli/text.h"
#include "fmt/format.h"
#include "semper/v1/admin.grpc.pb.h"

namespace semper::cli {
namespace {

constexpr std::chrono::seconds kStatusWait{5};

std::vector<Option> SocketOptions() {
  return {{"--admin-socket", "PATH", "The coordinator's admin socket.", "SEMPER_ADMIN_SOCKET",
           "/run/semper/admin.sock"}};
}

std::unique_ptr<v1::Admin::Stub> Connect(const Invocation& call) {
  return v1::Admin::NewStub(grpc::CreateChannel("unix:" + call.Value("--admin-socket"),
                                                grpc::InsecureChannelCredentials()));
}

absl::Status FromGrpc(const Invocation& call, const grpc::Status& status) {
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    return absl::UnavailableError(
        absl::StrCat(call.Value("--admin-socket"), ": ", status.error_message()));
  }
  // The call was understood: what failed is no mistake in this command line.
  return absl::InternalError(status.error_message());
}

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

void PrintPeers(Invocation& call, const v1::Status& s) {
  if (s.sources_size() > 0) {
    std::vector<std::vector<std::string>> rows = {
        {"SOURCE", "LOGGED>", "COMMITTED>", "CONNECTED", "ADDRESS", "STATE"}};
    for (const v1::Status::Source& one : s.sources()) {
      rows.push_back({one.name(), std::to_string(one.sequence()), std::to_string(one.committed()),
                      one.connected() ? "yes" : "no", OrDash(one.address()),
                      one.quarantine().empty() ? "ok" : "quarantined: " + one.quarantine()});
    }
    call.out << "\n" << TableText(rows);
  }
  if (s.destinations_size() > 0) {
    std::vector<std::vector<std::string>> rows = {{"DESTINATION", "PRODUCED>", "RELEASED>",
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
  PrintPeers(call, s);
}

int RunStatus(Invocation& call) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kStatusWait);
  v1::GetStatusResponse response;
  const grpc::Status status = Connect(call)->GetStatus(&context, {}, &response);
  if (!status.ok()) return call.Fail(FromGrpc(call, status));
  if (call.json()) {
    call.out << ToJson(response.status()) << "\n";
  } else {
    PrintStatus(call, response.status());
  }
  return kExitOk;
}

int RunCheckpointTake(Invocation& call) {
  const absl::StatusOr<std::optional<uint64_t>> seconds = call.Number("--timeout");
  if (!seconds.ok()) return call.Fail(seconds.status());
  const uint64_t wait = seconds->value_or(60);
  if (wait < 1 || wait > 600) {
    return call.Fail(
        absl::InvalidArgumentError(fmt::format("--timeout is 1 to 600 seconds, not {}", wait)));
  }
  grpc::ClientContext context;
  // The server's answer that it was not done in time says more than a deadline of our own.
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(wait) + kStatusWait);
  v1::TakeCheckpointRequest request;
  request.set_timeout_ms(static_cast<uint32_t>(wait * 1000));
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
      "Asks a coordinator on its admin socket for its phase, positions, peers and counters. Works\n"
      "while it recovers, and while it refuses to start.",
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
