#include "tests/support/sim_client.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "tests/support/sim_volume.h"

namespace semper::sim {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr SimNanos kSoonMax = 3 * kMillisecond;

// Copies what `from`, which begins at `from_offset`, has of `to`, which begins at `to_offset`.
void CopyOverlap(std::span<const std::byte> from, uint64_t from_offset, std::span<std::byte> to,
                 uint64_t to_offset) {
  const uint64_t begin = std::max(from_offset, to_offset);
  const uint64_t end = std::min(from_offset + from.size(), to_offset + to.size());
  if (begin >= end) return;
  std::memcpy(to.data() + (begin - to_offset), from.data() + (begin - from_offset), end - begin);
}

}  // namespace

SimClient::SimClient(SimVolume& volume, uint32_t number, std::string name)
    : volume_(volume),
      number_(number),
      name_(std::move(name)),
      random_(volume.scheduler().random().Fork()) {}

SimClient::Cached& SimClient::Of(const std::shared_ptr<SimFileData>& file,
                                 const std::string& path) {
  Cached& cached = cached_[file->id()];
  cached.file = file;
  cached.path = path;
  return cached;
}

void SimClient::Revalidate(Cached& cached) {
  const SimNanos now = volume_.scheduler().now();
  if (now < cached.valid_until) return;
  cached.pages.clear();
  cached.size = cached.file->size();
  for (const Piece& piece : cached.dirty)
    cached.size = std::max<uint64_t>(cached.size, piece.offset + piece.bytes.size());
  cached.valid_until = now + random_.Skewed(volume_.cache_timing().stale_max);
}

const std::vector<std::byte>& SimClient::Page(Cached& cached, uint64_t number) {
  const auto [at, fresh] = cached.pages.try_emplace(number);
  if (!fresh) return at->second;
  at->second.resize(kPageBytes);
  cached.file->Read(number * kPageBytes, at->second, false);
  for (const Piece& piece : cached.dirty)
    CopyOverlap(piece.bytes, piece.offset, at->second, number * kPageBytes);
  return at->second;
}

// What this machine wrote it sees at once, also in pages that it read before.
void SimClient::Keep(Cached& cached, const Piece& piece) {
  const uint64_t end = piece.offset + piece.bytes.size();
  cached.size = std::max(cached.size, end);
  for (auto page = cached.pages.lower_bound(piece.offset / kPageBytes);
       page != cached.pages.end() && page->first * kPageBytes < end; ++page) {
    CopyOverlap(piece.bytes, piece.offset, page->second, page->first * kPageBytes);
  }
}

void SimClient::Write(const std::shared_ptr<SimFileData>& file, const std::string& path,
                      uint64_t offset, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  Cached& cached = Of(file, path);
  const SimNanos now = volume_.scheduler().now();
  // In two pieces at a page's end, so that they may come to the server in any order.
  size_t first = bytes.size();
  if (bytes.size() > kPageBytes) {
    const uint64_t pages = (bytes.size() - 1) / kPageBytes;
    first = std::min<size_t>(bytes.size(), (1 + random_.Below(pages)) * kPageBytes);
  }
  for (const auto part : {bytes.first(first), bytes.subspan(first)}) {
    if (part.empty()) continue;
    cached.dirty.push_back({offset, {part.begin(), part.end()}, now});
    offset += part.size();
    Keep(cached, cached.dirty.back());
  }
  PlanWriteBack(cached);
}

size_t SimClient::Read(const std::shared_ptr<SimFileData>& file, const std::string& path,
                       uint64_t offset, std::span<std::byte> out) {
  Cached& cached = Of(file, path);
  Revalidate(cached);
  if (offset >= cached.size) return 0;
  out = out.first(std::min<uint64_t>(out.size(), cached.size - offset));
  for (uint64_t page = offset / kPageBytes; page * kPageBytes < offset + out.size(); ++page)
    CopyOverlap(Page(cached, page), page * kPageBytes, out, offset);
  return out.size();
}

