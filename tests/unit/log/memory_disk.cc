#include "tests/unit/log/memory_disk.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace semper::log {
namespace {

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

class MemoryDisk::MemoryFile : public File {
 public:
  MemoryFile(MemoryDisk& disk, std::string path, std::shared_ptr<Inode> inode)
      : disk_(disk), path_(std::move(path)), inode_(std::move(inode)) {}

  absl::Status WriteAt(uint64_t offset, std::span<iovec> pieces) override {
    if (absl::Status s = disk_.Enter("write", path_); !s.ok()) return s;
    for (const iovec& piece : pieces) {
      if (inode_->live.size() < offset + piece.iov_len) inode_->live.resize(offset + piece.iov_len);
      if (piece.iov_len > 0)
        std::memcpy(inode_->live.data() + offset, piece.iov_base, piece.iov_len);
      offset += piece.iov_len;
    }
    return absl::OkStatus();
  }
  absl::Status Sync() override {
    if (absl::Status s = disk_.Enter("sync", path_); !s.ok()) return s;
    inode_->durable = inode_->live;
    return absl::OkStatus();
  }
  absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> out) override {
    if (absl::Status s = disk_.Enter("read", path_); !s.ok()) return s;
    if (offset >= inode_->live.size()) return size_t{0};
    const size_t bytes = std::min<size_t>(out.size(), inode_->live.size() - offset);
    std::memcpy(out.data(), inode_->live.data() + offset, bytes);
    return bytes;
  }
  absl::StatusOr<uint64_t> Size() override { return inode_->live.size(); }
  absl::StatusOr<FileIdentity> Identity() override { return inode_->Identity(); }
  absl::Status Prewrite(uint64_t bytes) override {
    if (absl::Status s = disk_.Enter("prewrite", path_); !s.ok()) return s;
    inode_->live.assign(bytes, std::byte{0});
    inode_->durable = inode_->live;
    return absl::OkStatus();
  }

 private:
  MemoryDisk& disk_;
  const std::string path_;
  const std::shared_ptr<Inode> inode_;
};

absl::Status MemoryDisk::Enter(const std::string& operation, const std::string& path) {
  if (operation != "read") operations_.push_back(absl::StrCat(operation, " ", path));
  const auto hook = before;  // it may replace itself
  return hook == nullptr ? absl::OkStatus() : hook(operation, path);
}

absl::StatusOr<std::unique_ptr<File>> MemoryDisk::Open(const std::string& path, OpenMode mode) {
  const bool creates = mode == OpenMode::kCreateExclusive;
  if (absl::Status s = Enter(creates ? "create" : "read", path); !s.ok()) return s;
  const bool exists = files_.contains(path);
  if (creates && exists) return absl::AlreadyExistsError(path);
  if (creates ? !dirs_.contains(ParentOf(path)) : !exists) return absl::NotFoundError(path);
  if (creates) files_[path] = std::make_shared<Inode>();
  return std::make_unique<MemoryFile>(*this, path, files_.at(path));
}

absl::StatusOr<FileIdentity> MemoryDisk::Identify(const std::string& path) {
  if (absl::Status s = Enter("read", path); !s.ok()) return s;
  if (!files_.contains(path)) return absl::NotFoundError(path);
  return files_.at(path)->Identity();
}

absl::StatusOr<std::vector<std::string>> MemoryDisk::List(const std::string& dir) {
  if (absl::Status s = Enter("read", dir); !s.ok()) return s;
  if (!dirs_.contains(dir)) return absl::NotFoundError(dir);
  std::vector<std::string> names;
  for (const auto& [path, inode] : files_) {
    if (ParentOf(path) == dir) names.push_back(path.substr(dir.size() + 1));
  }
  for (const std::string& path : dirs_) {
    if (path != "/" && ParentOf(path) == dir) names.push_back(path.substr(dir.size() + 1));
  }
  std::reverse(names.begin(), names.end());  // no order is promised
  return names;
}

absl::Status MemoryDisk::MakeDir(const std::string& path) {
  if (absl::Status s = Enter("mkdir", path); !s.ok()) return s;
  if (!dirs_.contains(ParentOf(path))) return absl::NotFoundError(path);
  return dirs_.insert(path).second ? absl::OkStatus() : absl::AlreadyExistsError(path);
}

absl::Status MemoryDisk::SyncDir(const std::string& path) {
  if (absl::Status s = Enter("syncdir", path); !s.ok()) return s;
  if (!dirs_.contains(path)) return absl::NotFoundError(path);
  std::erase_if(durable_files_, [&](const auto& f) { return ParentOf(f.first) == path; });
  for (const auto& [name, inode] : files_) {
    if (ParentOf(name) == path) durable_files_[name] = inode;
  }
  for (const std::string& dir : dirs_) {
    if (dir != "/" && ParentOf(dir) == path) durable_dirs_.insert(dir);
  }
  return absl::OkStatus();
}

absl::Status MemoryDisk::Rename(const std::string& from, const std::string& to) {
  if (absl::Status s = Enter("rename", from); !s.ok()) return s;
  if (!files_.contains(from)) return absl::NotFoundError(from);
  if (files_.contains(to)) return absl::AlreadyExistsError(to);
  files_[to] = files_.at(from);
  files_.erase(from);
  return absl::OkStatus();
}

absl::Status MemoryDisk::Remove(const std::string& path) {
  if (absl::Status s = Enter("remove", path); !s.ok()) return s;
  return files_.erase(path) == 1 ? absl::OkStatus() : absl::NotFoundError(path);
}

void MemoryDisk::Crash(bool keep_bytes) {
  before = nullptr;
  files_.clear();
  std::erase_if(durable_files_,
                [&](const auto& f) { return !durable_dirs_.contains(ParentOf(f.first)); });
  for (const auto& [path, inode] : durable_files_) {
    // A new inode: what a process still holds open is gone with it.
    files_[path] = std::make_shared<Inode>(
        Inode{.live = keep_bytes ? inode->live : inode->durable, .durable = inode->durable});
    files_[path]->durable = files_[path]->live;
  }
  durable_files_ = files_;
  dirs_ = durable_dirs_;
}

std::vector<std::string> MemoryDisk::Files() const {
  std::vector<std::string> paths;
  for (const auto& [path, inode] : files_) paths.push_back(path);
  return paths;
}

}  // namespace semper::log
