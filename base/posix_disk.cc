#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/disk.h"
#include "base/errno_status.h"

namespace semper {
namespace {

// O_DIRECT wants offsets, lengths and memory at multiples of the block of the device; this suits
// all of them.
constexpr size_t kDirectAlignment = 4096;
constexpr size_t kBounceBytes = size_t{1} << 20;
constexpr size_t kZeroesBytes = size_t{1} << 20;

// How long it may go unnoticed that another directory was put in the place of the root.
constexpr std::chrono::seconds kRootCheckedEvery{1};

constexpr size_t kEntriesBytes = 32768;  // of a directory, read at once

bool IsAligned(uint64_t number) { return number % kDirectAlignment == 0; }

FileIdentity IdentityOf(const struct stat& status) {
  return {.device = status.st_dev, .inode = status.st_ino};
}

struct Descriptor {
  explicit Descriptor(int number) : fd(number) {}
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  const int fd;
};

// What the calls that end in "at" want: `path`, from `directory()` on.
struct Place {
  int directory() const { return root ? root->fd : AT_FDCWD; }
  std::shared_ptr<const Descriptor> root;
  const char* path;
};

// The directory that paths begin with, kept open, so that a shared volume is not asked for each
// directory on the way to it again and again. Threads: any.
class Root {
 public:
  explicit Root(std::string path) : path_(std::move(path)) {}

  // Points into `path`, which stays as it is if it is not below the root, or there is no root.
  Place Find(const std::string& path) {
    std::string_view rest = path;
    if (path_.empty() || rest.substr(0, path_.size()) != path_) return {nullptr, path.c_str()};
    rest.remove_prefix(path_.size());
    if (rest.size() < 2 || rest[0] != '/' || rest[1] == '/') return {nullptr, path.c_str()};
    std::shared_ptr<const Descriptor> root = Current();
    const char* const from = root ? rest.data() + 1 : path.c_str();
    return {std::move(root), from};
  }

 private:
  std::shared_ptr<const Descriptor> Current();

  const std::string path_;
  std::mutex mutex_;
  std::shared_ptr<const Descriptor> open_;
  std::chrono::steady_clock::time_point checked_;
};

std::shared_ptr<const Descriptor> Root::Current() {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (open_ && now - checked_ < kRootCheckedEvery) return open_;
  checked_ = now;
  struct stat there {
  }, had{};
  if (open_ && stat(path_.c_str(), &there) == 0 && fstat(open_->fd, &had) == 0 &&
      IdentityOf(there) == IdentityOf(had)) {
    return open_;
  }
  const int fd = open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  open_ = fd < 0 ? nullptr : std::make_shared<const Descriptor>(fd);
  return open_;
}

class PosixFile final : public File {
 public:
  // How ReadAt gets past the cache of this machine.
  enum class Reading { kCached, kDirect, kDropped };

  PosixFile(int fd, std::string path, Reading reading)
      : fd_(fd), path_(std::move(path)), reading_(reading) {}
  ~PosixFile() override {
    close(fd_);
    std::free(bounce_);
  }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  absl::Status WriteAt(uint64_t offset, std::span<iovec> pieces) override;

  absl::Status Sync() override {
    // Not even EINTR is tried again: what the kernel kept of an interrupted sync is unknown (I5).
    // Lanes block signals.
    if (fdatasync(fd_) != 0) return ErrnoStatus(errno, "fdatasync of ", path_);
    return absl::OkStatus();
  }

  absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> out) override;

  absl::StatusOr<uint64_t> Size() override {
    struct stat status {};
    if (fstat(fd_, &status) != 0) return ErrnoStatus(errno, "fstat of ", path_);
    return static_cast<uint64_t>(status.st_size);
  }

  absl::StatusOr<FileIdentity> Identity() override {
    struct stat status {};
    if (fstat(fd_, &status) != 0) return ErrnoStatus(errno, "fstat of ", path_);
    return IdentityOf(status);
  }

  absl::Status Prewrite(uint64_t bytes) override;

 private:
  absl::StatusOr<size_t> ReadWhole(uint64_t offset, std::byte* out, size_t bytes);
  absl::StatusOr<size_t> ReadBounced(uint64_t offset, std::span<std::byte> out);

