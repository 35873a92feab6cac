// The self-test on real mounts that lie, each from a process of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/volumes/fuse_mount.h"
#include "tests/volumes/run_self_test.h"

namespace semper::volumes {
namespace {

using testing::HasSubstr;

class FuseVolume : public testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    if (!FuseMount::Possible(why)) GTEST_SKIP() << why;
    std::string pattern = testing::TempDir() + "/fuse-volume-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    std::filesystem::create_directory(root_ + "/volume");
  }
  void TearDown() override {
    if (!root_.empty()) std::filesystem::remove_all(root_);
  }

  // The verdict of two nodes that mount with this lie.
  std::string Verdict(const std::string& lie) {
    const FuseMount a(lie, root_ + "/volume", root_ + "/a");
    const FuseMount b(lie, root_ + "/volume", root_ + "/b");
    const auto verdict = RunSelfTest(a.point(), b.point());
    return verdict.ok() ? *verdict : "no verdict: " + verdict.status().ToString();
  }

  std::string root_;
};

TEST_F(FuseVolume, PassesWhenItIsHonest) { EXPECT_EQ(Verdict("none"), ""); }

TEST_F(FuseVolume, IsRefusedWhenItCachesListings) {
  EXPECT_THAT(Verdict("listings"), HasSubstr("listings come from a cache"));
}

TEST_F(FuseVolume, IsRefusedWhenItsExclusiveCreateIsLocalToTheNode) {
  EXPECT_THAT(Verdict("exclusive"), HasSubstr("created exclusively by two members"));
}

TEST_F(FuseVolume, IsRefusedWhenItsReadsAreStale) {
  EXPECT_THAT(Verdict("reads"), HasSubstr("reads come from a cache"));
}

}  // namespace
}  // namespace semper::volumes
