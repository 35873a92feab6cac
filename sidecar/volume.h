// What the mount table says of a volume: which profile of the log fits it, and whether members of
// one immortal may share it from several nodes. The volume itself is not touched: that could hang.
//
// The table knows only what the kernel shows. A volume that passes here is still put to the
// self-test between two members (sidecar/selftest). docs/volumes.md has the reasons.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "sidecar/log/writer.h"

namespace semper {

struct Mount {
  std::string point;
  std::string type;    // "ext4", "nfs4"
  std::string source;  // "/dev/sda1", "server:/export"
  // Of the mount, then of the file system, as the kernel writes them: "rw", "vers=4.2", "nocto".
  std::vector<std::string> options;
};

// The lines of /proc/self/mountinfo, in their order.
std::vector<Mount> ParseMountInfo(std::string_view text);

// A root directory that the table does not show, as in a chroot, by the number that statfs(2) gives
// for the kind of its file system; of a kind that is not local nothing can be said.
Mount RootByMagic(uint64_t magic);

struct Volume {
  log::Profile profile = log::Profile::kShared;
  Mount mount;
  bool known = false;   // false: a kind of file system of which nothing is known, taken as shared
  bool memory = false;  // nothing on it outlives its machine
  // Why several members must not use this mount, and which options help; empty: nothing is known
  // against it. Nobody competes for the log of a member that is alone: it may run all the same.
  std::string unfit;
};

// `path` is absolute. `read_link` gives the target of a symbolic link, or nothing; it is asked only
// about places that lie on local file systems. What cannot be found out counts as shared, which is
// right, if slower, on every volume.
Volume FindVolume(const std::vector<Mount>& mounts, const std::string& path,
                  const std::function<std::optional<std::string>(const std::string&)>& read_link);

// The same for this machine and a path that may be relative.
Volume FindVolume(const std::string& path);

// May an immortal of several members keep its log on `volume`? FAILED_PRECONDITION: no; the text
// says why and what helps. A kind of file system that is not known is refused too, unless a person
// has named the profile (`profile_was_set`): then the self-test alone decides. A local file system
// is allowed: members on one node may share it.
absl::Status CheckShared(const Volume& volume, bool profile_was_set);

}  // namespace semper
