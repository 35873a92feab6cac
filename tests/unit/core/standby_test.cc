// A standby that is about to claim.
#include "base/hash.h"
#include "tests/unit/core/core_fixture.h"

namespace semper::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kSilence = ContenderOptions().silence_nanos;

class StandbyTest : public ::testing::Test {
 protected:
  StandbyTest() : core_(Options(), pool_, sink_) {
    core_.SetNow(0, 1);
    core_.Start();
    core_.OnClaimsRead(Epoch{1}, /*own=*/false);
    v1::ServiceHello hello;
    hello.set_service_name("books");
    core_.OnServiceHello(hello);
    core_.OnJoined(Recovered{});
    core_.OnFollowed(Epoch{1}, /*progressed=*/false);
  }

  static CoreOptions Options() {
    CoreOptions options;
    options.name = "shop/books";
    options.member = "b";
    options.alone = false;
    return options;
  }

  // The input with that index, an impulse.
  void Fed(uint64_t index) {
    const std::string payload = Messages({"an order"});
    FrameHeader frame;
    frame.kind = FrameKind::kImpulse;
    frame.bytes = static_cast<uint32_t>(payload.size());
    frame.count = 1;
    frame.index = index;
    frame.crc = Crc32c(0, AsBytes(payload));
    core_.OnFed(frame, pool_.Copy(AsBytes(payload)));
  }

  BufferPool pool_{64u << 10, 64u << 20};
  RecordingSink sink_;
  Core core_;
};

TEST_F(StandbyTest, PausesAndReadsTheClaimsWhenTheLogWasSilentForTheLimit) {
  sink_.Take();
  core_.SetNow(0, 2 + kSilence);
  core_.OnCheck();
  EXPECT_THAT(sink_.Take("pause"), ElementsAre("pause following"));
  core_.OnFollowPaused();
  EXPECT_THAT(sink_.Take("read"), ElementsAre("read claims"));
}

TEST_F(StandbyTest, AppliesWhatWasBeingReadWhenItPaused) {
  core_.SetNow(0, 2 + kSilence);
  core_.OnCheck();
  Fed(1);
  core_.OnFollowPaused();
  core_.OnClaimsRead(Epoch{2});  // somebody else was faster
  Fed(2);
  EXPECT_THAT(sink_.Take("stop"), IsEmpty());
  EXPECT_EQ(core_.committed(), Index{2});
}

}  // namespace
}  // namespace semper::core