  const int fd_;
  const std::string path_;
  Reading reading_;
  void* bounce_ = nullptr;
};

absl::Status PosixFile::WriteAt(uint64_t offset, std::span<iovec> pieces) {
  while (true) {
    while (!pieces.empty() && pieces.front().iov_len == 0) pieces = pieces.subspan(1);
    if (pieces.empty()) return absl::OkStatus();
    const int count = static_cast<int>(std::min<size_t>(pieces.size(), IOV_MAX));
    const ssize_t written = pwritev(fd_, pieces.data(), count, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "write to ", path_, " at offset ", offset);
    if (written == 0) {
      return ErrnoStatus(EIO, "write to ", path_, " at offset ", offset, " took no bytes");
    }
    offset += static_cast<uint64_t>(written);
    for (auto rest = static_cast<size_t>(written); rest > 0;) {
      iovec& piece = pieces.front();
      const size_t part = std::min(rest, piece.iov_len);
      piece.iov_base = static_cast<char*>(piece.iov_base) + part;
      piece.iov_len -= part;
      rest -= part;
      if (piece.iov_len == 0) pieces = pieces.subspan(1);
    }
  }
}

// Reads until `bytes` are there or the file ends. With O_DIRECT all three arguments are aligned,
// and only the end of the file gives a count that is not.
absl::StatusOr<size_t> PosixFile::ReadWhole(uint64_t offset, std::byte* out, size_t bytes) {
  size_t have = 0;
  while (have < bytes) {
    const ssize_t got = pread(fd_, out + have, bytes - have, static_cast<off_t>(offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return ErrnoStatus(errno, "read of ", bytes - have, " bytes from ", path_, " at offset ",
                         offset + have);
    }
    have += static_cast<size_t>(got);
    if (got == 0 || (reading_ == Reading::kDirect && !IsAligned(have))) break;
  }
  return have;
}

absl::StatusOr<size_t> PosixFile::ReadBounced(uint64_t offset, std::span<std::byte> out) {
  if (bounce_ == nullptr) {
    bounce_ = std::aligned_alloc(kDirectAlignment, kBounceBytes);
    if (bounce_ == nullptr) throw std::bad_alloc();
  }
  size_t have = 0;
  while (have < out.size()) {
    const uint64_t at = offset + have;
    const size_t skip = at % kDirectAlignment;
    const size_t wanted = skip + (out.size() - have);
    const size_t rounded = (wanted + kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment;
    const size_t piece = std::min(rounded, kBounceBytes);
    const auto got = ReadWhole(at - skip, static_cast<std::byte*>(bounce_), piece);
    if (!got.ok()) return got.status();
    if (*got <= skip) break;
    const size_t useful = std::min(*got - skip, out.size() - have);
    std::memcpy(out.data() + have, static_cast<std::byte*>(bounce_) + skip, useful);
    have += useful;
    if (*got < piece) break;
  }
  return have;
}

absl::StatusOr<size_t> PosixFile::ReadAt(uint64_t offset, std::span<std::byte> out) {
  if (out.empty()) return 0;
  if (reading_ == Reading::kDirect) {
    const bool fits = IsAligned(offset) && IsAligned(out.size()) &&
                      IsAligned(reinterpret_cast<uintptr_t>(out.data()));
    auto got = fits ? ReadWhole(offset, out.data(), out.size()) : ReadBounced(offset, out);
    if (got.ok() || got.status().code() != absl::StatusCode::kInternal) return got;
    // Some file systems accept O_DIRECT when they open and refuse it (EINVAL) when they read.
    const int flags = fcntl(fd_, F_GETFL);
    if (flags < 0 || fcntl(fd_, F_SETFL, flags & ~O_DIRECT) != 0) return got;
    reading_ = Reading::kDropped;
  }
  if (reading_ == Reading::kDropped) {
    // Cached pages of the range go, so that the read asks the file system again.
    posix_fadvise(fd_, static_cast<off_t>(offset), static_cast<off_t>(out.size()),
                  POSIX_FADV_DONTNEED);
  }
  return ReadWhole(offset, out.data(), out.size());
}

absl::Status PosixFile::Prewrite(uint64_t bytes) {
  static const std::vector<std::byte> zeroes(kZeroesBytes);
  for (uint64_t offset = 0; offset < bytes;) {
    const uint64_t length = std::min<uint64_t>(kZeroesBytes, bytes - offset);
    iovec piece{.iov_base = const_cast<std::byte*>(zeroes.data()), .iov_len = length};
    if (absl::Status status = WriteAt(offset, {&piece, 1}); !status.ok()) return status;
    offset += length;
  }
  return Sync();
}

class PosixDisk final : public Disk {
 public:
  explicit PosixDisk(std::string root) : root_(std::move(root)) {}

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    using Reading = PosixFile::Reading;
    switch (mode) {
      case OpenMode::kCreateExclusive:
        return OpenFile(path, O_CREAT | O_EXCL | O_RDWR, 0600, Reading::kCached);
      case OpenMode::kWrite:
        return OpenFile(path, O_RDWR, 0, Reading::kCached);
      case OpenMode::kRead:
        return OpenFile(path, O_RDONLY, 0, Reading::kCached);
      case OpenMode::kReadFresh: {
        auto file = OpenFile(path, O_RDONLY | O_DIRECT, 0, Reading::kDirect);
        if (file.ok() || file.status().code() != absl::StatusCode::kInternal) return file;
        return OpenFile(path, O_RDONLY, 0, Reading::kDropped);  // tmpfs and others: EINVAL
      }
    }
    SEMPER_CHECK(false, "open mode ", mode);
    return absl::InternalError("unreachable");
  }

  absl::StatusOr<FileIdentity> Identify(const std::string& path) override {
    const Place place = root_.Find(path);
    struct stat status {};
    if (fstatat(place.directory(), place.path, &status, 0) != 0) {
      return ErrnoStatus(errno, "stat of ", path);
    }
    return IdentityOf(status);
  }
  absl::StatusOr<std::vector<std::string>> List(const std::string& dir) override {
    std::vector<std::string> names;
    if (absl::Status s = ForEachName(dir, [&](std::string_view name) { names.emplace_back(name); });
        !s.ok()) {
      return s;
    }
    return names;
  }
  absl::Status ForEachName(const std::string& dir,
                           absl::FunctionRef<void(std::string_view)> take) override;
  absl::Status MakeDir(const std::string& path) override {
    const Place place = root_.Find(path);
    if (mkdirat(place.directory(), place.path, 0700) != 0) {
      return ErrnoStatus(errno, "create directory ", path);
    }
    return absl::OkStatus();
  }
  absl::Status SyncDir(const std::string& path) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override {
    const Place place = root_.Find(path);
    if (unlinkat(place.directory(), place.path, 0) != 0) {
      return ErrnoStatus(errno, "remove ", path);
    }
    return absl::OkStatus();
  }
  absl::StatusOr<uint64_t> FreeBytes(const std::string& dir) override {
    struct statvfs status {};
    if (statvfs(dir.c_str(), &status) != 0) return ErrnoStatus(errno, "statvfs of ", dir);
    return static_cast<uint64_t>(status.f_bavail) * status.f_frsize;
  }

 private:
  absl::StatusOr<std::unique_ptr<File>> OpenFile(const std::string& path, int flags, mode_t mode,
                                                 PosixFile::Reading reading);
  int OpenDir(const std::string& path) {
    const Place place = root_.Find(path);
    return openat(place.directory(), place.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }

  Root root_;
};

absl::StatusOr<std::unique_ptr<File>> PosixDisk::OpenFile(const std::string& path, int flags,
                                                          mode_t mode, PosixFile::Reading reading) {
  const Place place = root_.Find(path);
  int fd;
  do {
    fd = openat(place.directory(), place.path, flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return ErrnoStatus(errno, (flags & O_CREAT) != 0 ? "create " : "open ", path);
  return std::make_unique<PosixFile>(fd, path, reading);
}

absl::Status PosixDisk::ForEachName(const std::string& path,
                                    absl::FunctionRef<void(std::string_view)> take) {
  const Descriptor dir(OpenDir(path));
  if (dir.fd < 0) return ErrnoStatus(errno, "open directory ", path);
  alignas(dirent64) char entries[kEntriesBytes];
  while (true) {
    const ssize_t got = getdents64(dir.fd, entries, sizeof entries);
    if (got < 0) return ErrnoStatus(errno, "list directory ", path);
    if (got == 0) return absl::OkStatus();
    for (ssize_t at = 0; at < got;) {
      const auto* const entry = reinterpret_cast<const dirent64*>(entries + at);
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") take(name);
      at += entry->d_reclen;
    }
  }
}

absl::Status PosixDisk::SyncDir(const std::string& path) {
  const int fd = OpenDir(path);
  if (fd < 0) return ErrnoStatus(errno, "open directory ", path);
  const int result = fsync(fd);
  const int error = errno;
  close(fd);
  if (result != 0) return ErrnoStatus(error, "fsync of directory ", path);
  return absl::OkStatus();
}

absl::Status PosixDisk::Rename(const std::string& from, const std::string& to) {
  const Place source = root_.Find(from);
  const Place target = root_.Find(to);
  if (renameat2(source.directory(), source.path, target.directory(), target.path,
                RENAME_NOREPLACE) == 0) {
    return absl::OkStatus();
  }
  if (errno != EINVAL && errno != ENOSYS) return ErrnoStatus(errno, "rename ", from, " to ", to);
  // NFS and others know no RENAME_NOREPLACE. A crash between the two steps leaves both names of one
  // file.
  if (linkat(source.directory(), source.path, target.directory(), target.path, 0) != 0) {
    return ErrnoStatus(errno, "link ", from, " as ", to, " (rename without replacing)");
  }
  if (unlinkat(source.directory(), source.path, 0) != 0) {
    return ErrnoStatus(errno, "remove ", from, ", now also ", to);
  }
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<Disk> MakePosixDisk(std::string root) {
  return std::make_unique<PosixDisk>(std::move(root));
}

}  // namespace semper
