// Which profile of the log fits a volume, by the mount table. The volume itself is not touched:
// that could hang.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/log/writer.h"

namespace semper {

struct Mount {
  std::string point;
  std::string type;  // "ext4", "nfs4"
};

// The lines of /proc/self/mountinfo, in their order.
std::vector<Mount> ParseMountInfo(std::string_view text);

struct Volume {
  log::Profile profile = log::Profile::kShared;
  Mount mount;
  bool known =
      false;  // false: a kind of file system that this program does not know, taken as shared
};

// `path` is absolute. `read_link` gives the target of a symbolic link, or nothing; it is asked only
// about places that lie on local file systems. What cannot be found out counts as shared, which is
// right, if slower, on every volume.
Volume FindVolume(const std::vector<Mount>& mounts, const std::string& path,
                  const std::function<std::optional<std::string>(const std::string&)>& read_link);

// The same for this machine and a path that may be relative.
Volume FindVolume(const std::string& path);

}  // namespace semper
