#include "tests/campaign/cluster.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace campaign {

namespace {

using shop::demo::Process;
using shop::demo::RunProgram;

constexpr uint16_t kPeerPort = 7600;
constexpr std::chrono::milliseconds kRestartPause{100};
constexpr const char* kClockLibrary = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

// A coordinator that gave up (1), drained (0, 4) is started again; a process that was killed, too.
bool IsOrdinaryEnd(int wait_status) {
  if (WIFSIGNALED(wait_status))
    return WTERMSIG(wait_status) == SIGKILL || WTERMSIG(wait_status) == SIGTERM;
  const int code = WEXITSTATUS(wait_status);
  return code == 0 || code == 1 || code == 4;
}

}  // namespace

std::string Cluster::NameOf(size_t node) const {
  return fmt::format("{}{}", static_cast<char>('a' + node / options_.members),
                     node % options_.members + 1);
}

std::vector<std::string> Cluster::AddressesOf(size_t immortal) const {
  std::vector<std::string> addresses;
  for (size_t member = 0; member < options_.members; ++member)
    addresses.push_back(Address(NodeOf(immortal, member)));
  return addresses;
}

std::string Cluster::PeersOf(size_t immortal) const {
  std::string peers;
  for (const std::string& address : AddressesOf(immortal))
    peers += fmt::format("{}{}:{}", peers.empty() ? "" : ",", address, kPeerPort);
  return peers;
}

std::vector<std::string> Cluster::OnHost(size_t node) const {
  return {"nsenter", fmt::format("--mount=/proc/{}/ns/mnt", volume_.Home(node)),
          "--net=" + net_.NetworkOf(node), "--"};
}

absl::Status Cluster::CreateImmortal(size_t immortal, std::string& incarnation) const {
  const size_t node = NodeOf(immortal, 0);
  const std::string out = Prefix(node) + ".incarnation";
  std::vector<std::string> command = OnHost(node);
  for (const std::string& argument :
       {options_.bin + "/" + options_.sidecar, std::string("create"),
        "--name=" + ImmortalName(static_cast<uint32_t>(immortal)),
        std::string("--cluster=campaign"), "--log-dir=" + volume_.LogDir(immortal, node)}) {
    command.push_back(argument);
  }
  std::string why;
  if (!RunProgram(command, out, std::chrono::seconds(60), why))
    return absl::InternalError("cannot make an immortal: " + why);
  std::ifstream(out) >> incarnation;
  return absl::OkStatus();
}

void Cluster::AddNode(size_t immortal, size_t member, const std::string& incarnation) {
  const size_t node = NodeOf(immortal, member);
  const std::string prefix = Prefix(node);
  std::filesystem::create_directories(prefix + ".reports");
  ShiftClock(node, std::chrono::seconds(0));

  std::vector<std::string> coordinator = OnHost(node);
  for (const std::string& argument :
       {std::string("env"), fmt::format("LD_PRELOAD={}", kClockLibrary),
        "FAKETIME_TIMESTAMP_FILE=" + prefix + ".clock", std::string("FAKETIME_CACHE_DURATION=1"),
        std::string("FAKETIME_DONT_FAKE_MONOTONIC=1"), std::string("NO_FAKE_STAT=1"),
        options_.bin + "/" + options_.sidecar,
        "--name=" + ImmortalName(static_cast<uint32_t>(immortal)),
        std::string("--cluster=campaign"), "--member=" + NameOf(node),
        "--log-dir=" + volume_.LogDir(immortal, node), "--genesis=expect:" + incarnation,
        "--service-socket=" + prefix + ".sock", "--admin-socket=" + prefix + ".admin",
        std::string("--admin-http="), fmt::format("--peer-listen={}:{}", Address(node), kPeerPort),
        std::string("--segment-bytes=4MiB"), std::string("--checkpoint-every-bytes=16MiB")}) {
    coordinator.push_back(argument);
  }
  if (options_.members > 1) coordinator.push_back("--members=" + PeersOf(immortal));
  for (size_t other = 0; other < kImmortals; ++other) {
    if (other == immortal) continue;
    coordinator.push_back(
        fmt::format("--peer={}={}", ImmortalName(static_cast<uint32_t>(other)), PeersOf(other)));
  }

  std::vector<std::string> service = OnHost(node);
  for (const std::string& argument :
       {options_.bin + "/campaign-service", "--semper-link=unix:" + prefix + ".sock",
        fmt::format("--clients={}:{}", Address(node), kClientPort),
        "--report-dir=" + prefix + ".reports"}) {
    service.push_back(argument);
  }
  nodes_.push_back(
      {{std::make_unique<Process>(std::move(coordinator), prefix + ".coordinator.log"),
        Clock::now()},
       {std::make_unique<Process>(std::move(service), prefix + ".service.log"), Clock::now()}});
}

