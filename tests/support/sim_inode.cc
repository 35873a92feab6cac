#include "tests/support/sim_inode.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace semper::sim {

SurvivalDraw::SurvivalDraw(Survival how, SimRandom& random, uint64_t last_moment)
    : how_(how), random_(random) {
  if (how_ != Survival::kRandom) return;
  in_order_ = random_.Chance(1, 4);
  moment_end_ = random_.Below(last_moment + 2);
  constexpr std::array<uint64_t, 6> kChances = {0, 2, 8, 8, 14, 16};
  kept_of_16_ = kChances[random_.Below(kChances.size())];
}

bool SurvivalDraw::Keeps(uint64_t moment) {
  if (how_ != Survival::kRandom) return how_ == Survival::kEverything;
  if (in_order_) return moment < moment_end_;
  return random_.Chance(kept_of_16_, 16);
}

void SimFileData::Write(uint64_t offset, std::span<const std::byte> from, uint64_t moment,
                        SimRandom& random, uint32_t writer) {
  if (from.empty()) return;
  writer_ = writer;
  const uint64_t end = offset + from.size();
  if (end > bytes_.size()) bytes_.resize(end);
  auto hint = unsynced_.lower_bound(offset / kSectorBytes);
  for (uint64_t sector = offset / kSectorBytes; sector * kSectorBytes < end; ++sector) {
    const uint64_t begin = sector * kSectorBytes;
    const size_t length = std::min<uint64_t>(kSectorBytes, bytes_.size() - begin);
    const bool known = hint != unsynced_.end() && hint->first == sector;
    if (!known) {
      hint = unsynced_.emplace_hint(hint, sector, Unsynced{});
      hint->second.platter.fill(std::byte{0});
    }
    // Between two writes to a sector the kernel may have written the first one back by itself.
    const bool written_back = known && !hint->second.lost && random.Chance(1, 8);
    if (!known || written_back) {
      std::memcpy(hint->second.platter.data(), bytes_.data() + begin, length);
    }
    hint->second.moment = moment;
    hint->second.lost = false;
    ++hint;
  }
  std::memcpy(bytes_.data() + offset, from.data(), from.size());
}

void SimFileData::PutBack(uint64_t sector, const Unsynced& unsynced, std::span<std::byte> to,
                          uint64_t to_offset) const {
  const uint64_t begin = std::max(sector * kSectorBytes, to_offset);
  const uint64_t end = std::min((sector + 1) * kSectorBytes, to_offset + to.size());
  if (begin >= end) return;
  std::memcpy(to.data() + (begin - to_offset),
              unsynced.platter.data() + (begin - sector * kSectorBytes), end - begin);
}

size_t SimFileData::Read(uint64_t offset, std::span<std::byte> out, bool fresh) const {
  if (offset >= bytes_.size()) return 0;
  out = out.first(std::min<uint64_t>(out.size(), bytes_.size() - offset));
  std::memcpy(out.data(), bytes_.data() + offset, out.size());
  if (!fresh) return out.size();
  // A direct read makes the kernel write dirty pages back first; clean ones it takes to be on the
  // disk.
  for (auto at = unsynced_.lower_bound(offset / kSectorBytes);
       at != unsynced_.end() && at->first * kSectorBytes < offset + out.size(); ++at) {
    if (at->second.lost) PutBack(at->first, at->second, out, offset);
  }
  return out.size();
}

std::vector<uint64_t> SimFileData::UnsyncedSectors() const {
  std::vector<uint64_t> sectors;
  for (const auto& [sector, unsynced] : unsynced_) {
    if (!unsynced.lost) sectors.push_back(sector);
  }
  return sectors;
}

void SimFileData::Sync(uint32_t writer) {
  if (writer != writer_) return;
  std::erase_if(unsynced_, [](const auto& item) { return !item.second.lost; });
  platter_size_ = bytes_.size();
}

void SimFileData::SyncPartly(SimRandom& random, uint32_t writer) {
  if (writer != writer_) return;
  std::erase_if(unsynced_, [&](const auto& item) { return !item.second.lost && random.Coin(); });
  if (random.Coin()) platter_size_ = bytes_.size();
}

