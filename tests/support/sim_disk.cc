#include "tests/support/sim_disk.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/errno_status.h"

namespace semper::sim {

namespace {
FileIdentity IdentityOf(const SimFileData& data) { return {.inode = data.id()}; }
}  // namespace

class SimFile final : public File {
 public:
  using Fate = SimVolume::Fate;

  SimFile(std::shared_ptr<SimVolume::View> view, std::shared_ptr<SimFileData> data,
          std::string path, OpenMode mode)
      : view_(std::move(view)), data_(std::move(data)), path_(std::move(path)), mode_(mode) {}

  absl::Status WriteAt(uint64_t offset, std::span<iovec> pieces) override {
    if (mode_ != OpenMode::kCreateExclusive && mode_ != OpenMode::kWrite) return ReadOnly("write");
    const auto turn = volume().Begin(*view_, DiskOp::kWrite, path_);
    std::vector<std::byte> bytes;
    for (const iovec& piece : pieces) {
      const auto* from = static_cast<const std::byte*>(piece.iov_base);
      bytes.insert(bytes.end(), from, from + piece.iov_len);
    }
    return Write(turn, offset, bytes);
  }

  absl::Status Sync() override {
    const auto turn = volume().Begin(*view_, DiskOp::kSync, path_);
    if (auto gone = Gone(turn); !gone.ok()) return gone;
    SimClient* const client = view_->client;
    switch (turn.fate) {
      case Fate::kDone:
        if (client != nullptr) client->Flush(*data_);
        data_->Sync(view_->writer());
        break;
      case Fate::kPartly:
        if (client != nullptr) SyncPartly(*client);
        data_->SyncPartly(volume().random_, view_->writer());
        break;
      case Fate::kLied:
        if (client != nullptr) SyncPartly(*client);
        if (client == nullptr || data_->writer() == client->number()) data_->LoseUnsynced();
        break;
      case Fate::kNot:
        break;
    }
    return turn.status;
  }

  absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> out) override {
    const auto turn = volume().Begin(*view_, DiskOp::kRead, path_);
    if (!turn.status.ok()) return turn.status;
    if (auto gone = Gone(turn); !gone.ok()) return gone;
    SimClient* const client = view_->client;
    if (client == nullptr) return data_->Read(offset, out, mode_ == OpenMode::kReadFresh);
    if (mode_ == OpenMode::kReadFresh) {
      // Past the machine's cache, not the server's, which has what a failed sync left there.
      client->Flush(*data_);
      return data_->Read(offset, out, false);
    }
    const size_t length = client->Read(data_, path_, offset, out);
    std::vector<std::byte> truth(out.size());
    const size_t true_length = data_->Read(offset, truth, false);
    if (length != true_length ||
        !std::equal(truth.begin(), truth.begin() + static_cast<ptrdiff_t>(length), out.begin()))
      ++volume().counters_.reads_stale;
    return length;
  }

  absl::StatusOr<FileIdentity> Identity() override { return IdentityOf(*data_); }

  absl::StatusOr<uint64_t> Size() override {
    const auto turn = volume().Begin(*view_, DiskOp::kSize, path_);
    if (!turn.status.ok()) return turn.status;
    if (auto gone = Gone(turn); !gone.ok()) return gone;
    SimClient* const client = view_->client;
    if (client == nullptr) return data_->size();
    if (mode_ != OpenMode::kReadFresh) return client->Size(data_, path_);
    client->Flush(*data_);
    return data_->size();
  }

  absl::Status Prewrite(uint64_t bytes) override {
    if (mode_ != OpenMode::kCreateExclusive) return ReadOnly("prewrite");
    const auto turn = volume().Begin(*view_, DiskOp::kPrewrite, path_);
    auto written = Write(turn, 0, std::vector<std::byte>(bytes));
    if (!written.ok()) return written;
    if (view_->client != nullptr) view_->client->Flush(*data_);
    data_->Sync(view_->writer());
    return written;
  }

 private:
  SimVolume& volume() { return *view_->volume; }

  // The server, restarted, lost this file, or what this machine had not synced of it.
  absl::Status Gone(const SimVolume::Turn& turn) {
    if (!turn.status.ok()) return absl::OkStatus();
    if (data_->stale) return ErrnoStatus(ESTALE, "simulated access to ", path_);
    if (view_->client == nullptr || mode_ == OpenMode::kRead || mode_ == OpenMode::kReadFresh ||
        data_->writer() != view_->writer() || !std::exchange(data_->owes_error, false)) {
      return absl::OkStatus();
    }
    return ErrnoStatus(EIO, "simulated access to ", path_, ", which a restart of the server cut");
  }

  // What a failed sync leaves behind: some of it may come later, or never.
  void SyncPartly(SimClient& client) {
    client.FlushPartly(*data_);
    if (volume().random_.Coin()) client.Drop(*data_);
  }

