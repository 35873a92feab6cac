#include "sidecar/volume.h"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace semper {
namespace {

constexpr std::string_view kLocalTypes[] = {"ext2",  "ext3",     "ext4",  "xfs",
                                            "btrfs", "zfs",      "f2fs",  "overlay",
                                            "jfs",   "bcachefs", "tmpfs", "ramfs"};
constexpr std::string_view kSharedTypes[] = {"nfs",       "nfs4",   "ceph", "fuse.glusterfs",
                                             "fuse.ceph", "cifs",   "smb3", "gfs2",
                                             "ocfs2",     "lustre", "gpfs", "beegfs"};

template <size_t N>
bool Contains(const std::string_view (&types)[N], std::string_view type) {
  return std::find(std::begin(types), std::end(types), type) != std::end(types);
}

// The kernel writes space, tab, line feed and backslash as \ooo.
std::string Unescape(const std::string& text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain += static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// The mount whose point is `path` itself, the newest if there are several; nothing if none is.
const Mount* MountAt(const std::vector<Mount>& mounts, const std::string& path) {
  const auto found = std::find_if(mounts.rbegin(), mounts.rend(),
                                  [&](const Mount& mount) { return mount.point == path; });
  return found == mounts.rend() ? nullptr : &*found;
}

// The mount on which `path` lies, as far as names tell.
Mount MountOf(const std::vector<Mount>& mounts, std::string path) {
  while (!path.empty()) {
    if (const Mount* mount = MountAt(mounts, path); mount != nullptr) return *mount;
    path.resize(path.rfind('/'));
  }
  const Mount* root = MountAt(mounts, "/");
  return root == nullptr ? Mount{} : *root;
}

std::deque<std::string> Parts(const std::string& path) {
  std::deque<std::string> parts;
  std::istringstream in(path);
  for (std::string part; std::getline(in, part, '/');) {
    if (!part.empty() && part != ".") parts.push_back(part);
  }
  return parts;
}

}  // namespace

std::vector<Mount> ParseMountInfo(std::string_view text) {
  // id parent major:minor root point options optional... - type source options
  std::vector<Mount> mounts;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    const std::vector<std::string> all{std::istream_iterator<std::string>(words), {}};
    const auto dash = std::find(all.begin(), all.end(), "-");
    if (all.size() < 5 || all.end() - dash < 2) continue;
    mounts.push_back({Unescape(all[4]), dash[1]});
  }
  return mounts;
}

Volume FindVolume(const std::vector<Mount>& mounts, const std::string& path,
                  const std::function<std::optional<std::string>(const std::string&)>& read_link) {
  Volume volume;
  volume.mount = MountOf(mounts, "");
  std::deque<std::string> parts = Parts(path);
  std::string place;
  // From the root downwards; it ends at the first file system that is not local, so that nothing on
  // it is touched.
  for (int links = 0; !parts.empty();) {
    const std::string part = parts.front();
    parts.pop_front();
    if (part == "..") {
      if (!place.empty()) place.resize(place.rfind('/'));
      volume.mount = MountOf(mounts, place);
      continue;
    }
    const std::string next = place + "/" + part;
    if (const Mount* mount = MountAt(mounts, next); mount != nullptr) {
      volume.mount = *mount;
      if (!Contains(kLocalTypes, mount->type)) break;
    } else if (const std::optional<std::string> target = read_link(next); target && ++links < 40) {
      if (target->starts_with('/')) {
        place.clear();
        volume.mount = MountOf(mounts, "");
      }
      const std::deque<std::string> more = Parts(*target);
      parts.insert(parts.begin(), more.begin(), more.end());
      continue;
    }
    place = next;
  }
  const bool local = Contains(kLocalTypes, volume.mount.type);
  volume.known = local || Contains(kSharedTypes, volume.mount.type);
  volume.profile = local ? log::Profile::kLocal : log::Profile::kShared;
  return volume;
}

Volume FindVolume(const std::string& path) {
  std::ifstream file("/proc/self/mountinfo");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::error_code error;
  const std::string absolute = std::filesystem::absolute(path, error).string();
  return FindVolume(ParseMountInfo(text), absolute,
                    [](const std::string& place) -> std::optional<std::string> {
                      char target[PATH_MAX];
                      const ssize_t length = readlink(place.c_str(), target, sizeof target);
                      if (length <= 0) return std::nullopt;
                      return std::string(target, static_cast<size_t>(length));
                    });
}

}  // namespace semper
