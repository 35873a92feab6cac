#include "sidecar/log/opened_once.h"

namespace semper::log {
namespace {

class SharedFile : public File {
 public:
  explicit SharedFile(std::shared_ptr<File> file) : file_(std::move(file)) {}
  absl::Status WriteAt(uint64_t offset, std::span<iovec> pieces) override {
    return file_->WriteAt(offset, pieces);
  }
  absl::Status Sync() override { return file_->Sync(); }
  absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> out) override {
    return file_->ReadAt(offset, out);
  }
  absl::StatusOr<uint64_t> Size() override { return file_->Size(); }
  absl::StatusOr<FileIdentity> Identity() override { return file_->Identity(); }
  absl::Status Prewrite(uint64_t bytes) override { return file_->Prewrite(bytes); }

 private:
  const std::shared_ptr<File> file_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<File>> OpenedOnce::Open(const std::string& path, OpenMode mode) {
  if (mode != OpenMode::kRead && mode != OpenMode::kReadFresh) return disk_.Open(path, mode);
  std::shared_ptr<File>& file = open_[{path, mode}];
  if (file == nullptr) {
    auto opened = disk_.Open(path, mode);
    if (!opened.ok()) return opened.status();
    file = *std::move(opened);
  }
  return std::make_unique<SharedFile>(file);
}

}  // namespace semper::log
