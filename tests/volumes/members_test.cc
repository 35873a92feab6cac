// Two coordinators of one immortal, each on its own mount of a volume that lies: they find out, say
// which promise is broken, and neither of them leads.
#include <gmock/gmock.h>

#include <memory>
#include <string>

#include "tests/integration/shop/shop_fixture.h"
#include "tests/volumes/fuse_mount.h"

namespace semper::volumes {
namespace {

using shop::demo::BinDirectory;
using shop::demo::ContentOf;
using shop::demo::FindFreePort;
using shop::demo::Process;
using shop::demo::WaitFor;
using testing::HasSubstr;

class MembersOnFuse : public shop::demo::WorkDirTest {
 protected:
  struct Member {
    std::unique_ptr<FuseMount> mount;
    int port = 0;
    std::unique_ptr<Process> process;
  };

  void SetUp() override {
    std::string why;
    if (!FuseMount::Possible(why)) GTEST_SKIP() << why;
    std::filesystem::create_directory(File("volume"));
  }

  void Mount(Member& member, const std::string& lie, const char* name) {
    member.mount = std::make_unique<FuseMount>(lie, File("volume"), File(name));
    member.port = FindFreePort(Random() + static_cast<unsigned char>(name[0]));
  }

  void Start(Member& member, const Member& fellow, const char* name, const char* profile) {
    const auto address = [](const Member& of) { return "127.0.0.1:" + std::to_string(of.port); };
    const std::string file = File(name);
    member.process =
        std::make_unique<Process>(std::vector<std::string>{BinDirectory() + "/semper-sidecar",
                                                           "--name",
                                                           "demo/counter",
                                                           "--member",
                                                           name,
                                                           "--members",
                                                           address(fellow),
                                                           "--peer-listen",
                                                           address(member),
                                                           "--log-dir",
                                                           member.mount->point(),
                                                           "--genesis",
                                                           "create",
                                                           "--log-profile",
                                                           profile,
                                                           "--admin-http",
                                                           "",
                                                           "--admin-socket",
                                                           file + ".admin",
                                                           "--service-socket",
                                                           file + ".service"},
                                  file + ".log");
    ASSERT_TRUE(member.process->Start());
  }

  // What both have logged, once each has said `word`.
  std::string SaidByBoth(const std::string& lie, const std::string& word) {
    Member a;
    Member b;
    Mount(a, lie, "a");
    Mount(b, lie, "b");
    Start(a, b, "a", "shared");
    // The second one finds the genesis that the first one makes: a lie may hide it for ever.
    EXPECT_TRUE(WaitFor([&] {
      return std::filesystem::exists(File("volume/demo/counter/claims/0")) &&
             !ContentOf(File("volume/demo/counter/genesis")).empty();
    }));
    Start(b, a, "b", "shared");
    EXPECT_TRUE(WaitFor([&] {
      return ContentOf(File("a.log")).find(word) != std::string::npos &&
             ContentOf(File("b.log")).find(word) != std::string::npos;
    }));
    return ContentOf(File("a.log")) + ContentOf(File("b.log"));
  }
};

TEST_F(MembersOnFuse, AgreeOnAnHonestVolume) {
  EXPECT_THAT(SaidByBoth("none", "the volume keeps its promises"),
              testing::Not(HasSubstr("will not lead")));
}

TEST_F(MembersOnFuse, RefuseCachedListings) {
  EXPECT_THAT(SaidByBoth("listings", "will not lead"), HasSubstr("listings come from a cache"));
}

TEST_F(MembersOnFuse, RefuseAnExclusiveCreateThatIsLocalToTheNode) {
  EXPECT_THAT(SaidByBoth("exclusive", "will not lead"),
              HasSubstr("created exclusively by two members"));
}

TEST_F(MembersOnFuse, RefuseStaleReads) {
  EXPECT_THAT(SaidByBoth("reads", "will not lead"), HasSubstr("reads come from a cache"));
}

TEST_F(MembersOnFuse, DoNotStartOnAnUnknownKindOfVolume) {
  Member a;
  Member b;
  Mount(a, "none", "a");
  Mount(b, "none", "b");
  Start(a, b, "a", "auto");
  const std::optional<int> status = a.process->WaitFor(std::chrono::seconds(30));
  EXPECT_TRUE(status && WIFEXITED(*status) && WEXITSTATUS(*status) != 0);
  EXPECT_THAT(ContentOf(File("a.log")), HasSubstr("Set log-profile to shared"));
}

}  // namespace
}  // namespace semper::volumes
