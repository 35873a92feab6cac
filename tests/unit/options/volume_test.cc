#include "sidecar/volume.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

namespace semper {
namespace {

const char kMountInfo[] =
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "30 22 0:26 / /mnt/nfs rw - nfs4 server:/x rw\n"
    "31 22 0:27 / /mnt/with\\040space rw,noatime master:2 shared:3 - xfs /dev/sdb rw,logbufs=8\n"
    "32 22 0:28 / /mnt/odd rw - fuse.strange x rw\n"
    "33 30 0:29 / /mnt/nfs/inner rw - tmpfs tmpfs rw\n"
    "nonsense\n";

// A machine with symbolic links; remembers which places were touched.
struct Machine {
  std::map<std::string, std::string> links;
  std::set<std::string> touched;

  Volume Find(const std::string& path) {
    return FindVolume(ParseMountInfo(kMountInfo), path,
                      [this](const std::string& place) -> std::optional<std::string> {
                        touched.insert(place);
                        const auto found = links.find(place);
                        if (found == links.end()) return std::nullopt;
                        return found->second;
                      });
  }
};

TEST(FindVolume, TakesTheMountThatHoldsThePath) {
  Machine machine;
  EXPECT_EQ(machine.Find("/var/log").mount.type, "ext4");
  EXPECT_EQ(machine.Find("/var/log").profile, log::Profile::kLocal);
  EXPECT_EQ(machine.Find("/mnt/nfs/a").profile, log::Profile::kShared);
  EXPECT_EQ(machine.Find("/mnt/nfsx").mount.type, "ext4") << "a prefix of a name is not its parent";
}

TEST(FindVolume, ReadsEscapedNames) {
  Machine machine;
  EXPECT_EQ(machine.Find("/mnt/with space/a").mount.type, "xfs");
}

TEST(FindVolume, AnUnknownKindCountsAsShared) {
  Machine machine;
  const Volume volume = machine.Find("/mnt/odd/a");
  EXPECT_EQ(volume.profile, log::Profile::kShared);
  EXPECT_FALSE(volume.known);
}

TEST(FindVolume, SaysThatMemoryIsNoDisk) {
  const auto no_links = [](const std::string&) -> std::optional<std::string> { return {}; };
  const std::vector<Mount> table = ParseMountInfo(
      "31 1 0:6 / /dev rw - devtmpfs dev rw\n32 31 0:23 / /dev/shm rw - tmpfs shm rw\n"
      "30 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
  EXPECT_FALSE(FindVolume(table, "/var/log", no_links).memory);
  const Volume volume = FindVolume(table, "/dev/shm/log", no_links);
  EXPECT_TRUE(volume.memory);
  EXPECT_EQ(volume.mount.point, "/dev/shm");
  EXPECT_EQ(volume.profile, log::Profile::kLocal);
}

TEST(FindVolume, TakesARootThatTheTableDoesNotShowByItsKind) {
  const auto no_links = [](const std::string&) -> std::optional<std::string> { return {}; };
  const std::vector<Mount> table = ParseMountInfo("31 22 0:27 / /proc rw - proc proc rw\n");
  EXPECT_FALSE(FindVolume(table, "/var/log", no_links).known);
  for (const auto& [magic, type] : {std::pair(0xef53, "ext4"), std::pair(0x794c7630, "overlay")}) {
    const Volume volume = FindVolume({RootByMagic(magic), table[0]}, "/var/log", no_links);
    EXPECT_EQ(volume.mount.type, type);
    EXPECT_EQ(volume.profile, log::Profile::kLocal);
    EXPECT_TRUE(CheckShared(volume, false).ok());
  }
  const Volume odd = FindVolume({RootByMagic(0x1234)}, "/var/log", no_links);
  EXPECT_THAT(std::string(CheckShared(odd, false).message()), testing::HasSubstr("0x1234"));
}

TEST(FindVolume, FollowsLinksToTheVolume) {
  Machine machine{.links = {{"/data", "/mnt/nfs/data"}, {"/var/here", "../data"}}};
  EXPECT_EQ(machine.Find("/data/log").mount.type, "nfs4");
  EXPECT_EQ(machine.Find("/var/here/log").mount.type, "nfs4");
}

TEST(FindVolume, GoesUpWithDots) {
  Machine machine;
  EXPECT_EQ(machine.Find("/mnt/with space/../x").mount.type, "ext4");
}

TEST(FindVolume, TouchesNothingOnAVolumeThatIsNotLocal) {
  Machine machine;
  machine.Find("/mnt/nfs/a/b");
  for (const std::string& place : machine.touched)
    EXPECT_FALSE(place.starts_with("/mnt/nfs")) << place;
}

TEST(FindVolume, EndsWithALinkToItself) {
  Machine machine{.links = {{"/loop", "/loop"}}};
  EXPECT_EQ(machine.Find("/loop/a").mount.type, "ext4");
}

TEST(FindVolume, ReadsTheOptionsOfMountAndFileSystem) {
  Machine machine;
  const Mount mount = machine.Find("/mnt/with space/a").mount;
  EXPECT_EQ(mount.source, "/dev/sdb");
  EXPECT_THAT(mount.options, testing::ElementsAre("rw", "noatime", "rw", "logbufs=8"));
}

// A mount of a shared kind with these options of the file system.
Volume Shared(const std::string& type, const std::string& options,
              const std::string& mount = "rw") {
  const std::string table = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:26 / /log " + mount +
                            " - " + type + " server:/x " + options + "\n";
  return FindVolume(ParseMountInfo(table), "/log/shop",
                    [](const std::string&) { return std::nullopt; });
}

TEST(CheckShared, LetsMembersOnOneNodeShareALocalFileSystem) {
  Machine machine;
  EXPECT_TRUE(CheckShared(machine.Find("/var/log"), false).ok());
}

TEST(CheckShared, RefusesAnUnknownKindWithTheWayToHaveItTested) {
  Machine machine;
  const absl::Status status = CheckShared(machine.Find("/mnt/odd/a"), false);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("Set log-profile to shared"));
}

TEST(CheckShared, LeavesAnUnknownKindToTheSelfTestIfAPersonNamedTheProfile) {
  Machine machine;
  EXPECT_TRUE(CheckShared(machine.Find("/mnt/odd/a"), true).ok());
}

TEST(CheckShared, RefusesWhatIsKnownToBeUnfitAlsoIfAPersonNamedTheProfile) {
  EXPECT_FALSE(CheckShared(Shared("fuse.s3fs", "rw"), true).ok());
}

TEST(CheckShared, RefusesAReadOnlyMount) {
  EXPECT_THAT(Shared("ceph", "rw", "ro,relatime").unfit, testing::HasSubstr("read-only"));
  EXPECT_THAT(Shared("ceph", "ro", "rw").unfit, testing::HasSubstr("read-only"));
  EXPECT_THAT(Shared("ext4", "rw", "rw,abort,emergency_ro").unfit, testing::HasSubstr("read-only"));
}

TEST(CheckShared, NamesVolumeOptionsAndRemedy) {
  const absl::Status status = CheckShared(Shared("nfs4", "rw,vers=4.2,hard,nocto"), false);
  EXPECT_EQ(status.message(),
            "members of one immortal cannot share server:/x (nfs4) mounted on /log with "
            "rw,rw,vers=4.2,hard,nocto: with nocto an open does not ask the server, so that a "
            "directory is listed from the cache. Mount it without nocto");
}

struct Case {
  std::string type;
  std::string options;
  std::string unfit;  // a part of it; empty: fit
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.type << " " << c.options; }

class SharedMount : public testing::TestWithParam<Case> {};

TEST_P(SharedMount, IsFitOrSaysWhatHelps) {
  const auto& [type, options, unfit] = GetParam();
  const Volume volume = Shared(type, options);
  EXPECT_TRUE(volume.known);
  EXPECT_EQ(volume.unfit.empty(), unfit.empty()) << volume.unfit;
  EXPECT_THAT(volume.unfit, testing::HasSubstr(unfit));
}

const Case kCases[] = {
    {"nfs4", "rw,vers=4.2,lookupcache=none", ""},
    {"nfs4", "rw,vers=4.1,lookupcache=pos", ""},
    {"nfs4", "rw,vers=4.1,noac", ""},
    {"nfs4", "rw,vers=4.1,acdirmin=0,acdirmax=0", ""},
    {"nfs4", "rw,vers=4.2", "up to 60 s (acdirmax)"},
    {"nfs4", "rw,vers=4.2,acdirmin=0,acdirmax=5", "up to 5 s (acdirmax)"},
    {"nfs4", "rw,vers=4.2,lookupcache=all", "Mount it with lookupcache=none"},
    {"nfs4", "rw,vers=4.2,lookupcache=none,softreval", "without softreval"},
    {"nfs", "rw,vers=3,lookupcache=none", "vers=4.1"},
    {"cifs", "rw,vers=3.1.1,cache=strict,nohandlecache,actimeo=0", ""},
    {"smb3", "rw,cache=none,nohandlecache,acdirmax=0,acregmax=0", ""},
    {"cifs", "rw,cache=strict,nohandlecache,actimeo=1", "actimeo=0"},
    {"cifs", "rw,cache=strict,nohandlecache,acregmax=0", "actimeo=0"},
    {"cifs", "rw,cache=loose,nohandlecache,actimeo=0", "with cache=loose"},
    {"cifs", "rw,cache=strict,actimeo=0", "Mount it with nohandlecache"},
    {"cifs", "rw,cache=strict,nohandlecache,nostrictsync,actimeo=0", "without nostrictsync"},
    {"gfs2", "rw", ""},
    {"gfs2", "rw,lockproto=lock_nolock", "lock_dlm"},
    {"fuse.glusterfs", "rw,user_id=0,default_permissions", ""},
    {"fuse.ceph-fuse", "rw", ""},
    {"fuse.sshfs", "rw", "Use a file system"},
    {"fuse.gcsfuse", "rw", "Use a file system"},
};
INSTANTIATE_TEST_SUITE_P(Options, SharedMount, testing::ValuesIn(kCases));

}  // namespace
}  // namespace semper