void SimFileData::LoseUnsynced() {
  for (auto& [sector, unsynced] : unsynced_) unsynced.lost = true;
}

void SimFileData::PowerLoss(SurvivalDraw& draw, SimVolumeCounters& counters, uint64_t* first_lost,
                            uint64_t* last_kept) {
  uint64_t size = bytes_.size();
  if (size > platter_size_) {
    // The length is metadata with a fate of its own: it may cut off sectors that survived, or
    // reveal zeroes.
    if (draw.how() == Survival::kNothing) {
      size = platter_size_;
    } else if (draw.how() == Survival::kRandom) {
      const uint64_t fate = draw.random().Below(4);
      if (fate == 0) size = platter_size_;
      if (fate == 1) size = draw.random().Between(platter_size_, size);
    }
  }
  lost = size < bytes_.size();
  if (lost) ++counters.files_cut;
  for (const auto& [sector, unsynced] : unsynced_) {
    const bool kept = !unsynced.lost && draw.Keeps(unsynced.moment);
    if (kept) {
      ++counters.sectors_kept;
      *last_kept = std::max(*last_kept, unsynced.moment);
    } else {
      ++counters.sectors_lost;
      lost = true;
      *first_lost = std::min(*first_lost, unsynced.moment);
      PutBack(sector, unsynced, bytes_, 0);
    }
  }
  unsynced_.clear();
  bytes_.resize(size);
  platter_size_ = size;
}

SimNode SimDirectory::Find(const std::string& name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? SimNode{} : found->second;
}

void SimDirectory::Add(const std::string& name, SimNode node, uint64_t moment, uint32_t client) {
  unsynced_.push_back({{}, name, std::move(node), moment, client});
  Apply(unsynced_.back(), entries_);
}

void SimDirectory::Remove(const std::string& name, uint64_t moment, uint32_t client) {
  unsynced_.push_back({name, {}, {}, moment, client});
  Apply(unsynced_.back(), entries_);
}

void SimDirectory::Rename(const std::string& from, const std::string& to, uint64_t moment,
                          uint32_t client) {
  unsynced_.push_back({from, to, Find(from), moment, client});
  Apply(unsynced_.back(), entries_);
}

void SimDirectory::Apply(const Change& change, std::map<std::string, SimNode>& to) {
  if (!change.removed.empty()) to.erase(change.removed);
  if (!change.added.empty()) to[change.added] = change.node;
}

void SimDirectory::Sync() {
  platter_ = entries_;
  unsynced_.clear();
}

void SimDirectory::SyncPartly(SimRandom& random) {
  const size_t done = random.Below(unsynced_.size() + 1);
  for (size_t i = 0; i < done; ++i) Apply(unsynced_[i], platter_);
  unsynced_.erase(unsynced_.begin(), unsynced_.begin() + static_cast<ptrdiff_t>(done));
}

void SimDirectory::ForgetErrors() {
  owed_.clear();
  for (auto& [name, node] : entries_) {
    if (node.directory != nullptr) node.directory->ForgetErrors();
  }
}

void SimDirectory::PowerLoss(SurvivalDraw& draw, SimVolumeCounters& counters, uint64_t crash,
                             uint64_t* first_lost, uint64_t* last_kept) {
  // Journals keep the order; other file systems need not.
  const bool prefix = draw.random().Chance(2, 3);
  bool lost_before = false;
  bool reordered = false;
  for (const Change& change : unsynced_) {
    const bool kept = draw.Keeps(change.moment) && !(prefix && lost_before);
    if (kept) {
      ++counters.entries_kept;
      reordered |= lost_before;
      Apply(change, platter_);
    } else {
      ++counters.entries_lost;
      lost_before = true;
      owed_.insert(change.client);
    }
  }
  if (reordered) ++counters.entries_reordered;
  unsynced_.clear();
  entries_ = platter_;
  for (auto& [name, node] : entries_) {
    if (node.directory != nullptr) {
      node.directory->PowerLoss(draw, counters, crash, first_lost, last_kept);
    } else if (node.file->crash_seen != crash) {
      node.file->crash_seen = crash;
      node.file->PowerLoss(draw, counters, first_lost, last_kept);
    }
  }
}

}  // namespace semper::sim
