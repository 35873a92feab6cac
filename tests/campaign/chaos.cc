#include "tests/campaign/chaos.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

namespace campaign {

namespace {

constexpr std::chrono::milliseconds kTraceLimit{3000};
constexpr std::chrono::seconds kShifts[] = {std::chrono::hours(-24), std::chrono::hours(24),
                                            std::chrono::seconds(-3), std::chrono::seconds(3),
                                            std::chrono::minutes(-10)};

bool IsNetworkFault(FaultKind kind) {
  return kind >= FaultKind::kCutMember && kind <= FaultKind::kSlowMember;
}

// Calls before which something interesting can happen: of the log, the look-up, the links.
constexpr const char* kCallsToStopAt[] = {"fdatasync", "pwritev", "openat",    "getdents64",
                                          "sendmsg",   "recvmsg", "renameat2", "fsync"};
constexpr const char* kCallsToFail[] = {"fdatasync", "pwritev", "fsync"};

}  // namespace

Chaos::Chaos(Cluster& cluster, Volume& volume, Switch& net, std::string tracer,
             const std::string& log, std::function<size_t(size_t)> leader_of)
    : cluster_(cluster),
      volume_(volume),
      net_(net),
      tracer_(std::move(tracer)),
      log_path_(log),
      log_(std::fopen(log.c_str(), "ae")),
      leader_of_(std::move(leader_of)) {}

Chaos::~Chaos() {
  Heal();
  if (log_ != nullptr) std::fclose(log_);
}

std::vector<FaultKind> Chaos::Possible(const Cluster& cluster, const Volume& volume) {
  std::vector<FaultKind> kinds;
  for (size_t i = 0; i < kFaultKinds; ++i) {
    const auto kind = static_cast<FaultKind>(i);
    const bool of_replicas = kind == FaultKind::kKillReplica || kind == FaultKind::kCutFromVolume ||
                             kind == FaultKind::kFreezeVolume;
    if (kind == FaultKind::kCutPair && cluster.members() == 1) continue;
    if (kind == FaultKind::kFillVolume && !volume.CanBeFull()) continue;
    if (of_replicas && volume.replicas() == 0) continue;
    kinds.push_back(kind);
  }
  return kinds;
}

std::vector<size_t> Chaos::Fellows(size_t node) const {
  std::vector<size_t> fellows;
  const size_t first = node / cluster_.members() * cluster_.members();
  for (size_t other = first; other < first + cluster_.members(); ++other) {
    if (other != node) fellows.push_back(other);
  }
  return fellows;
}

void Chaos::Kill(pid_t pid) {
  if (pid > 0 && kill(pid, SIGKILL) == 0) ++counts_.kills;
}

void Chaos::Stop(pid_t pid, std::vector<pid_t>& stopped) {
  if (pid <= 0 || kill(pid, SIGSTOP) != 0) return;
  stopped.push_back(pid);
  ++counts_.pauses;
}

bool Chaos::IsActive(FaultKind kind, size_t other) const {
  return std::any_of(active_.begin(), active_.end(), [&](const Active& active) {
    return active.kind == kind && active.other == other;
  });
}

void Chaos::Begin(const Fault& fault, Clock::time_point now) {
  const size_t immortal = fault.immortal % kImmortals;
  const size_t member = fault.at_leader ? leader_of_(immortal) : fault.draw % cluster_.members();
  Active active{fault.kind, cluster_.NodeOf(immortal, member), immortal, now + fault.length, {},
                {}};
  ++counts_.begun[static_cast<size_t>(fault.kind)];
  if (log_ != nullptr) {
    const auto at = std::chrono::duration<double>(now - begun_).count();
    const std::string line = fmt::format("{:9.3f} {} {} for {} ms\n", at, NameOf(fault.kind),
                                         cluster_.NameOf(active.node), fault.length.count());
    std::fputs(line.c_str(), log_);
    std::fflush(log_);
  }
  if (IsNetworkFault(fault.kind)) {
    BeginNetworkFault(fault, active);
  } else if (fault.kind >= FaultKind::kShiftClock) {
    BeginVolumeFault(fault, active);
  } else {
    BeginProcessFault(fault, active);
  }
}

void Chaos::BeginProcessFault(const Fault& fault, Active& active) {
  const size_t node = active.node;
  switch (fault.kind) {
    case FaultKind::kKillCoordinator:
      return Kill(cluster_.Coordinator(node));
    case FaultKind::kKillService:
      return Kill(cluster_.ServiceChild(node));
    case FaultKind::kKillMember:
      Kill(cluster_.Coordinator(node));
      return Kill(cluster_.ServiceParent(node));
    case FaultKind::kKillImmortal:
      Kill(cluster_.Coordinator(node));
      for (const size_t fellow : Fellows(node)) Kill(cluster_.Coordinator(fellow));
      return;
    case FaultKind::kPauseCoordinator:
      Stop(cluster_.Coordinator(node), active.stopped);
      break;
    case FaultKind::kPauseService:
      Stop(cluster_.ServiceChild(node), active.stopped);
      break;
    case FaultKind::kPauseMember:
      Stop(cluster_.Coordinator(node), active.stopped);
      Stop(cluster_.ServiceChild(node), active.stopped);
      break;
    default:
      return Trace(fault, node);
  }
  active_.push_back(active);
}

void Chaos::Trace(const Fault& fault, size_t node) {
  const pid_t pid = cluster_.Coordinator(node);
  if (pid == 0) return;
  std::string call = kCallsToStopAt[fault.draw % std::size(kCallsToStopAt)];
  std::string action;
  if (fault.kind == FaultKind::kHoldAtCall) action = fmt::format("hold:{}", fault.length.count());
  if (fault.kind == FaultKind::kFreezeAtCall) {
    action = fmt::format("freeze:{}", fault.length.count());
  }
  if (fault.kind == FaultKind::kKillAtCall) action = "kill";
  if (fault.kind == FaultKind::kFailCall) {
    call = kCallsToFail[fault.draw % std::size(kCallsToFail)];
    action = fmt::format("fail:{}", fault.draw / 16 % 2 == 0 ? EIO : ENOSPC);
  }
  const uint64_t skip = fault.draw / 64 % 20;
  const auto limit = kTraceLimit + fault.length;
  auto process = std::make_unique<shop::demo::Process>(
      std::vector<std::string>{tracer_, std::to_string(pid), call, std::to_string(skip), action,
                               std::to_string(limit.count())},
      log_path_ + ".tracer");
  if (process->Start()) tracers_.push_back({std::move(process), fault.kind});
}

void Chaos::CollectTracers() {
  std::erase_if(tracers_, [&](const Tracing& tracing) {
    const std::optional<int> status = tracing.process->Reap();
    if (!status) return false;
    if (!WIFEXITED(*status) || WEXITSTATUS(*status) != 0) return true;  // the call did not come
    if (tracing.kind == FaultKind::kKillAtCall) {
      ++counts_.kills;
    } else if (tracing.kind == FaultKind::kFailCall) {
      ++counts_.failed_calls;
    } else {
      ++counts_.pauses;
    }
    return true;
  });
}

void Chaos::BeginNetworkFault(const Fault& fault, Active& active) {
  active.other = cluster_.nodes();  // nobody in particular
  if (fault.kind == FaultKind::kSlowMember) {
    active.wire.delay = std::chrono::microseconds(fault.draw % 50'000);
    active.wire.jitter = std::chrono::microseconds(fault.draw / 64 % 20'000);
    active.wire.loss_permille = static_cast<uint32_t>(fault.draw / 4096 % 150);
    active.wire.doubled_permille = static_cast<uint32_t>(fault.draw / 65536 % 50);
  } else {
    active.wire.cut = true;
    ++counts_.partitions;
  }
  if (fault.kind == FaultKind::kCutPair) {
    const std::vector<size_t> fellows = Fellows(active.node);
    active.other = fellows[fault.draw / 64 % fellows.size()];
  }
  active_.push_back(active);
  ApplyWires();
}

void Chaos::ApplyWires() {
  for (size_t port = 0; port < net_.ports(); ++port) net_.SetPort(port, {});
  // Cuts last, so that a slow member that is cut is cut.
  for (const bool cuts : {false, true}) {
    for (const Active& active : active_) {
      if (!IsNetworkFault(active.kind) || active.wire.cut != cuts) continue;
      if (active.kind == FaultKind::kCutPair) {
        net_.SetBothWays(active.node, active.other, active.wire);
      } else if (active.kind == FaultKind::kCutOneWay) {
        for (size_t to = 0; to < cluster_.nodes(); ++to) net_.Set(active.node, to, active.wire);
      } else {
        net_.SetPort(active.node, active.wire);
      }
    }
  }
}

void Chaos::BeginVolumeFault(const Fault& fault, Active& active) {
  switch (fault.kind) {
    case FaultKind::kShiftClock:
      cluster_.ShiftClock(active.node, kShifts[fault.draw % std::size(kShifts)]);
      break;
    case FaultKind::kFillVolume:
      volume_.Fill(active.other);
      break;
    case FaultKind::kKillReplica:
      active.other = fault.draw % volume_.replicas();
      // One at a time: without a quorum nothing can go on.
      for (size_t replica = 0; replica < volume_.replicas(); ++replica) {
        if (IsActive(FaultKind::kKillReplica, replica)) return;
      }
      if (!volume_.KillReplica(active.other)) return;
      ++counts_.kills;
      break;
    case FaultKind::kCutFromVolume:
      if (!volume_.CutNode(active.node)) return;
      ++counts_.partitions;
      break;
    case FaultKind::kFreezeVolume:
      if (!volume_.FreezeNode(active.node)) return;
      ++counts_.pauses;
      break;
    default:
      return;
  }
  active_.push_back(active);
}

void Chaos::End(const Active& active) {
  for (const pid_t pid : active.stopped) kill(pid, SIGCONT);
  switch (active.kind) {
    case FaultKind::kShiftClock:
      return cluster_.ShiftClock(active.node, std::chrono::seconds(0));
    case FaultKind::kFillVolume:
      return volume_.Empty(active.other);
    case FaultKind::kKillReplica:
      return volume_.StartReplica(active.other);
    case FaultKind::kCutFromVolume:
      return volume_.HealNode(active.node);
    case FaultKind::kFreezeVolume:
      return volume_.ThawNode(active.node);
    default:
      return;
  }
}

void Chaos::EndDue(Clock::time_point now) {
  CollectTracers();
  bool wires = false;
  std::erase_if(active_, [&](const Active& active) {
    if (now < active.until) return false;
    End(active);
    wires = wires || IsNetworkFault(active.kind);
    return true;
  });
  if (wires) ApplyWires();
}

void Chaos::Heal() {
  tracers_.clear();  // what they hold goes on
  EndDue(Clock::time_point::max());
}

}  // namespace campaign