absl::Status Cluster::Start() {
  for (size_t i = 0; i <= nodes(); ++i) {
    if (const auto host = net_.AddHost(); !host.ok()) return host.status();
  }
  net_.Start();
  for (size_t immortal = 0; immortal < kImmortals; ++immortal) {
    std::string incarnation;
    if (absl::Status made = CreateImmortal(immortal, incarnation); !made.ok()) return made;
    for (size_t member = 0; member < options_.members; ++member)
      AddNode(immortal, member, incarnation);
  }
  return Tend(Clock::now());
}

absl::Status Cluster::TendOne(Supervised& one, size_t node, Clock::time_point now) {
  Process& process = *one.process;
  if (const std::optional<int> status = process.Reap()) {
    one.start_at = now + kRestartPause;
    if (!IsOrdinaryEnd(*status)) {
      crashes_.push_back(fmt::format("{} {}; {} has what it said", NameOf(node),
                                     shop::demo::DescribeStatus(*status), process.log()));
    }
  }
  if (process.running() || now < one.start_at || process.Start()) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, "cannot start a process of " + NameOf(node));
}

absl::Status Cluster::Tend(Clock::time_point now) {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    for (Supervised* one : {&nodes_[i].coordinator, &nodes_[i].service}) {
      if (absl::Status tended = TendOne(*one, i, now); !tended.ok()) return tended;
    }
  }
  return absl::OkStatus();
}

bool Cluster::AllRunning() const {
  for (const Node& node : nodes_) {
    if (!node.coordinator.process->running() || !node.service.process->running()) return false;
  }
  return true;
}

pid_t Cluster::Coordinator(size_t node) const {
  return std::max(nodes_[node].coordinator.process->pid(), 0);
}
pid_t Cluster::ServiceParent(size_t node) const {
  return std::max(nodes_[node].service.process->pid(), 0);
}
pid_t Cluster::ServiceChild(size_t node) const { return nodes_[node].service.process->Child(); }

void Cluster::ShiftClock(size_t node, std::chrono::seconds shift) const {
  const std::string path = Prefix(node) + ".clock";
  std::ofstream(path + ".new") << fmt::format("{:+}\n", shift.count());
  std::filesystem::rename(path + ".new", path);
}

std::string Cluster::ReportFile(size_t node, uint64_t id) const {
  return fmt::format("{}.reports/{}", Prefix(node), id);
}

std::vector<std::string> Cluster::Complaints() const {
  std::vector<std::string> complaints;
  for (size_t node = 0; node < nodes_.size(); ++node) {
    std::ifstream log(nodes_[node].coordinator.process->log());
    std::string last;
    for (std::string line; std::getline(log, line);) last = line;
    if (last.find(" E refused") != std::string::npos)
      complaints.push_back(fmt::format("{}: {}", NameOf(node), last));
  }
  return complaints;
}

// claims/<bucket>/<epoch>, below the directory of each immortal.
uint64_t Cluster::CountClaims() const {
  uint64_t claims = 0;
  for (size_t immortal = 0; immortal < kImmortals; ++immortal) {
    const size_t node = NodeOf(immortal, 0);
    const std::string dir =
        fmt::format("/proc/{}/root{}/{}/claims", volume_.Home(node), volume_.LogDir(immortal, node),
                    ImmortalName(static_cast<uint32_t>(immortal)));
    std::error_code error;
    // A volume that fails in the middle leaves a lower number.
    std::filesystem::recursive_directory_iterator entry(dir, error);
    for (; !error && entry != std::filesystem::end(entry); entry.increment(error)) {
      std::error_code ignored;
      claims += entry->is_regular_file(ignored) ? 1 : 0;
    }
  }
  return claims;
}

}  // namespace campaign
