// lying_mount: a FUSE file system over a directory, honest or with one lie that real shared volumes
// tell. Two mounts of one directory are two nodes of one volume: each process lies from its own
// memory, and the kernel keeps nothing.
//
//   lying_mount LIE DIRECTORY MOUNTPOINT     writes "ready" when it serves; SIGTERM unmounts;
//                                            SIGUSR1: takes no writes any more; again: takes them
//
// LIE: none
//      listings   a directory is listed once; afterwards only what this node itself changes is seen
//      exclusive  a name that was looked for and absent stays absent until a listing shows it, and
//                 whether an exclusive create succeeds is decided by that
//      reads      a file is read once; afterwards only what this node itself writes is seen
#define FUSE_USE_VERSION 35
#include <dirent.h>
#include <fcntl.h>
#include <fuse.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace {

enum class Lie { kNone, kListings, kExclusive, kReads };

std::string backing;
Lie lie = Lie::kNone;
std::atomic<bool> read_only = false;

// What the lies are told from. One lock is enough: this is no fast file system.
std::mutex memory_lock;
std::map<std::string, std::vector<std::string>> listings;
std::set<std::string> absent;
std::map<std::string, std::string> contents;

std::string Real(const char* path) { return backing + path; }
std::string ParentOf(const std::string& path) { return path.substr(0, path.rfind('/')); }
int Outcome(int result) { return result < 0 ? -errno : 0; }

// Of a call that changes something, which is not made on a read-only mount.
template <typename Call>
int Change(Call call) {
  return read_only ? -EROFS : Outcome(call());
}

// This node itself has changed what `path` is.
void ForgetPath(const char* path) {
  const std::lock_guard lock(memory_lock);
  listings.erase(ParentOf(path));
  absent.erase(path);
  contents.erase(path);
}

bool BelievedAbsent(const char* path) {
  const std::lock_guard lock(memory_lock);
  return absent.contains(path);
}

void* Init(fuse_conn_info*, fuse_config* config) {
  config->entry_timeout = 0;
  config->negative_timeout = 0;
  config->attr_timeout = 0;
  config->direct_io = 1;
  config->use_ino = 1;
  std::puts("ready");
  std::fflush(stdout);
  return nullptr;
}

int GetAttr(const char* path, struct stat* out, fuse_file_info* file) {
  if (file != nullptr) return Outcome(fstat(static_cast<int>(file->fh), out));
  if (BelievedAbsent(path)) return -ENOENT;
  const int result = Outcome(lstat(Real(path).c_str(), out));
  if (result == -ENOENT && lie == Lie::kExclusive) {
    const std::lock_guard lock(memory_lock);
    absent.insert(path);
  }
  return result;
}

std::optional<std::vector<std::string>> RealNames(const char* path) {
  DIR* const dir = opendir(Real(path).c_str());
  if (dir == nullptr) return std::nullopt;
  std::vector<std::string> names;
  while (const dirent* const entry = readdir(dir)) names.emplace_back(entry->d_name);
  closedir(dir);
  return names;
}

int ReadDir(const char* path, void* out, fuse_fill_dir_t fill, off_t, fuse_file_info*,
            fuse_readdir_flags) {
  const std::string dir = std::strcmp(path, "/") == 0 ? "" : path;
  const std::lock_guard lock(memory_lock);
  auto names = RealNames(path);
  if (!names) return -errno;
  if (lie == Lie::kListings) names = listings.try_emplace(dir, *names).first->second;
  for (const std::string& name : *names) {
    absent.erase(std::string(dir).append("/").append(name));
    if (fill(out, name.c_str(), nullptr, 0, fuse_fill_dir_flags{}) != 0) return -ENOMEM;
  }
  return 0;
}

int Create(const char* path, mode_t mode, fuse_file_info* file) {
  if (read_only) return -EROFS;
  int flags = file->flags & ~O_DIRECT;
  if (lie == Lie::kExclusive) flags &= ~O_EXCL;
  const int fd = open(Real(path).c_str(), flags, mode);
  if (fd < 0) return -errno;
  ForgetPath(path);
  file->fh = static_cast<uint64_t>(fd);
  return 0;
}

int Open(const char* path, fuse_file_info* file) {
  if (read_only && (file->flags & O_ACCMODE) != O_RDONLY) return -EROFS;
  const int fd = open(Real(path).c_str(), file->flags & ~O_DIRECT);
  if (fd < 0) return -errno;
  file->fh = static_cast<uint64_t>(fd);
  return 0;
}