  absl::Status ReadOnly(const char* what) const {
    return ErrnoStatus(EBADF, "simulated ", what, " to ", path_, ", opened for reading");
  }

  absl::Status Write(const SimVolume::Turn& turn, uint64_t offset,
                     std::span<const std::byte> bytes) {
    absl::Status status = turn.status;
    size_t length = bytes.size();
    if (turn.fate == Fate::kNot) return status;
    if (turn.fate == Fate::kPartly) {
      length = volume().random_.Below(length + 1);
      if (length > 0 && length < bytes.size()) ++volume().counters_.writes_torn;
    }
    const uint64_t size = data_->size();
    const uint64_t grows = std::max(offset + length, size) - size;
    if (grows > 0 && volume().capacity_bytes_ != UINT64_MAX) {
      const uint64_t used = volume().UsedBytes();
      const uint64_t free = volume().capacity_bytes_ - std::min(volume().capacity_bytes_, used);
      if (grows > free) {
        length -= std::min<uint64_t>(length, grows - free);
        ++volume().counters_.no_space;
        status = ErrnoStatus(ENOSPC, "simulated write ", path_);
      }
    }
    if (view_->client != nullptr) {
      view_->client->Write(data_, path_, offset, bytes.first(length));
    } else {
      data_->Write(offset, bytes.first(length), volume().moment_, volume().random_);
    }
    return status;
  }

  const std::shared_ptr<SimVolume::View> view_;
  const std::shared_ptr<SimFileData> data_;
  const std::string path_;
  const OpenMode mode_;
};

SimDisk::SimDisk(SimVolume& volume, std::string process, const std::string& machine)
    : volume_(volume), view_(std::make_shared<SimVolume::View>()) {
  view_->volume = &volume_;
  view_->process = std::move(process);
  view_->client = volume.ClientOf(machine);
  SEMPER_CHECK(!volume.shared() || view_->client != nullptr, "machine '", machine,
               "' is not on this volume");
  std::erase_if(volume_.views_, [](const auto& weak) { return weak.expired(); });
  volume_.views_.push_back(view_);
}

absl::StatusOr<std::unique_ptr<File>> SimDisk::Open(const std::string& path, OpenMode mode) {
  const bool create = mode == OpenMode::kCreateExclusive;
  const auto turn = volume_.Begin(*view_, create ? DiskOp::kCreate : DiskOp::kOpen, path);
  if (!create) {
    if (!turn.status.ok()) return turn.status;
    const SimNode node = volume_.Walk(path);
    SimClient* const client = view_->client;
    const bool cached = client != nullptr && mode == OpenMode::kRead;
    if (node && cached && client->SaysNotThere(path)) {
      ++volume_.counters_.names_stale;
      return ErrnoStatus(ENOENT, "simulated open ", path, ", by an old negative entry");
    }
    if (!node && cached) client->NoteNotThere(path);
    if (!node) return ErrnoStatus(ENOENT, "simulated open ", path);
    if (node.file == nullptr) {
      return ErrnoStatus(EISDIR, "simulated open ", path);
    }
    return std::make_unique<SimFile>(view_, node.file, path, mode);
  }
  auto data = std::make_shared<SimFileData>(volume_.next_file_++);
  if (auto made = Make(turn, path, {.file = data, .directory = nullptr}); !made.ok()) return made;
  return std::make_unique<SimFile>(view_, std::move(data), path, mode);
}

absl::Status SimDisk::Make(const SimVolume::Turn& turn, const std::string& path, SimNode node) {
  if (turn.cut) {
    MakeLate(path, std::move(node));
    return turn.status;
  }
  const bool happens = volume_.Happens(turn);
  if (happens) {
    std::string name;
    auto parent = volume_.Parent(path, &name);
    if (!parent.ok()) return turn.status.ok() ? parent.status() : turn.status;
    if ((*parent)->Find(name)) {
      if (!turn.status.ok()) return turn.status;
      return ErrnoStatus(EEXIST, "simulated create ", path);
    }
    (*parent)->Add(name, std::move(node), volume_.moment_, view_->writer());
    if (view_->client != nullptr) view_->client->NoteThere(path);
    if (volume_.named_) volume_.named_(view_->process, path);
  }
  return turn.status;
}

void SimDisk::MakeLate(const std::string& path, SimNode node) {
  if (!volume_.random_.Chance(1, 3)) return;
  const SimNanos heals = view_->client->cut_until();
  const SimNanos late = volume_.random_.Skewed(volume_.cache_timing_.late_max);
  volume_.scheduler_.At(heals + late, [view = view_, path, node = std::move(node)] {
    SimVolume& volume = *view->volume;
    std::string name;
    const auto parent = volume.Parent(path, &name);
    if (!parent.ok() || (*parent)->Find(name)) return;
    volume.scheduler_.Trace(view->process, "created late", path);
    (*parent)->Add(name, node, ++volume.moment_, view->writer());
    if (volume.named_) volume.named_(view->process, path);
  });
}

