#include "tests/simulation/immortal.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace semper::sim {

Immortal::Immortal(World& world, std::string name, int members)
    : world_(world),
      name_(std::move(name)),
      volume_(world.scheduler_),
      random_(members == 1 ? SimRandom(0) : world.scheduler_.random().Fork()) {
  // Members may share one machine: its cache, its power, and no partition between them.
  const bool one_machine = members == 1 || random_.Chance(1, 6);
  const std::string letter = name_.substr(name_.rfind('/') + 1);
  for (int i = 0; i < members; ++i) {
    if (!one_machine) volume_.AddMachine(absl::StrCat(name_, "-", i));
  }
  volume_.OnNamed(
      [this](const std::string& process, const std::string& path) { OnNamed(process, path); });
  volume_.OnSurfaced([this](const std::string& path, SimNanos) { OnSurfaced(path); });
  for (int i = 0; i < members; ++i) {
    members_.push_back(std::make_unique<Member>(*this, absl::StrCat(letter, "-", i),
                                                one_machine ? name_ : absl::StrCat(name_, "-", i),
                                                world_.addresses_[name_][static_cast<size_t>(i)]));
    if (members == 1) {
      members_.back()->Start();
    } else {
      members_.back()->StartAfter(random_.Skewed(50 * kMillisecond));
    }
  }
}

Member* Immortal::leader() {
  Member* newest = nullptr;
  uint64_t epoch = 0;
  for (auto& member : members_) {
    const Member::Life* life = member->leading();
    if (life == nullptr || Raw(life->coordinator->core()->epoch()) < epoch) continue;
    epoch = Raw(life->coordinator->core()->epoch());
    newest = member.get();
  }
  return newest;
}

void Immortal::Observe() {
  for (auto& member : members_) member->Observe();
}

void Immortal::PowerLoss() {
  for (auto& member : members_) member->EndAll();
  const SimVolumeCounters before = volume_.counters();
  volume_.PowerLoss();
  const SimVolumeCounters& after = volume_.counters();
  world_.Count(Situation::kPowerLoss);
  world_.Count(Situation::kReorderedWrites,
               after.power_losses_reordered - before.power_losses_reordered);
  ++world_.crashes_;
  for (auto& member : members_) {
    const SimNanos delay = member->random().Skewed(100 * kMillisecond);
    member->StartAfter(delay);
  }
}

void Immortal::DoomAll() {
  for (auto& member : members_) member->DoomAll();
}

void Immortal::CountFiles() {
  uint64_t lowest = UINT64_MAX;
  uint64_t changes = 0;
  for (const std::string& path : volume_.Files()) {
    const size_t at = path.rfind("/log/");
    if (at == std::string::npos || !path.ends_with(".seg")) continue;
    const uint64_t epoch = std::stoull(path.substr(at + 5, 16), nullptr, 16);
    const uint64_t number = std::stoull(path.substr(path.size() - 12, 8), nullptr, 16);
    lowest = std::min(lowest, epoch);
    if (number > 0) ++changes;
  }
  if (changes > 0) world_.Count(Situation::kSegmentChange, changes);
  if (lowest != UINT64_MAX && lowest > 1) world_.Count(Situation::kLogTruncated);
}

// A file has got a name: on the stack of the operation.
void Immortal::OnNamed(const std::string& process, const std::string& path) {
  const size_t slash = path.rfind('/');
  if (path.find("/checkpoints/") != std::string::npos && path.ends_with(".ckpt")) {
    const uint64_t index = std::stoull(path.substr(slash + 18, 16), nullptr, 16);
    if (index > world_.observer_.committed(name_)) {
      world_.observer_.Violate("I2 nothing leaves before it is committed",
                               absl::StrCat(process, " publishes ", path, ", committed is ",
                                            world_.observer_.committed(name_)));
    }
    return;
  }
  if (alone() || path.find("/claims/") == std::string::npos) return;
  if (world_.healing_ || world_.scheduler_.now() >= storm_until_) return;
  for (auto& member : members_) {
    Member::Life* const life = member->current();
    if (life == nullptr || life->process->name() != process) continue;
    const uint64_t fate = random_.Below(4);
    const uint64_t effects = random_.Below(3);
    const SimNanos pause = kSecond + random_.Skewed(60 * kSecond);
    if (fate < 2) life->process->CrashAfterEffects(effects);
    if (fate == 2) life->process->Pause(pause);
  }
}

void Immortal::OnSurfaced(const std::string& path) {
  const size_t at = path.rfind("/log/");
  if (at == std::string::npos || !path.ends_with(".seg")) return;
  const uint64_t epoch = std::stoull(path.substr(at + 5, 16), nullptr, 16);
  if (epoch < newest_sealed_) world_.Count(Situation::kLateWriteAfterTakeOver);
}

}  // namespace semper::sim
