#include "sidecar/volume.h"

#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <deque>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace semper {
namespace {

constexpr uint64_t kZfsMagic = 0x2fc12fc1;  // not the kernel's own

constexpr std::string_view kDiskTypes[] = {"ext2", "ext3", "ext4",    "xfs", "btrfs",
                                           "zfs",  "f2fs", "overlay", "jfs", "bcachefs"};
constexpr std::string_view kMemoryTypes[] = {"tmpfs", "ramfs", "devtmpfs"};

// An option's value, "" for one without; nothing if the mount does not have it.
std::optional<std::string> OptionOf(const Mount& mount, std::string_view name) {
  for (const std::string& option : mount.options) {
    const size_t equals = option.find('=');
    if (std::string_view(option).substr(0, equals) != name) continue;
    return equals == std::string::npos ? "" : option.substr(equals + 1);
  }
  return std::nullopt;
}
bool Has(const Mount& mount, std::string_view name) { return OptionOf(mount, name).has_value(); }
bool HasOneOf(const Mount& mount, std::string_view name,
              std::initializer_list<std::string_view> values) {
  const std::optional<std::string> value = OptionOf(mount, name);
  return value && std::find(values.begin(), values.end(), *value) != values.end();
}

// ---- what is wrong with a mount of a shared kind; empty: nothing ----

std::string FitByItself(const Mount&) { return ""; }

// What the kernel leaves out is the default: attributes are cached, so are absent names, and an
// open asks the server.
std::string UnfitNfs(const Mount& mount) {
  const std::optional<std::string> version = OptionOf(mount, "vers");
  if (version && !version->starts_with("4")) {
    return "NFS before version 4 tells a changed directory by its time only, and two changes "
           "within one tick of the server's clock look like one. Mount it with vers=4.1 or later";
  }
  if (Has(mount, "nocto")) {
    return "with nocto an open does not ask the server, so that a directory is listed from the "
           "cache. Mount it without nocto";
  }
  if (Has(mount, "softreval")) {
    return "with softreval a client that cannot reach the server answers from its cache. Mount it "
           "without softreval";
  }
  const bool caches_no_attributes = Has(mount, "noac") || (HasOneOf(mount, "acdirmin", {"0"}) &&
                                                           HasOneOf(mount, "acdirmax", {"0"}));
  if (!caches_no_attributes && !HasOneOf(mount, "lookupcache", {"none", "pos", "positive"})) {
    const std::string seconds = OptionOf(mount, "acdirmax").value_or("60");
    return "an absent name is believed to be absent for up to " + seconds +
           " s (acdirmax) while another node makes it. Mount it with lookupcache=none or "
           "lookupcache=positive";
  }
  return "";
}

std::string UnfitSmb(const Mount& mount) {
  const bool asks = HasOneOf(mount, "actimeo", {"0"}) ||
                    (HasOneOf(mount, "acregmax", {"0"}) && HasOneOf(mount, "acdirmax", {"0"}));
  if (!asks) {
    return "attributes are believed for a while (1 s unless set) without asking the server. Mount "
           "it with actimeo=0";
  }
  if (!HasOneOf(mount, "cache", {"strict", "none"})) {
    return "with cache=" + OptionOf(mount, "cache").value_or("(not shown)") +
           " the client keeps contents without the server's leave. Mount it with cache=strict or "
           "cache=none";
  }
  if (!Has(mount, "nohandlecache")) {
    return "listings of directories are kept, and a node that changes a directory does not wait "
           "until they are dropped. Mount it with nohandlecache";
  }
  if (Has(mount, "nostrictsync")) {
    return "with nostrictsync a sync does not reach the server's disk. Mount it without "
           "nostrictsync";
  }
  return "";
}

std::string UnfitGfs2(const Mount& mount) {
  if (!HasOneOf(mount, "lockproto", {"lock_nolock"})) return "";
  return "with lockproto=lock_nolock its nodes know nothing of each other. Mount it with "
         "lockproto=lock_dlm";
}

std::string UnfitObjectStore(const Mount&) {
  return "it keeps files as objects, which can be neither created exclusively nor appended to. Use "
         "a file system: CephFS, GlusterFS, NFS 4.1";
}

std::string UnfitSshfs(const Mount&) {
  return "it answers look-ups and listings from a cache and syncs nothing unless the server "
         "supports it. Use a file system: CephFS, GlusterFS, NFS 4.1";
}

// GlusterFS caches in the client's process, and neither its options nor the volume's are shown
// here: the self-test finds out.
struct SharedType {
  std::string_view type;
  std::string (*unfit)(const Mount&);
};
constexpr SharedType kSharedTypes[] = {
    {"ceph", FitByItself},
    {"fuse.ceph", FitByItself},
    {"fuse.ceph-fuse", FitByItself},
    {"fuse.glusterfs", FitByItself},
    {"fuse.mfs", FitByItself},
    {"gfs2", UnfitGfs2},
    {"gpfs", FitByItself},
    {"lustre", FitByItself},
    {"ocfs2", FitByItself},
    {"nfs", UnfitNfs},
    {"nfs4", UnfitNfs},
    {"cifs", UnfitSmb},
    {"smb3", UnfitSmb},
    {"fuse.sshfs", UnfitSshfs},
    {"fuse.blobfuse", UnfitObjectStore},
    {"fuse.blobfuse2", UnfitObjectStore},
    {"fuse.gcsfuse", UnfitObjectStore},
    {"fuse.geesefs", UnfitObjectStore},
    {"fuse.goofys", UnfitObjectStore},
    {"fuse.mountpoint-s3", UnfitObjectStore},
    {"fuse.rclone", UnfitObjectStore},
    {"fuse.s3fs", UnfitObjectStore},
};

bool IsMemory(std::string_view type) {
  return std::find(std::begin(kMemoryTypes), std::end(kMemoryTypes), type) !=
         std::end(kMemoryTypes);
}

bool IsLocal(std::string_view type) {
  return IsMemory(type) ||
         std::find(std::begin(kDiskTypes), std::end(kDiskTypes), type) != std::end(kDiskTypes);
}

const SharedType* FindShared(std::string_view type) {
  const auto* const found =
      std::find_if(std::begin(kSharedTypes), std::end(kSharedTypes),
                   [&](const SharedType& known) { return known.type == type; });
  return found == std::end(kSharedTypes) ? nullptr : found;
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
  const auto split_options = [](const std::string& text_of_options, std::vector<std::string>& out) {
    std::istringstream in(text_of_options);
    for (std::string option; std::getline(in, option, ',');) out.push_back(Unescape(option));
  };
  std::vector<Mount> mounts;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    const std::vector<std::string> all{std::istream_iterator<std::string>(words), {}};
    if (all.size() < 6) continue;
    const auto dash = std::find(all.begin() + 6, all.end(), "-");
    if (all.end() - dash < 3) continue;
    Mount mount{.point = Unescape(all[4]), .type = dash[1], .source = Unescape(dash[2])};
    split_options(all[5], mount.options);
    if (all.end() - dash > 3) split_options(dash[3], mount.options);
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

Mount RootByMagic(uint64_t magic) {
  struct Known {
    uint64_t magic;
    std::string_view type;
  };
  static constexpr Known kKnown[] = {
      {EXT4_SUPER_MAGIC, "ext4"}, {XFS_SUPER_MAGIC, "xfs"}, {BTRFS_SUPER_MAGIC, "btrfs"},
      {F2FS_SUPER_MAGIC, "f2fs"}, {kZfsMagic, "zfs"},       {OVERLAYFS_SUPER_MAGIC, "overlay"},
      {TMPFS_MAGIC, "tmpfs"},     {RAMFS_MAGIC, "ramfs"},
  };
  Mount mount{.point = "/", .source = "what the mount table does not show"};
  for (const Known& known : kKnown) {
    if (known.magic == magic) mount.type = known.type;
  }
  if (mount.type.empty()) mount.type = absl::StrCat("0x", absl::Hex(magic));
  return mount;
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
    const std::string next = absl::StrCat(place, "/", part);
    if (const Mount* mount = MountAt(mounts, next); mount != nullptr) {
      volume.mount = *mount;
      if (!IsLocal(mount->type)) break;
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
  const bool local = IsLocal(volume.mount.type);
  const SharedType* const shared = FindShared(volume.mount.type);
  volume.known = local || shared != nullptr;
  volume.memory = IsMemory(volume.mount.type);
  volume.profile = local ? log::Profile::kLocal : log::Profile::kShared;
  // A local one says the other word when its disk has failed and it takes no writes any more.
  if (Has(volume.mount, "ro") || Has(volume.mount, "emergency_ro")) {
    volume.unfit = "it is mounted read-only. Mount it with rw";
  } else if (shared != nullptr) {
    volume.unfit = shared->unfit(volume.mount);
  }
  return volume;
}

Volume FindVolume(const std::string& path) {
  std::ifstream file("/proc/self/mountinfo");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::error_code error;
  const std::string absolute = std::filesystem::absolute(path, error).string();
  std::vector<Mount> mounts = ParseMountInfo(text);
  struct statfs root {};
  // Without any line there is no /proc, and the root says nothing of what is mounted below it.
  if (!mounts.empty() && MountAt(mounts, "/") == nullptr && statfs("/", &root) == 0)
    mounts.insert(mounts.begin(), RootByMagic(static_cast<uint64_t>(root.f_type)));
  return FindVolume(mounts, absolute, [](const std::string& place) -> std::optional<std::string> {
    char target[PATH_MAX];
    const ssize_t length = readlink(place.c_str(), target, sizeof target);
    if (length <= 0) return std::nullopt;
    return std::string(target, static_cast<size_t>(length));
  });
}

absl::Status CheckShared(const Volume& volume, bool profile_was_set) {
  const Mount& mount = volume.mount;
  const auto refuse = [&](std::string_view why) {
    return absl::FailedPreconditionError(absl::StrCat(
        "members of one immortal cannot share ", mount.source, " (", mount.type, ") mounted on ",
        mount.point, " with ", absl::StrJoin(mount.options, ","), ": ", std::string(why)));
  };
  if (!volume.unfit.empty()) return refuse(volume.unfit);
  if (volume.known || profile_was_set) return absl::OkStatus();
  return refuse(
      "this kind of file system is not known. Set log-profile to shared if it is meant to hold "
      "the log; then the self-test between two members decides whether it can");
}

}  // namespace semper
