#include "tests/support/sim_disk.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"

namespace semper::sim {

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
    switch (turn.fate) {
      case Fate::kDone:
        data_->Sync();
        break;
      case Fate::kPartly:
        data_->SyncPartly(volume().random_);
        break;
      case Fate::kLied:
        data_->LoseUnsynced();
        break;
      case Fate::kNot:
        break;
    }
    return turn.status;
  }

  absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> out) override {
    const auto turn = volume().Begin(*view_, DiskOp::kRead, path_);
    if (!turn.status.ok()) return turn.status;
    return data_->Read(offset, out, mode_ == OpenMode::kReadFresh);
  }

  absl::StatusOr<uint64_t> Size() override {
    const auto turn = volume().Begin(*view_, DiskOp::kSize, path_);
    if (!turn.status.ok()) return turn.status;
    return data_->size();
  }

  absl::Status Prewrite(uint64_t bytes) override {
    if (mode_ != OpenMode::kCreateExclusive) return ReadOnly("prewrite");
    const auto turn = volume().Begin(*view_, DiskOp::kPrewrite, path_);
    auto written = Write(turn, 0, std::vector<std::byte>(bytes));
    if (written.ok()) data_->Sync();
    return written;
  }

 private:
  SimVolume& volume() { return *view_->volume; }

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
    const uint64_t grows = std::max(offset + length, data_->size()) - data_->size();
    if (grows > 0 && volume().capacity_bytes_ != UINT64_MAX) {
      const uint64_t used = volume().UsedBytes();
      const uint64_t free = volume().capacity_bytes_ - std::min(volume().capacity_bytes_, used);
      if (grows > free) {
        length -= std::min<uint64_t>(length, grows - free);
        ++volume().counters_.no_space;
        status = ErrnoStatus(ENOSPC, "simulated write ", path_);
      }
    }
    data_->Write(offset, bytes.first(length), volume().moment_, volume().random_);
    return status;
  }

  const std::shared_ptr<SimVolume::View> view_;
  const std::shared_ptr<SimFileData> data_;
  const std::string path_;
  const OpenMode mode_;
};

SimDisk::SimDisk(SimVolume& volume, std::string process)
    : volume_(volume), view_(std::make_shared<SimVolume::View>()) {
  view_->volume = &volume_;
  view_->process = std::move(process);
  std::erase_if(volume_.views_, [](const auto& weak) { return weak.expired(); });
  volume_.views_.push_back(view_);
}

absl::StatusOr<std::unique_ptr<File>> SimDisk::Open(const std::string& path, OpenMode mode) {
  const bool create = mode == OpenMode::kCreateExclusive;
  const auto turn = volume_.Begin(*view_, create ? DiskOp::kCreate : DiskOp::kOpen, path);
  if (!create) {
    if (!turn.status.ok()) return turn.status;
    const SimNode node = volume_.Walk(path);
    if (!node) return ErrnoStatus(ENOENT, "simulated open ", path);
    if (node.file == nullptr) {
      return ErrnoStatus(EISDIR, "simulated open ", path);
    }
    return std::make_unique<SimFile>(view_, node.file, path, mode);
  }
  auto data = std::make_shared<SimFileData>();
  if (auto made = Make(turn, path, {.file = data, .directory = nullptr}); !made.ok()) return made;
  return std::make_unique<SimFile>(view_, std::move(data), path, mode);
}

absl::Status SimDisk::Make(const SimVolume::Turn& turn, const std::string& path, SimNode node) {
  const bool happens = volume_.Happens(turn);
  if (happens) {
    std::string name;
    auto parent = volume_.Parent(path, &name);
    if (!parent.ok()) return turn.status.ok() ? parent.status() : turn.status;
    if ((*parent)->Find(name)) {
      if (!turn.status.ok()) return turn.status;
      return ErrnoStatus(EEXIST, "simulated create ", path);
    }
    (*parent)->Add(name, std::move(node), volume_.moment_);
  }
  return turn.status;
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
    (*source)->Rename(from_name, to_name, volume_.moment_);
  } else {
    // Between directories nothing is atomic until both are synced: the worst that file systems do.
    (*target)->Add(to_name, (*source)->Find(from_name), volume_.moment_);
    (*source)->Remove(from_name, volume_.moment_);
  }
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
    (*parent)->Remove(name, volume_.moment_);
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
