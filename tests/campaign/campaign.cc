#include "tests/campaign/campaign.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

namespace campaign {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

volatile std::sig_atomic_t interrupted = 0;

constexpr uint32_t kClientsOfEach = 4;  // immortal
constexpr seconds kLiveLimit{240};      // until every immortal has answered for the first time
constexpr seconds kHealed{8};           // load goes on after the chaos
constexpr seconds kHealLimit{180};
constexpr seconds kRestLimit{180};
constexpr seconds kShowEvery{10};
constexpr milliseconds kStep{5};
constexpr milliseconds kAskLimit{3000};
constexpr uint64_t kFirstOwnId = uint64_t{1} << 62;  // of the driver's own questions

std::string ContentOf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

absl::Status InterruptedStatus() { return absl::CancelledError("interrupted"); }

std::vector<FaultKind> Chosen(std::vector<FaultKind> possible, const std::string& only) {
  if (only.empty()) return possible;
  std::erase_if(possible, [&](FaultKind kind) {
    return ("," + only + ",").find("," + std::string(NameOf(kind)) + ",") == std::string::npos;
  });
  return possible;
}

}  // namespace

void Campaign::Interrupt() { interrupted = 1; }

Campaign::Campaign(const Options& options, std::string dir, const std::string& volume,
                   std::chrono::nanoseconds length, Heartbeat& heartbeat)
    : options_(options),
      dir_(std::move(dir)),
      length_(length),
      heartbeat_(heartbeat),
      volume_(volume == "local" ? MakeLocalVolume(dir_)
                                : MakeReplicatedVolume(dir_, options.volume_script)),
      net_(options.seed) {
  std::error_code error;
  bin_ = std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

Campaign::~Campaign() {
  ++heartbeat_.beats;
  clients_.clear();
  chaos_.reset();
  cluster_.reset();
  volume_->Stop();
}

void Campaign::Say(const std::string& text) const {
  std::fprintf(stderr, "campaign: %s\n", text.c_str());
}

absl::Status Campaign::StartAll() {
  const size_t nodes = kImmortals * options_.members;
  if (absl::Status started = volume_->Start(kImmortals, nodes); !started.ok()) return started;
  ++heartbeat_.beats;
  if (interrupted != 0) return InterruptedStatus();
  ClusterOptions options;
  options.dir = dir_;
  options.bin = bin_;
  options.sidecar = options_.sabotage ? "semper-sidecar-blind" : "semper-sidecar";
  options.members = options_.members;
  cluster_ = std::make_unique<Cluster>(options, net_, *volume_);
  if (absl::Status started = cluster_->Start(); !started.ok()) return started;
  chaos_ = std::make_unique<Chaos>(*cluster_, *volume_, net_, bin_ + "/campaign-tracer",
                                   dir_ + "/faults",
                                   [this](size_t immortal) { return LeaderOf(immortal); });
  return absl::OkStatus();
}

void Campaign::StartClients() {
  for (uint32_t i = 0; i < kImmortals * kClientsOfEach; ++i) {
    ClientOptions options;
    options.number = i;
    options.immortal = i % kImmortals;
    options.addresses = cluster_->AddressesOf(options.immortal);
    options.port = kClientPort;
    options.rate = options_.rate / (kImmortals * kClientsOfEach);
    options.seed = options_.seed;
    options.history = fmt::format("{}/history-{:02}", dir_, i);
    auto running = std::make_unique<RunningClient>();
    running->client = std::make_unique<Client>(std::move(options));
    running->thread = std::jthread([this, one = running.get()](std::stop_token stop) {
      one->status = net_.Enter(cluster_->clients_port());
      if (one->status.ok()) one->status = one->client->Run(std::move(stop));
    });
    clients_.push_back(std::move(running));
  }
}

absl::Status Campaign::StopClients() {
  for (const auto& running : clients_) running->thread.request_stop();
  absl::Status status;
  for (const auto& running : clients_) {
    running->thread.join();
    status.Update(running->status);
  }
  return status;
}

uint64_t Campaign::OkOf(size_t immortal) const {
  uint64_t ok = 0;
  for (size_t i = immortal; i < clients_.size(); i += kImmortals)
    ok += clients_[i]->client->counts().ok;
  return ok;
}

size_t Campaign::LeaderOf(size_t immortal) const {
  return clients_[immortal]->client->counts().leader;
}

absl::Status Campaign::Step() {
  ++heartbeat_.beats;
  if (interrupted != 0) return InterruptedStatus();
  const Clock::time_point now = Clock::now();
  if (absl::Status tended = cluster_->Tend(now); !tended.ok()) return tended;
  chaos_->EndDue(now);
  ShowProgress();
  shop::demo::SleepFor(kStep);
  return absl::OkStatus();
}

void Campaign::ShowProgress() {
  const Clock::time_point now = Clock::now();
  if (now - shown_ < kShowEvery) return;
  uint64_t ok = 0, unknown = 0, refused = 0, longest = 0;
  for (const auto& running : clients_) {
    const ClientCounts& counts = running->client->counts();
    ok += counts.ok;
    unknown += counts.unknown;
    refused += counts.refused;
    longest = std::max<uint64_t>(longest, counts.longest_us);
  }
  const double since = std::chrono::duration<double>(now - shown_).count();
  const ChaosCounts& counts = chaos_->counts();
  Say(
      fmt::format("{:.0f} s: {} ok ({:.0f}/s), {} unknown, {} refused, longest wait {} ms; {} "
                  "kills, {} pauses, {} partitions, {} failed calls",
                  std::chrono::duration<double>(now - begun_).count(), ok,
                  static_cast<double>(ok - shown_ok_) / since, unknown, refused, longest / 1000,
                  counts.kills, counts.pauses, counts.partitions, counts.failed_calls));
  shown_ = now;
  shown_ok_ = ok;
}

absl::Status Campaign::WaitUntilLive() {
  begun_ = shown_ = Clock::now();
  const Clock::time_point end = begun_ + kLiveLimit;
  for (size_t immortal = 0; immortal < kImmortals; ++immortal) {
    while (OkOf(immortal) == 0) {
      if (absl::Status step = Step(); !step.ok()) return step;
      if (Clock::now() < end) continue;
      return absl::DeadlineExceededError(fmt::format("{} answered nobody within {} s of its start",
                                                     ImmortalName(static_cast<uint32_t>(immortal)),
                                                     kLiveLimit.count()));
    }
  }
  return absl::OkStatus();
}

absl::Status Campaign::RunChaos() {
  const std::vector<FaultKind> kinds = Chosen(Chaos::Possible(*cluster_, *volume_), options_.only);
  const Clock::time_point end = Clock::now() + length_;
  FaultPlan plan(options_.seed, kinds.empty() ? std::vector{FaultKind::kShiftClock} : kinds,
                 options_.every);
  Fault next = plan.Next();
  Clock::time_point due = Clock::now() + next.pause;
  while (Clock::now() < end) {
    if (absl::Status step = Step(); !step.ok()) return step;
    if (kinds.empty() || Clock::now() < due) continue;
    chaos_->Begin(next, Clock::now());
    next = plan.Next();
    due = Clock::now() + next.pause;
  }
  return absl::OkStatus();
}

// Everything works again, and the load goes on: every immortal must answer.
absl::Status Campaign::RunHealed() {
  chaos_->Heal();
  std::vector<uint64_t> before;
  for (size_t i = 0; i < kImmortals; ++i) before.push_back(OkOf(i));
  const Clock::time_point healed = Clock::now();
  for (;;) {
    if (absl::Status step = Step(); !step.ok()) return step;
    bool all = cluster_->AllRunning();
    for (size_t i = 0; i < kImmortals; ++i) all = all && OkOf(i) > before[i];
    if (all && Clock::now() - healed > kHealed) return absl::OkStatus();
    if (Clock::now() - healed < kHealLimit) continue;
    std::string silent;
    for (size_t i = 0; i < kImmortals; ++i) {
      if (OkOf(i) == before[i]) silent += " " + ImmortalName(static_cast<uint32_t>(i));
    }
    return absl::DeadlineExceededError(
        fmt::format("{} s after all was healed not everything works:{}", kHealLimit.count(),
                    silent.empty() ? " a process keeps ending" : silent + " answers nobody"));
  }
}

std::string Campaign::TakeReports(uint64_t id) {
  std::string missing;
  for (uint32_t immortal = 0; immortal < kImmortals; ++immortal) {
    std::vector<Copy> copies;
    for (size_t member = 0; member < cluster_->members(); ++member) {
      const size_t node = cluster_->NodeOf(immortal, member);
      absl::StatusOr<LedgerState> state = ParseState(ContentOf(cluster_->ReportFile(node, id)));
      if (state.ok()) {
        copies.push_back({cluster_->NameOf(node), *std::move(state)});
      } else {
        missing += " " + cluster_->NameOf(node);
      }
    }
    if (!copies.empty()) states_[immortal] = std::move(copies);
  }
  return missing;
}

bool Campaign::Ask(const Operation& operation, Answer& answer) const {
  bool told = false;
  std::thread([&] {
    told = net_.Enter(cluster_->clients_port()).ok() &&
           AskOnce(cluster_->AddressesOf(operation.immortal), kClientPort, operation, kAskLimit,
                   answer);
  }).join();
  return told;
}

// Without load all transfers are settled after a while; then every copy reports its state. What has
// been reported stays in states_, also if something is missing at the end.
absl::Status Campaign::ComeToRest() {
  const Clock::time_point end = Clock::now() + kRestLimit;
  for (uint64_t id = kFirstOwnId;; ++id) {
    bool rest = true, acknowledged = true;
    for (uint32_t immortal = 0; immortal < kImmortals; ++immortal) {
      Answer answer;
      const Operation report{.id = id, .kind = Kind::kReport, .immortal = immortal};
      acknowledged = Ask(report, answer) && acknowledged;
      rest = rest && answer.first == 0;
    }
    std::string missing;
    const Clock::time_point again = Clock::now() + seconds(1);
    while (Clock::now() < again) {
      if (absl::Status step = Step(); !step.ok()) return step;
      missing = TakeReports(id);
      settled_ = acknowledged && rest;
      if (settled_ && missing.empty()) return absl::OkStatus();
    }
    const bool hopeless = settled_ && !cluster_->Complaints().empty();
    if (Clock::now() < end && !hopeless) continue;
    return absl::DeadlineExceededError(fmt::format(
        "the load has ended, but {}", !acknowledged ? "an immortal answers nobody"
                                      : !rest
                                          ? "transfers between immortals are not settled"
                                          : "these copies do not report their state:" + missing));
  }
}

absl::Status Campaign::Judge(Verdict& verdict) {
  std::vector<Record> histories;
  for (size_t i = 0; i < clients_.size(); ++i) {
    const std::string path = fmt::format("{}/history-{:02}", dir_, i);
    if (absl::Status read = ParseHistory(ContentOf(path), histories); !read.ok()) return read;
  }
  verdict = Check(histories, states_, settled_);
  return absl::OkStatus();
}

// Of a run that has no final states to judge.
void Campaign::CountInvoked(Verdict& verdict) const {
  for (const auto& running : clients_) {
    const ClientCounts& counts = running->client->counts();
    verdict.operations += counts.invoked;
    verdict.ok += counts.ok;
    verdict.refused += counts.refused;
    verdict.unknown += counts.unknown;
  }
}

absl::Status Campaign::Drive(Outcome& outcome) {
  if (absl::Status started = StartAll(); !started.ok()) return started;
  StartClients();
  absl::Status went = WaitUntilLive();
  if (went.ok()) went = RunChaos();
  if (went.ok()) went = RunHealed();
  chaos_->Heal();
  if (absl::Status stopped = StopClients(); !stopped.ok()) return stopped;
  outcome.takeovers = cluster_->CountClaims();
  outcome.faults = chaos_->counts();
  if (absl::IsCancelled(went)) {
    CountInvoked(outcome.verdict);
    return went;
  }
  // Also when it did not go well the books are of interest, if they can be had.
  if (absl::Status rest = ComeToRest(); !rest.ok()) went.Update(rest);
  for (const std::string& complaint : cluster_->Complaints()) Say(complaint);
  for (const std::string& crash : cluster_->crashes()) Say(crash);
  if (!cluster_->crashes().empty()) {
    went.Update(
        absl::InternalError(fmt::format("{} processes crashed, first: {}",
                                        cluster_->crashes().size(), cluster_->crashes().front())));
  }
  ++heartbeat_.beats;
  went.Update(Judge(outcome.verdict));
  ++heartbeat_.beats;
  return went;
}

Outcome Campaign::Run() {
  Outcome outcome;
  outcome.status = Drive(outcome);
  for (size_t i = 0; chaos_ != nullptr && i < kFaultKinds; ++i) {
    if (chaos_->counts().begun[i] == 0) continue;
    Say(fmt::format("{:4} {}", chaos_->counts().begun[i], NameOf(static_cast<FaultKind>(i))));
  }
  Say(fmt::format("switch: {} frames passed, {} lost", net_.passed(), net_.dropped()));
  return outcome;
}

}  // namespace campaign
