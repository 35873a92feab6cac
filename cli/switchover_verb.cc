// semperctl switchover: asks the leader to hand over, and watches until somebody else leads.
#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "cli/admin_client.h"
#include "cli/invocation.h"
#include "cli/json.h"
#include "fmt/format.h"

namespace semper::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPollEvery{5};
constexpr milliseconds kPollWait{1000};  // for one answer, of a coordinator that may just end

struct Leader {
  std::string member;
  uint64_t epoch = 0;
};

// Who leads according to `s`, and since which epoch; nothing while nobody is known to.
std::optional<Leader> LeaderOf(const v1::Status& s) {
  if (!s.fresh() || s.leader().empty()) return std::nullopt;
  if (s.leader() == s.member()) {
    if (s.role() != "leader") return std::nullopt;
    return Leader{s.member(), s.epoch()};
  }
  for (const v1::Status::Member& one : s.members()) {
    if (one.name() == s.leader() && one.role() == "leader") return Leader{one.name(), one.epoch()};
  }
  return std::nullopt;
}

// The first leader of an epoch after `before`. The coordinator that hands over goes away for a
// moment: that it cannot be reached is expected.
std::optional<Leader> WaitForNewLeader(v1::Admin::Stub& stub, uint64_t before,
                                       steady_clock::time_point until) {
  for (;;) {
    const auto left = std::chrono::duration_cast<milliseconds>(until - steady_clock::now());
    if (left <= milliseconds(0)) return std::nullopt;
    v1::Status now;
    if (GetStatus(stub, std::min(left, kPollWait), now).ok()) {
      const std::optional<Leader> leader = LeaderOf(now);
      if (leader.has_value() && leader->epoch > before) return leader;
    }
    std::this_thread::sleep_for(kPollEvery);
  }
}

int Report(Invocation& call, const v1::Status& before, const Leader& leader, milliseconds took) {
  if (call.json()) {
    call.out << JsonObject()
                    .Add("from", before.member())
                    .Add("leader", leader.member)
                    .Add("epoch", leader.epoch)
                    .Add("milliseconds", static_cast<uint64_t>(took.count()))
                    .Text()
             << "\n";
  } else {
    call.out << fmt::format("switchover: {} leads epoch {} after {} ms\n", leader.member,
                            leader.epoch, took.count());
  }
  const std::string wanted = call.Value("--to");
  if (leader.member == before.member()) {
    return call.Fail(absl::InternalError(fmt::format(
        "{} leads again: the member that it handed over to did not take over; see its log",
        leader.member)));
  }
  if (!wanted.empty() && leader.member != wanted) {
    return call.Fail(
        absl::InternalError(fmt::format("{} was faster than {}", leader.member, wanted)));
  }
  return kExitOk;
}

int RunSwitchover(Invocation& call) {
  const absl::StatusOr<std::chrono::seconds> wait = TimeoutOf(call, 600);
  if (!wait.ok()) return call.Fail(wait.status());
  const std::unique_ptr<v1::Admin::Stub> stub = Connect(call);
  v1::Status before;
  if (const grpc::Status got = GetStatus(*stub, kStatusWait, before); !got.ok()) {
    return call.Fail(FromGrpc(call, got));
  }
  const steady_clock::time_point began = steady_clock::now();
  grpc::ClientContext context;
  // The server's answer that nothing was begun says more than a deadline of our own.
  context.set_deadline(std::chrono::system_clock::now() + *wait + kStatusWait);
  v1::SwitchoverRequest request;
  request.set_to(call.Value("--to"));
  request.set_timeout_ms(static_cast<uint32_t>(milliseconds(*wait).count()));
  v1::SwitchoverResponse response;
  const grpc::Status asked = stub->Switchover(&context, request, &response);
  if (!asked.ok()) return call.Fail(FromGrpc(call, asked));
  const std::optional<Leader> leader = WaitForNewLeader(*stub, before.epoch(), began + *wait);
  if (!leader.has_value()) {
    return call.Fail(absl::DeadlineExceededError(
        fmt::format("{} has begun to hand over epoch {}, but within {} s it saw no new leader; "
                    "see semperctl status there and at the other members",
                    before.member(), before.epoch(), wait->count())));
  }
  return Report(call, before, *leader,
                std::chrono::duration_cast<milliseconds>(steady_clock::now() - began));
}

}  // namespace

const Verb& SwitchoverVerb() {
  static const auto& verb = *new Verb{
      "switchover",
      "",
      "has the leader hand over to another member",
      "Asks the leader on its admin socket to stop in favour of a member that is ready, and waits\n"
      "until it sees another one lead. Calls wait for a moment, none fails. A member that does "
      "not\n"
      "lead refuses, and names who does.",
      [] {
        std::vector<Option> options = SocketOptions();
        options.push_back({"--to", "MEMBER", "Who shall lead; without it, who is furthest."});
        options.push_back({"--timeout", "SECONDS", "How long to wait.", nullptr, "10"});
        return options;
      }(),
      RunSwitchover};
  return verb;
}

}  // namespace semper::cli