absl::StatusOr<FileIdentity> SimDisk::Identify(const std::string& path) {
  const auto turn = volume_.Begin(*view_, DiskOp::kIdentify, path);
  if (!turn.status.ok()) return turn.status;
  const SimNode node = volume_.Walk(path);
  if (view_->client != nullptr && view_->client->SaysNotThere(path)) {
    if (node) ++volume_.counters_.names_stale;
    return ErrnoStatus(ENOENT, "simulated stat of ", path, ", by an old negative entry");
  }
  if (node.file == nullptr) return ErrnoStatus(ENOENT, "simulated stat of ", path);
  return IdentityOf(*node.file);
}

absl::StatusOr<std::vector<std::string>> SimDisk::List(const std::string& dir) {
  const auto turn = volume_.Begin(*view_, DiskOp::kList, dir);
  if (!turn.status.ok()) return turn.status;
  const SimNode node = volume_.Walk(dir);
  if (!node) return ErrnoStatus(ENOENT, "simulated list ", dir);
  if (node.directory == nullptr) {
    return ErrnoStatus(ENOTDIR, "simulated list ", dir);
  }
  std::vector<std::string> names;
  for (const auto& [name, entry] : node.directory->entries()) names.push_back(name);
  volume_.random_.Shuffle(names);
  return names;
}

absl::Status SimDisk::MakeDir(const std::string& path) {
  const auto turn = volume_.Begin(*view_, DiskOp::kMakeDir, path);
  return Make(turn, path, {.file = nullptr, .directory = std::make_shared<SimDirectory>()});
}

absl::Status SimDisk::SyncDir(const std::string& path) {
  const auto turn = volume_.Begin(*view_, DiskOp::kSyncDir, path);
  const SimNode node = volume_.Walk(path);
  if (node.directory == nullptr) {
    if (!turn.status.ok()) return turn.status;
    return ErrnoStatus(ENOENT, "simulated fsync of directory ", path);
  }
  if (turn.fate == SimVolume::Fate::kDone && node.directory->TakeError(view_->writer()) &&
      view_->client != nullptr) {
    return ErrnoStatus(EIO, "simulated fsync of directory ", path,
                       ", of which a restart of the server took entries");
  }
  if (turn.fate == SimVolume::Fate::kDone) node.directory->Sync();
  if (turn.fate == SimVolume::Fate::kPartly) node.directory->SyncPartly(volume_.random_);
  return turn.status;
}

absl::Status SimDisk::Rename(const std::string& from, const std::string& to) {
  const auto turn = volume_.Begin(*view_, DiskOp::kRename, absl::StrCat(from, " -> ", to));
  if (!volume_.Happens(turn)) return turn.status;
  std::string from_name;
  std::string to_name;
  const auto source = volume_.Parent(from, &from_name);
  const auto target = volume_.Parent(to, &to_name);
  absl::Status status;
  if (!source.ok() || !target.ok() || !(*source)->Find(from_name)) {
    status = ErrnoStatus(ENOENT, "simulated rename ", from, " to ", to);
  } else if ((*target)->Find(to_name)) {
    status = ErrnoStatus(EEXIST, "simulated rename ", from, " to ", to);
  } else if (*source == *target) {
    (*source)->Rename(from_name, to_name, volume_.moment_, view_->writer());
  } else {
    // Between directories nothing is atomic until both are synced: the worst that file systems do.
    (*target)->Add(to_name, (*source)->Find(from_name), volume_.moment_, view_->writer());
    (*source)->Remove(from_name, volume_.moment_, view_->writer());
  }
  if (status.ok() && volume_.named_) volume_.named_(view_->process, to);
  return turn.status.ok() ? status : turn.status;
}

absl::Status SimDisk::Remove(const std::string& path) {
  const auto turn = volume_.Begin(*view_, DiskOp::kRemove, path);
  if (!volume_.Happens(turn)) return turn.status;
  std::string name;
  const auto parent = volume_.Parent(path, &name);
  absl::Status status;
  if (!parent.ok() || !(*parent)->Find(name)) {
    status = ErrnoStatus(ENOENT, "simulated remove ", path);
  } else if ((*parent)->Find(name).directory != nullptr) {
    status = ErrnoStatus(EISDIR, "simulated remove ", path);
  } else {
    (*parent)->Remove(name, volume_.moment_, view_->writer());
  }
  return turn.status.ok() ? status : turn.status;
}

absl::StatusOr<uint64_t> SimDisk::FreeBytes(const std::string& dir) {
  const auto turn = volume_.Begin(*view_, DiskOp::kFreeBytes, dir);
  if (!turn.status.ok()) return turn.status;
  if (volume_.capacity_bytes_ == UINT64_MAX) return uint64_t{1} << 50;
  const uint64_t used = volume_.UsedBytes();
  return volume_.capacity_bytes_ - std::min(volume_.capacity_bytes_, used);
}

}  // namespace semper::sim
