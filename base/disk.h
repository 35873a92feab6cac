// Disk: every touch of a file system that the coordinator's durable state depends on.
//
// A port, so that the simulator can crash, tear, reorder and fail each single operation. Calls
// block and may hang for minutes on a shared volume: they are made on executor lanes
// (base/executor.h), never on the event loop. Implementations are safe to use from several threads
// at once; one File is used by one thread at a time.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace semper {

// Which file it is, whatever its name: no other one has the same as long as it is open.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  bool operator==(const FileIdentity&) const = default;
};

// An open file. Closed by the destructor; an error of close is not reported: what matters was
// synced before.
class File {
 public:
  virtual ~File() = default;

  // Writes all of `pieces`, one after the other, from byte `offset` on. Not durable until Sync
  // returned OK. A partial write is continued; any error leaves the range undefined. `pieces` may
  // be changed by the call.
  virtual absl::Status WriteAt(uint64_t offset, std::span<iovec> pieces) = 0;

  // fdatasync. After an error nothing of this file may be relied on (I5): the caller gives up its
  // epoch.
  virtual absl::Status Sync() = 0;

  // Reads up to out.size() bytes from `offset`; fewer only at the end of the file. Returns the
  // number read.
  virtual absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> out) = 0;

  virtual absl::StatusOr<uint64_t> Size() = 0;

  virtual absl::StatusOr<FileIdentity> Identity() = 0;

  // Makes the range [0, bytes) of a fresh file exist on disk, written with zeroes and synced, so
  // that later writes into it change no metadata. Used for segments of the local profile only.
  virtual absl::Status Prewrite(uint64_t bytes) = 0;
};

enum class OpenMode {
  kCreateExclusive,  // O_CREAT|O_EXCL|O_RDWR, mode 0600; ALREADY_EXISTS if the name is taken
  kWrite,      // O_RDWR, a file that this very process created earlier; NOT_FOUND if there is none
  kRead,       // O_RDONLY; NOT_FOUND if there is none
  kReadFresh,  // O_RDONLY, a new descriptor past every cache (O_DIRECT where the file system has
               // it)
};

class Disk {
 public:
  virtual ~Disk() = default;

  virtual absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;

  // Which file the name leads to now, by one system call. NOT_FOUND if there is none.
  virtual absl::StatusOr<FileIdentity> Identify(const std::string& path) = 0;

  // The names in `dir`, without "." and "..", in no order. The directory is opened afresh by its
  // name and read to its end; anything less is an error. NOT_FOUND if the directory does not exist.
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& dir) = 0;

  // The same for what is looked at all the time: `take` is called for each name, which is valid
  // during the call. The machine's own disk allocates nothing for it.
  virtual absl::Status ForEachName(const std::string& dir,
                                   absl::FunctionRef<void(std::string_view)> take) {
    auto names = List(dir);
    if (!names.ok()) return names.status();
    for (const std::string& name : *names) take(name);
    return absl::OkStatus();
  }

  // Creates one directory (mode 0700). ALREADY_EXISTS if the name is taken. Durable after SyncDir
  // of the parent.
  virtual absl::Status MakeDir(const std::string& path) = 0;

  // fsync of a directory: creations, renames and removals in it are durable afterwards.
  virtual absl::Status SyncDir(const std::string& path) = 0;

  // rename(2); refuses (ALREADY_EXISTS) when `to` exists: names in use are never renamed over.
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;

  virtual absl::Status Remove(const std::string& path) = 0;  // NOT_FOUND if there is none

  // Bytes that can still be written by this process in the file system of `dir`.
  virtual absl::StatusOr<uint64_t> FreeBytes(const std::string& dir) = 0;
};

// The machine's own file systems. Threads: any. `root`, without a slash at its end: a directory
// that is kept open, so that what lies below it costs no walk along the whole path, which is a
// request to the servers of a shared volume for each directory on the way. Another one in its place
// is noticed within a second.
std::unique_ptr<Disk> MakePosixDisk(std::string root = "");

}  // namespace semper
