// OpenedOnce: a disk for one look at the log, through which each file is opened once.
//
// A look reads the same headers for several ends. On a shared volume each open is a request to its
// servers or two, and the next leader's customers wait for all of them. What a look finds is as
// fresh as its first open of each file: a look begins when what it must see is written. One thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/disk.h"

namespace semper::log {

class OpenedOnce : public Disk {
 public:
  // `disk` must outlive the files.
  explicit OpenedOnce(Disk& disk) : disk_(disk) {}

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  absl::StatusOr<FileIdentity> Identify(const std::string& path) override {
    return disk_.Identify(path);
  }
  absl::StatusOr<std::vector<std::string>> List(const std::string& dir) override {
    return disk_.List(dir);
  }
  absl::Status MakeDir(const std::string& path) override { return disk_.MakeDir(path); }
  absl::Status SyncDir(const std::string& path) override { return disk_.SyncDir(path); }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return disk_.Rename(from, to);
  }
  absl::Status Remove(const std::string& path) override { return disk_.Remove(path); }
  absl::StatusOr<uint64_t> FreeBytes(const std::string& dir) override {
    return disk_.FreeBytes(dir);
  }

 private:
  Disk& disk_;
  std::map<std::pair<std::string, OpenMode>, std::shared_ptr<File>> open_;
};

}  // namespace semper::log
