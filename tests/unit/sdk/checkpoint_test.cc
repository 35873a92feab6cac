// The state out and in: restore + the rest of the log gives what the whole log gives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "semper/v1/link.pb.h"
#include "semper/v1/sdk_state.pb.h"
#include "tests/unit/sdk/fake_coordinator.h"
#include "tests/unit/sdk/recorder.h"
#include "tests/unit/sdk/shop_service.h"

namespace semper::test {
namespace {

using ::testing::HasSubstr;

template <typename S>
struct Link {
  explicit Link(Config config = {}) {
    auto made = std::make_unique<S>();
    service = made.get();
    coordinator = std::make_unique<FakeCoordinator>(std::move(made), config);
  }
  S* service;
  std::unique_ptr<FakeCoordinator> coordinator;
};

// Random commands for a Recorder, some of which touch every part of the SDK's own state.
std::vector<std::string> RandomMessages(std::mt19937_64& random, int count) {
  std::vector<std::string> messages;
  const char* names[] = {"x", "y", "far/z", "far/u"};
  for (int i = 0; i < count; ++i) {
    switch (random() % 6) {
      case 0:
        messages.push_back(
            Raw("to " + std::string(names[random() % 4]) + " m" + std::to_string(i)));
        break;
      case 1:
        messages.push_back(
            Raw("after " + std::to_string(random() % 3000) + " t" + std::to_string(i)));
        break;
      case 2:
        messages.push_back(Raw("cancel " + std::to_string(1 + random() % 20)));
        break;
      case 3:
        messages.push_back(Raw("random"));
        break;
      case 4:
        messages.push_back(Raw("echo e" + std::to_string(i)));
        break;
      default:
        messages.push_back(Raw("nothing"));
    }
  }
  return messages;
}

// Input number `step` of the log that `seed` stands for.
void Feed(FakeCoordinator& coordinator, uint64_t seed, int step) {
  std::mt19937_64 random(seed * 1000 + static_cast<uint64_t>(step));
  if (step == 0) return coordinator.StartLog({{"color", "red"}});
  if (step <= 2)
    return coordinator.PeerSeen(static_cast<uint32_t>(step), "test/p" + std::to_string(step));
  coordinator.time = 1000 + 200 * static_cast<uint64_t>(step);
  if (random() % 5 == 0) return coordinator.Tick(coordinator.time);
  const int count = 1 + static_cast<int>(random() % 6);
  coordinator.Peer(1 + static_cast<uint32_t>(random() % 2), RandomMessages(random, count));
}

TEST(Checkpoint, AndTheRestOfTheLogGiveWhatTheWholeLogGives) {
  constexpr int kSteps = 40;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const int cut = 3 + static_cast<int>(seed * 7 % 35);
    Link<Recorder> whole;
    whole.coordinator->Hello();
    std::string state;
    uint64_t index = 0;
    for (int step = 0; step < kSteps; ++step) {
      if (step == cut) {
        state = whole.coordinator->Cut();
        index = whole.coordinator->index();
        whole.coordinator->Forget();
      }
      Feed(*whole.coordinator, seed, step);
    }
    Link<Recorder> restored;
    restored.coordinator->Hello(true);
    restored.coordinator->Restore(index, state);
    for (int step = cut; step < kSteps; ++step) Feed(*restored.coordinator, seed, step);
    ASSERT_TRUE(restored.coordinator->status().ok()) << restored.coordinator->status().ToString();
    EXPECT_EQ(restored.service->seen, whole.service->seen) << "seed " << seed;
    EXPECT_EQ(restored.coordinator->Cut(), whole.coordinator->Cut()) << "seed " << seed;
    // Outputs too, by slot: names of slots stand in the state and are not said again.
    auto outputs = [](const FakeCoordinator& coordinator) {
      std::map<uint32_t, std::string> by_slot;
      for (const Frame& frame : coordinator.Frames(FrameKind::kOutput))
        by_slot[frame.header.slot] += frame.payload;
      return by_slot;
    };
    EXPECT_EQ(outputs(*restored.coordinator), outputs(*whole.coordinator)) << "seed " << seed;
  }
}

TEST(Checkpoint, IsCutAfterTheOutputsBeforeItAndSaysIndexVersionAndLength) {
  Link<Recorder> link;
  link.service->my_version = 4;
  link.coordinator->Begin();
  link.coordinator->PeerSeen(1, "test/a");
  link.coordinator->Peer(1, {Raw("to x 1")});
  const std::string state = link.coordinator->Cut();
  std::vector<FrameKind> kinds;
  for (const Frame& frame : link.coordinator->frames()) kinds.push_back(frame.header.kind);
  const std::vector<FrameKind> tail(kinds.end() - 5, kinds.end());
  EXPECT_EQ(tail, (std::vector{FrameKind::kOutput, FrameKind::kDone, FrameKind::kCheckpointBegin,
                               FrameKind::kCheckpointChunk, FrameKind::kCheckpointEnd}));
  EXPECT_EQ(link.coordinator->Frames(FrameKind::kCheckpointBegin)[0].header.index, 3u);
  EXPECT_EQ(link.coordinator->Frames(FrameKind::kCheckpointEnd)[0].header.first_sequence,
            state.size());
}

TEST(Checkpoint, GoesInChunksOfAtMostAMebibyte) {
  Link<Recorder> link;
  link.service->ballast_bytes = 5000000;
  link.coordinator->Begin();
  const std::string state = link.coordinator->Cut();
  EXPECT_GT(state.size(), 5000000u);
  for (const Frame& frame : link.coordinator->Frames(FrameKind::kCheckpointChunk)) {
    EXPECT_LE(frame.payload.size(), size_t{1} << 20);
  }
}

TEST(Checkpoint, IsLoadedWhileItComesOrWhenItIsComplete) {
  Link<Recorder> source;
  source.service->ballast_bytes = 3000000;
  source.coordinator->Begin();
  const std::string state = source.coordinator->Cut();
  for (const bool blocking : {false, true}) {
    for (const size_t chunk : {size_t{1} << 20, size_t{77777}}) {
      Link<Recorder> link({.blocking_reads = blocking, .piece_bytes = 100000});
      link.coordinator->Hello(true);
      link.coordinator->Restore(1, state, 1, chunk);
      EXPECT_TRUE(link.coordinator->status().ok()) << link.coordinator->status().ToString();
      EXPECT_EQ(link.service->seen, source.service->seen);
      EXPECT_EQ(link.service->ballast_bytes, 3000000u);
      link.coordinator->Note();
      EXPECT_EQ(link.coordinator->last_done().header.index, 2u);
    }
  }
}

TEST(Checkpoint, OfAnotherVersionIsRefusedWithBothNumbers) {
  Link<Recorder> source;
  source.coordinator->Begin();
  const std::string state = source.coordinator->Cut();
  Link<Recorder> link;
  link.coordinator->Hello(true);
  link.coordinator->Restore(1, state, 2);
  EXPECT_THAT(link.coordinator->status().message(),
              ::testing::AllOf(HasSubstr("saved by version 2"), HasSubstr("this is version 1")));
  EXPECT_EQ(link.coordinator->Frames(FrameKind::kServiceFailed).size(), 1u);
}

TEST(Checkpoint, ThatIsCutOffIsRefused) {
  Link<Recorder> source;
  source.coordinator->Begin();
  const std::string state = source.coordinator->Cut();
  for (size_t bytes = 0; bytes < state.size(); ++bytes) {
    Link<Recorder> link;
    link.coordinator->Hello(true);
    link.coordinator->Restore(1, state.substr(0, bytes));
    ASSERT_FALSE(link.coordinator->status().ok()) << bytes << " of " << state.size();
  }
}

TEST(Checkpoint, WithBytesLeftOverIsRefused) {
  Link<Recorder> source;
  source.coordinator->Begin();
  Link<Recorder> link;
  link.coordinator->Hello(true);
  link.coordinator->Restore(1, source.coordinator->Cut() + "x");
  EXPECT_THAT(link.coordinator->status().message(), HasSubstr("Save wrote more than Load reads"));
}

TEST(Checkpoint, WithADamagedChunkIsRefused) {
  Link<Recorder> link;
  link.coordinator->Hello(true);
  v1::ServiceCheckpoint begin;
  begin.set_index(1);
  begin.set_service_version(1);
  link.coordinator->Say({.index = 1, .kind = FrameKind::kRestoreBegin}, begin.SerializeAsString());
  link.coordinator->Say({.crc = 1, .kind = FrameKind::kRestoreChunk}, "bytes");
  EXPECT_THAT(link.coordinator->status().message(), HasSubstr("damaged"));
}

TEST(Checkpoint, InTheMiddleOfTheLogIsAskedForAtTheIndexThatIsDone) {
  Link<Recorder> link;
  link.coordinator->Begin();
  link.coordinator->Say({.index = 2, .kind = FrameKind::kCheckpointCut});
  EXPECT_EQ(link.coordinator->status().code(), Code::kDataLoss);
}

std::string CallStock(const std::string& item) {
  ReserveRequest request;
  request.set_item(item);
  return CallMessage(900, MethodId("/semper.test.Orders/Place"), request.SerializeAsString());
}

TEST(Checkpoint, BetweenACallAndItsReplyLosesNothing) {
  Link<OrdersUnderTest> before;
  before.coordinator->Begin();
  before.coordinator->PeerSeen(1, "test/customer");
  before.coordinator->PeerSeen(2, "test/stock");
  before.coordinator->Peer(1, {CallStock("pen")});
  const std::string state = before.coordinator->Cut();

  Link<OrdersUnderTest> after;
  after.coordinator->Hello(true);
  after.coordinator->Restore(4, state);
  ReserveReply reply;
  reply.set_left(3);
  after.coordinator->Peer(2, {ReplyMessage(1, reply.SerializeAsString())});
  EXPECT_THAT(after.service->events, ::testing::ElementsAre("pen: 3"));
  EXPECT_EQ(after.coordinator->Frames(FrameKind::kOutput).size(), 1u) << "the customer's answer";
}

TEST(Checkpoint, OfEqualStatesIsEqualBytes) {
  Link<OrdersUnderTest> before;
  before.coordinator->Begin();
  before.coordinator->PeerSeen(1, "test/customer");
  for (int i = 0; i < 100; ++i)
    before.coordinator->Peer(1, {CallStock("item" + std::to_string(i))});
  const std::string state = before.coordinator->Cut();
  // Entered in another order than here, hash tables list their entries differently.
  Link<OrdersUnderTest> after;
  after.coordinator->Hello(true);
  after.coordinator->Restore(102, state);
  EXPECT_EQ(after.coordinator->Cut(), state);
}

TEST(Checkpoint, WithACallToAHandlerThatIsGoneIsRefusedByName) {
  Link<OrdersUnderTest> before;
  before.coordinator->Begin();
  before.coordinator->PeerSeen(1, "test/customer");
  before.coordinator->Peer(1, {CallStock("pen")});
  Link<StockUnderTest> after;
  after.coordinator->Hello(true);
  after.coordinator->Restore(3, before.coordinator->Cut());
  EXPECT_THAT(
      after.coordinator->status().message(),
      ::testing::AllOf(HasSubstr("handler 'reserved'"), HasSubstr("/semper.test.Stock/Reserve")));
}

TEST(Checkpoint, FromANewerSdkIsRefused) {
  v1::SdkStateRecord record;
  record.mutable_header()->set_version(2);
  record.mutable_header()->set_minimum_reader(2);
  const std::string bytes = record.SerializeAsString();
  Link<Recorder> link;
  link.coordinator->Hello(true);
  link.coordinator->Restore(1, std::string(1, static_cast<char>(bytes.size())) + bytes);
  EXPECT_THAT(link.coordinator->status().message(), HasSubstr("start a newer build"));
}

}  // namespace
}  // namespace semper::test
