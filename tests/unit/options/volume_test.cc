#include "sidecar/volume.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace semper {
namespace {

const char kMountInfo[] =
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "30 22 0:26 / /mnt/nfs rw - nfs4 server:/x rw\n"
    "31 22 0:27 / /mnt/with\\040space rw master:2 shared:3 - xfs /dev/sdb rw\n"
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

}  // namespace
}  // namespace semper
