// MemoryDisk: files in memory, of which a crash keeps only what was synced. One thread. /data is
// there from the beginning.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/disk.h"

namespace semper::log {

class MemoryDisk : public Disk {
 public:
  using Bytes = std::vector<std::byte>;
  struct Inode {
    Bytes live;
    Bytes durable;
    FileIdentity Identity() const { return {.inode = reinterpret_cast<uintptr_t>(this)}; }
  };

  // Called before every operation with its name and path, e.g. ("write", "/i/log/…"); an error
  // fails the operation.
  std::function<absl::Status(const std::string& operation, const std::string& path)> before;

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  absl::StatusOr<FileIdentity> Identify(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& dir) override;
  absl::Status MakeDir(const std::string& path) override;
  absl::Status SyncDir(const std::string& path) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::StatusOr<uint64_t> FreeBytes(const std::string&) override { return uint64_t{1} << 40; }

  // The machine stops: names and bytes that were not synced are gone. `keep_bytes`: unsynced bytes
  // of files survive by chance, e.g. because the kernel wrote them back.
  void Crash(bool keep_bytes = false);

  Bytes& At(const std::string& path) { return files_.at(path)->live; }
  bool Has(const std::string& path) const { return files_.contains(path); }
  std::vector<std::string> Files() const;
  const std::vector<std::string>& operations() const { return operations_; }
  void ForgetOperations() { operations_.clear(); }

 private:
  class MemoryFile;
  absl::Status Enter(const std::string& operation, const std::string& path);

  std::map<std::string, std::shared_ptr<Inode>> files_;
  std::map<std::string, std::shared_ptr<Inode>> durable_files_;
  std::set<std::string> dirs_ = {"/", "/data"};
  std::set<std::string> durable_dirs_ = {"/", "/data"};
  std::vector<std::string> operations_;
};

}  // namespace semper::log
