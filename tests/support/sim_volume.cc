#include "tests/support/sim_volume.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/errno_status.h"
#include "tests/support/sim_fiber.h"

namespace semper::sim {
namespace {

bool Contains(DiskOps set, DiskOp op) { return (set & static_cast<DiskOps>(op)) != 0; }

bool NeedsPlatter(DiskOp op) {
  return Contains(DiskOp::kSync | DiskOp::kSyncDir | DiskOp::kPrewrite, op);
}

bool NeedsSpace(DiskOp op) {
  return Contains(DiskOp::kCreate | DiskOp::kWrite | DiskOp::kPrewrite | DiskOp::kMakeDir, op);
}

void Collect(const SimDirectory& directory, const std::string& path,
             std::vector<std::pair<std::string, SimFileData*>>& files) {
  for (const auto& [name, node] : directory.entries()) {
    const std::string below = absl::StrCat(path, "/", name);
    if (node.directory != nullptr) Collect(*node.directory, below, files);
    if (node.file != nullptr) files.emplace_back(below, node.file.get());
  }
}

}  // namespace

const char* DiskOpName(DiskOp op) {
  switch (op) {
    case DiskOp::kOpen:
      return "open";
    case DiskOp::kCreate:
      return "create";
    case DiskOp::kWrite:
      return "write";
    case DiskOp::kSync:
      return "sync";
    case DiskOp::kRead:
      return "read";
    case DiskOp::kSize:
      return "size";
    case DiskOp::kPrewrite:
      return "prewrite";
    case DiskOp::kList:
      return "list";
    case DiskOp::kMakeDir:
      return "mkdir";
    case DiskOp::kSyncDir:
      return "syncdir";
    case DiskOp::kRename:
      return "rename";
    case DiskOp::kRemove:
      return "remove";
    case DiskOp::kFreeBytes:
      return "free";
    case DiskOp::kIdentify:
      return "identify";
  }
  return "?";
}

SimVolume::SimVolume(SimScheduler& scheduler)
    : scheduler_(scheduler),
      random_(scheduler.random().Fork()),
      root_(std::make_shared<SimDirectory>()) {}

void SimVolume::PlanCrash(CrashPlan plan, std::function<void()> struck) {
  plan_ = plan;
  plan_struck_ = false;
  plan_struck_call_ = std::move(struck);
}

SimVolume::Turn SimVolume::Begin(View& view, DiskOp op, const std::string& path) {
  if (view.dead) return {Fate::kNot, absl::AbortedError("this simulated process was killed")};
  while (SimFiber::Current() != nullptr && scheduler_.now() < view.paused_until) {
    Wait(view.paused_until - scheduler_.now());
    if (view.dead) return {Fate::kNot, absl::AbortedError("this simulated process was killed")};
  }
  // A write goes to the cache of its machine.
  if (view.client != nullptr && op != DiskOp::kWrite && !Reach(view, op, path)) {
    ++counters_.operations_cut;
    if (view.dead)
      return {Fate::kNot, absl::AbortedError("this simulated process was killed"), true};
    return {Fate::kNot, ErrnoStatus(EIO, "simulated ", DiskOpName(op), " ", path, ", cut off"),
            true};
  }
  const bool mutation = Contains(kDiskMutations, op);
  const bool planned = plan_.has_value() && (plan_->machine.empty() || view.client == nullptr ||
                                             plan_->machine == view.client->name());
  if (mutation && planned && counters_.mutations >= plan_->after) {
    const bool tear = plan_->tear;
    const bool all = plan_->machine.empty();
    plan_.reset();
    plan_struck_ = true;
    for (auto& weak : views_) {
      const auto other = weak.lock();
      if (other && (all || other->client == view.client)) KillView(*other);
    }
    if (plan_struck_call_) std::exchange(plan_struck_call_, {})();
    if (tear) return Interrupted(view, op, path, "planned");
    return {Fate::kNot, absl::AbortedError("the planned crash struck")};
  }
  ++counters_.operations;
  if (mutation) ++counters_.mutations;
  SimNanos slow = 0;
  const auto fault = DrawFault(op, path, &slow);
  if (SimFiber::Current() != nullptr) {
    const bool platter = NeedsPlatter(op);
    const SimNanos least = platter ? timing_.sync_min : timing_.touch_min;
    const SimNanos most = platter ? timing_.sync_max : timing_.touch_max;
    Wait(least + random_.Skewed(most - least) + slow);
    if (view.dead) return Interrupted(view, op, path, "killed");
  }
  scheduler_.Trace(view.process, DiskOpName(op), path);
  if (mutation) ++moment_;
  if (!fault.has_value()) return {};
  if (*fault == FaultKind::kNoSpace) {
    ++counters_.no_space;
    scheduler_.Trace(view.process, "ENOSPC");
    return {Fate::kPartly, ErrnoStatus(ENOSPC, "simulated ", DiskOpName(op), " ", path)};
  }
  const bool lied = *fault == FaultKind::kSyncLies;
  lied ? ++counters_.syncs_lying : ++counters_.io_errors;
  scheduler_.Trace(view.process, lied ? "EIO, pages left clean" : "EIO");
  return {lied ? Fate::kLied : Fate::kPartly,
          ErrnoStatus(EIO, "simulated ", DiskOpName(op), " ", path)};
}

void SimVolume::Wait(SimNanos delay) {
  SimFiber* const fiber = SimFiber::Current();
  if (fiber == nullptr) return;
  // Who drains a killed process resumes its fibers without waiting for this event, which then finds
  // `pending` gone.
  auto pending = std::make_shared<bool>(true);
  scheduler_.After(delay, [fiber, weak = std::weak_ptr<bool>(pending)] {
    if (!weak.expired()) fiber->Resume();
  });
  SimFiber::Suspend();
}

bool SimVolume::Reach(View& view, DiskOp op, const std::string& path) {
  const SimClient& client = *view.client;
  if (scheduler_.now() >= client.cut_until()) return true;
  if (SimFiber::Current() == nullptr) return false;
  const bool patient = random_.Coin();
  const SimNanos patience = random_.Skewed(60 * kSecond);
  const SimNanos end = patient ? UINT64_MAX : scheduler_.now() + patience;
  scheduler_.Trace(view.process, DiskOpName(op), path, "hangs");
  while (!view.dead && scheduler_.now() < std::min(end, client.cut_until())) {
    const SimNanos rest = std::min(end, client.cut_until()) - scheduler_.now();
    Wait(std::min(rest, 2 * kSecond));
  }
  return !view.dead && scheduler_.now() >= client.cut_until();
}

bool SimVolume::Happens(const Turn& turn) {
  if (turn.fate == Fate::kPartly) return random_.Coin();
  return turn.fate == Fate::kDone;
}

SimVolume::Turn SimVolume::Interrupted(View& view, DiskOp op, const std::string& path,
                                       const char* why) {
  if (Contains(kDiskMutations, op)) ++counters_.operations_interrupted;
  ++moment_;
  scheduler_.Trace(view.process, "interrupted in", DiskOpName(op), path, why);
  return {Fate::kPartly, absl::AbortedError("this simulated process was killed")};
}

std::optional<FaultKind> SimVolume::DrawFault(DiskOp op, const std::string& path, SimNanos* slow) {
  for (FaultRule& rule : faults_) {
    if (rule.times == 0 || !Contains(rule.operations, op)) continue;
    if (rule.kind == FaultKind::kNoSpace && !NeedsSpace(op)) continue;
    if (rule.kind == FaultKind::kSyncLies && op != DiskOp::kSync) continue;
    if (path.find(rule.path_part) == std::string::npos) continue;
    if (rule.skip > 0) {
      --rule.skip;
      continue;
    }
    if (!random_.Chance(1, rule.one_in)) continue;
    --rule.times;
    if (rule.kind != FaultKind::kSlow) return rule.kind;
    ++counters_.slow;
    *slow = random_.Between(rule.slow_min, rule.slow_max);
    scheduler_.Trace("slow", DiskOpName(op), path, *slow);
  }
  return std::nullopt;
}

void SimVolume::AddMachine(const std::string& name) {
  SEMPER_CHECK(ClientOf(name) == nullptr, "machine ", name, " is on this volume twice");
  const auto number = static_cast<uint32_t>(clients_.size() + 1);
  clients_.push_back(std::make_unique<SimClient>(*this, number, name));
}

SimClient* SimVolume::ClientOf(const std::string& machine) {
  for (const auto& client : clients_) {
    if (client->name() == machine) return client.get();
  }
  return nullptr;
}

void SimVolume::CutOff(const std::string& machine, SimNanos until) {
  scheduler_.Trace("volume", machine, "is cut off until", until);
  if (SimClient* client = ClientOf(machine)) client->CutUntil(until);
}

void SimVolume::Surface(SimFileData& file, const std::string& path, uint32_t writer,
                        uint64_t offset, std::span<const std::byte> bytes, SimNanos written) {
  const SimNanos age = scheduler_.now() - written;
  if (age >= kSecond) {
    ++counters_.writes_late;
    scheduler_.Trace("volume: late write", path, offset, bytes.size(), age);
  }
  file.Write(offset, bytes, ++moment_, random_, writer);
  if (surfaced_) surfaced_(path, written);
}

void SimVolume::MachineDied(const std::string& machine) {
  SimClient* const client = ClientOf(machine);
  SEMPER_CHECK(client != nullptr, "machine ", machine, " is not on this volume");
  for (auto& weak : views_) {
    const auto view = weak.lock();
    if (view && view->client == client) KillView(*view);
  }
  client->Die();
}

void SimVolume::RestartServer() {
  ++counters_.server_restarts;
  std::vector<bool> resends(clients_.size() + 1);
  for (size_t i = 0; i < resends.size(); ++i) resends[i] = random_.Coin();
  std::vector<std::pair<std::string, SimFileData*>> before;
  Collect(*root_, "", before);
  std::vector<std::shared_ptr<SimFileData>> known;
  for (const auto& [path, file] : before) {
    known.push_back(Walk(path).file);
    const uint32_t writer = file->writer();
    if (writer > 0 && resends[writer]) clients_[writer - 1]->TakeBack(known.back(), path);
  }
  LosePower(Survival::kRandom);
  std::vector<std::pair<std::string, SimFileData*>> after;
  Collect(*root_, "", after);
  std::set<uint64_t> left;
  for (const auto& [path, file] : after) left.insert(file->id());
  for (const auto& file : known) {
    file->stale = !left.contains(file->id());
    if (!file->lost || file->writer() == 0 || resends[file->writer()]) continue;
    file->owes_error = true;
    ++counters_.sync_errors_owed;
  }
}

void SimVolume::KillView(View& view) {
  if (!view.dead) ++counters_.process_crashes;
  view.dead = true;
}

void SimVolume::PowerLoss(Survival how) {
  for (auto& weak : views_) {
    if (auto view = weak.lock()) KillView(*view);
  }
  views_.clear();
  for (const auto& client : clients_) client->Die();
  LosePower(how);
  root_->ForgetErrors();
}

void SimVolume::LosePower(Survival how) {
  ++counters_.power_losses;
  SurvivalDraw draw(how, random_, moment_);
  uint64_t first_lost = UINT64_MAX;
  uint64_t last_kept = 0;
  const SimVolumeCounters before = counters_;
  root_->PowerLoss(draw, counters_, ++crash_, &first_lost, &last_kept);
  if (last_kept > first_lost) ++counters_.power_losses_reordered;
  scheduler_.Trace("power loss: sectors lost", counters_.sectors_lost - before.sectors_lost, "kept",
                   counters_.sectors_kept - before.sectors_kept, "entries lost",
                   counters_.entries_lost - before.entries_lost, "kept",
                   counters_.entries_kept - before.entries_kept);
}

SimNode SimVolume::Walk(const std::string& path) const {
  SimNode node{.file = nullptr, .directory = root_};
  std::string_view rest(path);
  while (!rest.empty()) {
    const size_t slash = rest.find('/');
    const std::string name(rest.substr(0, slash));
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
    if (name.empty()) continue;
    if (node.directory == nullptr) return {};
    node = node.directory->Find(name);
    if (!node) return {};
  }
  return node;
}

absl::StatusOr<std::shared_ptr<SimDirectory>> SimVolume::Parent(const std::string& path,
                                                                std::string* name) {
  const size_t slash = path.rfind('/');
  const SimNode node = Walk(slash == std::string::npos ? "" : path.substr(0, slash));
  if (node.directory == nullptr) {
    return ErrnoStatus(ENOENT, "simulated path ", path);
  }
  *name = slash == std::string::npos ? path : path.substr(slash + 1);
  return node.directory;
}

uint64_t SimVolume::UsedBytes() const {
  std::vector<std::pair<std::string, SimFileData*>> files;
  Collect(*root_, "", files);
  uint64_t bytes = 0;
  for (const auto& [path, file] : files) bytes += file->size();
  return bytes;
}

std::vector<std::string> SimVolume::Files() const {
  std::vector<std::pair<std::string, SimFileData*>> files;
  Collect(*root_, "", files);
  std::vector<std::string> paths;
  for (auto& [path, file] : files) paths.push_back(std::move(path));
  return paths;
}

std::optional<std::vector<std::byte>> SimVolume::Contents(const std::string& path) const {
  const SimNode node = Walk(path);
  if (node.file == nullptr) return std::nullopt;
  std::vector<std::byte> bytes(node.file->size());
  node.file->Read(0, bytes, false);
  return bytes;
}

bool SimVolume::FlipBit(const std::string& path, uint64_t offset, int bit) {
  const SimNode node = Walk(path);
  if (node.file == nullptr || offset >= node.file->size()) return false;
  node.file->FlipBit(offset, bit);
  ++counters_.bits_flipped;
  scheduler_.Trace("bit flipped in", path, offset, bit);
  return true;
}

std::optional<std::pair<std::string, uint64_t>> SimVolume::FlipRandomBit(
    const std::string& path_part) {
  std::vector<std::pair<std::string, SimFileData*>> files;
  Collect(*root_, "", files);
  std::erase_if(files, [&](const auto& item) {
    return item.second->size() == 0 || item.first.find(path_part) == std::string::npos;
  });
  if (files.empty()) return std::nullopt;
  const auto& [path, file] = random_.Pick(files);
  const uint64_t offset = random_.Below(file->size());
  FlipBit(path, offset, static_cast<int>(random_.Below(8)));
  return std::pair(path, offset);
}

}  // namespace semper::sim