uint64_t SimClient::Size(const std::shared_ptr<SimFileData>& file, const std::string& path) {
  Cached& cached = Of(file, path);
  Revalidate(cached);
  return cached.size;
}

void SimClient::Send(Cached& cached, const Piece& piece) {
  volume_.Surface(*cached.file, cached.path, number_, piece.offset, piece.bytes, piece.written);
}

void SimClient::Flush(const SimFileData& file) {
  const auto found = cached_.find(file.id());
  if (found == cached_.end()) return;
  for (const Piece& piece : std::exchange(found->second.dirty, {})) Send(found->second, piece);
}

void SimClient::FlushPartly(const SimFileData& file) {
  const auto found = cached_.find(file.id());
  if (found == cached_.end()) return;
  std::vector<Piece> left;
  bool sent = false;
  for (Piece& piece : std::exchange(found->second.dirty, {})) {
    if (random_.Coin()) {
      sent = true;
      Send(found->second, piece);
    } else {
      left.push_back(std::move(piece));
    }
  }
  found->second.dirty = std::move(left);
  if (sent && !found->second.dirty.empty()) ++volume_.counters_.writes_partly_sent;
}

void SimClient::Drop(const SimFileData& file) {
  const auto found = cached_.find(file.id());
  if (found != cached_.end()) found->second.dirty.clear();
}

void SimClient::TakeBack(const std::shared_ptr<SimFileData>& file, const std::string& path) {
  Cached& cached = Of(file, path);
  std::vector<Piece> again;
  for (const uint64_t sector : file->UnsyncedSectors()) {
    Piece piece{sector * kSectorBytes, std::vector<std::byte>(kSectorBytes), 0};
    piece.written = volume_.scheduler().now();
    piece.bytes.resize(file->Read(piece.offset, piece.bytes, false));
    again.push_back(std::move(piece));
  }
  cached.dirty.insert(cached.dirty.begin(), again.begin(), again.end());
  PlanWriteBack(cached);
}

void SimClient::PlanWriteBack(Cached& cached) {
  if (cached.dirty.empty() || std::exchange(cached.planned, true)) return;
  const bool soon = random_.Chance(1, 3);
  SimNanos delay = random_.Skewed(soon ? kSoonMax : volume_.cache_timing().write_back_max);
  const SimNanos now = volume_.scheduler().now();
  if (now < cut_until_) {
    delay = cut_until_ - now;
    delay += random_.Skewed(volume_.cache_timing().late_max);
  }
  volume_.scheduler().After(delay, [this, here = std::weak_ptr(here_), file = cached.file->id()] {
    if (!here.expired()) WriteBack(file);
  });
}

void SimClient::WriteBack(uint64_t file) {
  const auto found = cached_.find(file);
  if (found == cached_.end()) return;
  found->second.planned = false;
  if (volume_.scheduler().now() >= cut_until_) {
    // All of it, or some in any order.
    random_.Coin() ? Flush(*found->second.file) : FlushPartly(*found->second.file);
  }
  PlanWriteBack(found->second);
}

bool SimClient::SaysNotThere(const std::string& path) {
  const auto found = not_there_.find(path);
  if (found == not_there_.end()) return false;
  if (volume_.scheduler().now() < found->second) return true;
  not_there_.erase(found);
  return false;
}

void SimClient::NoteNotThere(const std::string& path) {
  not_there_[path] =
      volume_.scheduler().now() + random_.Skewed(volume_.cache_timing().negative_max);
}

void SimClient::Die() {
  for (auto& [id, cached] : std::exchange(cached_, {})) {
    for (Piece& piece : cached.dirty) {
      if (!random_.Chance(1, 4)) continue;
      const SimNanos delay = random_.Skewed(volume_.cache_timing().late_max);
      auto flying = std::make_shared<Piece>(std::move(piece));
      volume_.scheduler().After(delay, [this, here = std::weak_ptr(here_), file = cached.file,
                                        path = cached.path, flying] {
        if (here.expired()) return;
        volume_.Surface(*file, path, number_, flying->offset, flying->bytes, flying->written);
      });
    }
  }
  not_there_.clear();
}

}  // namespace semper::sim
