#include "sidecar/log/claims.h"

#include <functional>
#include <utility>

#include "tests/unit/log/leader.h"
#include "tests/unit/log/memory_disk.h"

namespace semper::log {
namespace {

using core::Epoch;

class ClaimsTest : public ::testing::Test {
 protected:
  ClaimsTest() { Create(disk_); }

  void ClaimUpTo(uint64_t last) {
    for (uint64_t e = Raw(*NewestClaim(disk_, kDir)) + 1; e <= last; ++e) {
      ASSERT_TRUE(CreateClaim(disk_, kDir, Epoch{e}, {.member = "m", .nonce = e}).ok()) << e;
    }
  }
  std::string Path(uint64_t e) { return absl::StrCat(kDir, "/claims/", e / 256, "/", e); }

  MemoryDisk disk_;
};

TEST_F(ClaimsTest, NewestIsZeroBeforeTheFirst) { EXPECT_EQ(*NewestClaim(disk_, kDir), Epoch{0}); }

TEST_F(ClaimsTest, AreExclusive) {
  ClaimUpTo(1);
  EXPECT_TRUE(absl::IsAlreadyExists(CreateClaim(disk_, kDir, Epoch{1}, {})));
  EXPECT_EQ(*NewestClaim(disk_, kDir), Epoch{1});
}

TEST_F(ClaimsTest, SurviveACrash) {
  for (uint64_t e : {1, 2, 255, 256, 257, 511, 512}) {
    ClaimUpTo(e);
    disk_.Crash();
    EXPECT_EQ(*NewestClaim(disk_, kDir), Epoch{e});
  }
}

TEST_F(ClaimsTest, LookUpFindsANewerClaimAlsoInTheNextBucket) {
  ClaimUpTo(254);
  EXPECT_EQ(*LookUp(kDir, Epoch{254})(disk_), Epoch{254});
  ClaimUpTo(255);
  EXPECT_EQ(*LookUp(kDir, Epoch{254})(disk_), Epoch{255});
  EXPECT_EQ(*LookUp(kDir, Epoch{255})(disk_), Epoch{255});
  ClaimUpTo(256);
  EXPECT_EQ(*LookUp(kDir, Epoch{255})(disk_), Epoch{256});
  EXPECT_EQ(*LookUp(kDir, Epoch{256})(disk_), Epoch{256});
}

// What a storage server forgets when it restarts, it forgets before the next sync.
class ForgetfulClaimsTest : public ClaimsTest {
 protected:
  // Just before the `nth` sync of a directory from now on `lost` happens.
  void BeforeSync(int nth, std::function<void()> lost) {
    syncs_left_ = nth;
    disk_.before = [this, lost = std::move(lost)](const std::string& operation,
                                                  const std::string&) {
      if (operation == "syncdir" && --syncs_left_ == 0) lost();
      return absl::OkStatus();
    };
  }
  void Forget(uint64_t e) { ASSERT_TRUE(disk_.Remove(Path(e)).ok()); }

 private:
  int syncs_left_ = 0;
};

TEST_F(ForgetfulClaimsTest, AnEpochIsNotClaimedBehindAClaimThatIsGone) {
  ClaimUpTo(2);
  BeforeSync(1, [this] { Forget(2); });
  ASSERT_TRUE(absl::IsAborted(CreateClaim(disk_, kDir, Epoch{3}, {.nonce = 3})));
  EXPECT_EQ(*NewestClaim(disk_, kDir), Epoch{1});
}

TEST_F(ForgetfulClaimsTest, ABucketIsNotBegunBehindAClaimThatIsGone) {
  ClaimUpTo(255);
  BeforeSync(1, [this] { Forget(255); });
  EXPECT_TRUE(absl::IsAborted(CreateClaim(disk_, kDir, Epoch{256}, {.nonce = 256})));
}

TEST_F(ForgetfulClaimsTest, AnOwnClaimThatIsGoneAfterItsSyncIsNoClaim) {
  ClaimUpTo(2);
  BeforeSync(2, [this] { Forget(3); });
  EXPECT_TRUE(absl::IsAborted(CreateClaim(disk_, kDir, Epoch{3}, {.nonce = 3})));
}

TEST_F(ForgetfulClaimsTest, AnEpochThatWasClaimedAgainMeanwhileIsNotOurs) {
  ClaimUpTo(2);
  BeforeSync(2, [this] {
    Forget(3);
    ASSERT_TRUE(CreateClaim(disk_, kDir, Epoch{3}, {.nonce = 33}).ok());
  });
  EXPECT_TRUE(absl::IsAborted(CreateClaim(disk_, kDir, Epoch{3}, {.nonce = 3})));
  EXPECT_EQ(ReadClaim(disk_, kDir, Epoch{3})->nonce, 33u);
}

TEST_F(ClaimsTest, LookUpWithoutTheOwnClaimIsAnError) {
  ClaimUpTo(3);
  ASSERT_TRUE(disk_.Remove(Path(3)).ok());
  EXPECT_FALSE(LookUp(kDir, Epoch{3})(disk_).ok());
}

TEST_F(ClaimsTest, LookUpWithAGapIsAnError) {
  ClaimUpTo(3);
  ASSERT_TRUE(disk_.Remove(Path(2)).ok());
  EXPECT_FALSE(LookUp(kDir, Epoch{3})(disk_).ok());
  EXPECT_FALSE(NewestClaim(disk_, kDir).ok());
}

TEST_F(ClaimsTest, LookUpWithoutTheNextBucketIsAnErrorForTheOwnerOfTheLastEpoch) {
  ClaimUpTo(254);
  disk_.before = [](const std::string& operation, const std::string&) {
    return operation == "mkdir" ? absl::UnavailableError("stuck") : absl::OkStatus();
  };
  EXPECT_FALSE(CreateClaim(disk_, kDir, Epoch{255}, {}).ok());
  disk_.before = nullptr;
  EXPECT_FALSE(LookUp(kDir, Epoch{255})(disk_).ok());
  // The next contender makes the bucket that the dead owner did not make.
  EXPECT_EQ(*NewestClaim(disk_, kDir), Epoch{255});
  EXPECT_TRUE(CreateClaim(disk_, kDir, Epoch{256}, {}).ok());
  EXPECT_EQ(*LookUp(kDir, Epoch{256})(disk_), Epoch{256});
}

TEST_F(ClaimsTest, LookUpPassesOnAnErrorOfTheListing) {
  ClaimUpTo(1);
  disk_.before = [](const std::string&, const std::string&) {
    return absl::UnavailableError("hung");
  };
  EXPECT_FALSE(LookUp(kDir, Epoch{1})(disk_).ok());
}

TEST_F(ClaimsTest, PassOverForeignNames) {
  ClaimUpTo(2);
  for (const char* name : {"03", "x", ".nfs0001", "-1"}) {
    ASSERT_TRUE(
        disk_.Open(absl::StrCat(kDir, "/claims/0/", name), OpenMode::kCreateExclusive).ok());
  }
  EXPECT_EQ(*NewestClaim(disk_, kDir), Epoch{2});
}

TEST_F(ClaimsTest, TornClaimStillCounts) {
  ClaimUpTo(2);
  disk_.At(Path(2)).resize(12);
  EXPECT_EQ(*NewestClaim(disk_, kDir), Epoch{2});
  auto info = ReadClaim(disk_, kDir, Epoch{2});
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->nonce, 0u);
  EXPECT_EQ(ReadClaim(disk_, kDir, Epoch{1})->nonce, 1u);
}

}  // namespace
}  // namespace semper::log
