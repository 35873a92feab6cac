#include "cli/read_only_disk.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace semper::cli {
namespace {

absl::Status Refused(const std::string& path) {
  return absl::PermissionDeniedError(
      absl::StrCat("semperctl only reads; it does not change ", path));
}

class ReadOnlyFile : public File {
 public:
  ReadOnlyFile(std::string path, std::unique_ptr<File> file)
      : path_(std::move(path)), file_(std::move(file)) {}
  absl::Status WriteAt(uint64_t, std::span<iovec>) override { return Refused(path_); }
  absl::Status Sync() override { return Refused(path_); }
  absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> out) override {
    return file_->ReadAt(offset, out);
  }
  absl::StatusOr<uint64_t> Size() override { return file_->Size(); }
  absl::StatusOr<FileIdentity> Identity() override { return file_->Identity(); }
  absl::Status Prewrite(uint64_t) override { return Refused(path_); }

 private:
  const std::string path_;
  const std::unique_ptr<File> file_;
};

class ReadOnlyDisk : public Disk {
 public:
  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    if (mode != OpenMode::kRead && mode != OpenMode::kReadFresh) return Refused(path);
    absl::StatusOr<std::unique_ptr<File>> file = disk_->Open(path, mode);
    if (!file.ok()) return file.status();
    return std::make_unique<ReadOnlyFile>(path, *std::move(file));
  }
  absl::StatusOr<FileIdentity> Identify(const std::string& path) override {
    return disk_->Identify(path);
  }
  absl::StatusOr<std::vector<std::string>> List(const std::string& dir) override {
    return disk_->List(dir);
  }
  absl::Status MakeDir(const std::string& path) override { return Refused(path); }
  absl::Status SyncDir(const std::string& path) override { return Refused(path); }
  absl::Status Rename(const std::string& from, const std::string&) override {
    return Refused(from);
  }
  absl::Status Remove(const std::string& path) override { return Refused(path); }
  absl::StatusOr<uint64_t> FreeBytes(const std::string& dir) override {
    return disk_->FreeBytes(dir);
  }

 private:
  const std::unique_ptr<Disk> disk_ = MakePosixDisk();
};

// Immortals below `log_dir`, for the error text; what cannot be read counts as empty.
std::string NamesIn(Disk& disk, const std::string& log_dir) {
  std::vector<std::string> names;
  for (const std::string& space : disk.List(log_dir).value_or(std::vector<std::string>())) {
    const std::string dir = absl::StrCat(log_dir, "/", space);
    for (const std::string& name : disk.List(dir).value_or(std::vector<std::string>())) {
      const std::vector<std::string> files =
          disk.List(absl::StrCat(dir, "/", name)).value_or(std::vector<std::string>());
      const bool has_genesis = std::find(files.begin(), files.end(), "genesis") != files.end();
      if (has_genesis) names.push_back(absl::StrCat(space, "/", name));
    }
  }
  std::sort(names.begin(), names.end());
  return absl::StrJoin(names, ", ");
}

}  // namespace

std::unique_ptr<Disk> MakeReadOnlyDisk() { return std::make_unique<ReadOnlyDisk>(); }

absl::StatusOr<std::string> ImmortalDirectory(Disk& disk, const std::string& log_dir,
                                              const std::string& name) {
  if (log_dir.empty()) return absl::InvalidArgumentError("--log-dir is missing");
  if (absl::IsNotFound(disk.List(log_dir).status())) {
    return absl::NotFoundError(
        absl::StrCat("there is no directory ", log_dir, "; correct --log-dir"));
  }
  const std::string names = NamesIn(disk, log_dir);
  const std::string known =
      names.empty() ? "it holds no immortals" : absl::StrCat("it holds ", names);
  if (name.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--name namespace/name is missing; of ", log_dir, ": ", known));
  }
  if (std::count(name.begin(), name.end(), '/') != 1 || name.starts_with('/') ||
      name.ends_with('/') || name.starts_with('.') || name.find("/.") != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("--name is namespace/name, not '", name, "'"));
  }
  std::string dir = absl::StrCat(log_dir, "/", name);
  const absl::StatusOr<std::vector<std::string>> listed = disk.List(dir);
  if (absl::IsNotFound(listed.status())) {
    return absl::NotFoundError(absl::StrCat("no immortal ", name, " in ", log_dir, "; ", known));
  }
  if (!listed.ok()) return listed.status();
  return dir;
}

}  // namespace semper::cli