int Read(const char* path, char* out, size_t size, off_t offset, fuse_file_info* file) {
  const int fd = static_cast<int>(file->fh);
  if (lie != Lie::kReads) {
    const ssize_t got = pread(fd, out, size, offset);
    return got < 0 ? -errno : static_cast<int>(got);
  }
  const std::lock_guard lock(memory_lock);
  const auto [entry, is_new] = contents.try_emplace(path);
  std::string& bytes = entry->second;
  if (is_new) {
    struct stat status {};
    if (fstat(fd, &status) != 0) return -errno;
    bytes.resize(static_cast<size_t>(status.st_size));
    const ssize_t got = pread(fd, bytes.data(), bytes.size(), 0);
    if (got < 0) return -errno;
    bytes.resize(static_cast<size_t>(got));
  }
  const size_t from = std::min(static_cast<size_t>(offset), bytes.size());
  return static_cast<int>(bytes.copy(out, size, from));
}

int Write(const char* path, const char* bytes, size_t size, off_t offset, fuse_file_info* file) {
  if (read_only) return -EROFS;
  const ssize_t written = pwrite(static_cast<int>(file->fh), bytes, size, offset);
  if (written < 0) return -errno;
  const std::lock_guard lock(memory_lock);
  contents.erase(path);
  return static_cast<int>(written);
}

int Sync(const char*, int data_only, fuse_file_info* file) {
  const int fd = static_cast<int>(file->fh);
  return Change([&] { return data_only != 0 ? fdatasync(fd) : fsync(fd); });
}

int SyncDir(const char* path, int, fuse_file_info*) {
  const int fd = open(Real(path).c_str(), O_RDONLY | O_DIRECTORY);
  if (fd < 0) return -errno;
  const int result = Change([&] { return fsync(fd); });
  close(fd);
  return result;
}

int Release(const char*, fuse_file_info* file) {
  return Outcome(close(static_cast<int>(file->fh)));
}

int MakeDir(const char* path, mode_t mode) {
  const int result = Change([&] { return mkdir(Real(path).c_str(), mode); });
  ForgetPath(path);
  return result;
}

int RemoveDir(const char* path) {
  const int result = Change([&] { return rmdir(Real(path).c_str()); });
  ForgetPath(path);
  return result;
}

int Unlink(const char* path) {
  const int result = Change([&] { return unlink(Real(path).c_str()); });
  ForgetPath(path);
  return result;
}

int Rename(const char* from, const char* to, unsigned flags) {
  const int result = Change(
      [&] { return renameat2(AT_FDCWD, Real(from).c_str(), AT_FDCWD, Real(to).c_str(), flags); });
  ForgetPath(from);
  ForgetPath(to);
  return result;
}

int Link(const char* from, const char* to) {
  const int result = Change([&] { return link(Real(from).c_str(), Real(to).c_str()); });
  ForgetPath(to);
  return result;
}

int Truncate(const char* path, off_t size, fuse_file_info* file) {
  const int result = Change([&] {
    return file != nullptr ? ftruncate(static_cast<int>(file->fh), size)
                           : truncate(Real(path).c_str(), size);
  });
  ForgetPath(path);
  return result;
}

int StatFs(const char* path, struct statvfs* out) {
  return Outcome(statvfs(Real(path).c_str(), out));
}

bool ReadLie(const std::string& word) {
  const std::map<std::string, Lie> lies = {{"none", Lie::kNone},
                                           {"listings", Lie::kListings},
                                           {"exclusive", Lie::kExclusive},
                                           {"reads", Lie::kReads}};
  const auto found = lies.find(word);
  if (found != lies.end()) lie = found->second;
  return found != lies.end();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 || !ReadLie(argv[1])) {
    std::fputs("usage: lying_mount none|listings|exclusive|reads DIRECTORY MOUNTPOINT\n", stderr);
    return 2;
  }
  backing = argv[2];
  std::signal(SIGUSR1, [](int) { read_only = !read_only; });
  fuse_operations operations{};
  operations.init = Init;
  operations.getattr = GetAttr;
  operations.readdir = ReadDir;
  operations.create = Create;
  operations.open = Open;
  operations.read = Read;
  operations.write = Write;
  operations.fsync = Sync;
  operations.fsyncdir = SyncDir;
  operations.release = Release;
  operations.mkdir = MakeDir;
  operations.rmdir = RemoveDir;
  operations.unlink = Unlink;
  operations.rename = Rename;
  operations.link = Link;
  operations.truncate = Truncate;
  operations.statfs = StatFs;
  // Without a number of idle threads libfuse 3.14 complains about its own default.
  char foreground[] = "-f";
  char threads[] = "-omax_idle_threads=8";
  char* arguments[] = {argv[0], argv[3], foreground, threads, nullptr};
  return fuse_main(4, arguments, &operations, nullptr);
}
