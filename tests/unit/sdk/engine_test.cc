// The engine between frames and handlers: order, framing, and what is no frame.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "semper/v1/link.pb.h"
#include "tests/unit/sdk/fake_coordinator.h"
#include "tests/unit/sdk/recorder.h"

namespace semper::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Link {
  explicit Link(Config config = {}) {
    auto made = std::make_unique<Recorder>();
    service = made.get();
    coordinator = std::make_unique<FakeCoordinator>(std::move(made), config);
  }
  // Hello, Start, and "test/a" and "test/b" as sources 1 and 2: the next index is 4.
  void Begin() {
    coordinator->Begin();
    coordinator->PeerSeen(1, "test/a");
    coordinator->PeerSeen(2, "test/b");
    coordinator->Forget();
  }
  Recorder* service;
  std::unique_ptr<FakeCoordinator> coordinator;
};

TEST(Engine, SaysHelloFirst) {
  Link link;
  ASSERT_EQ(link.coordinator->frames().size(), 1u);
  const Frame& frame = link.coordinator->frames()[0];
  v1::ServiceHello hello;
  ASSERT_TRUE(hello.ParseFromString(frame.payload));
  EXPECT_EQ(frame.header.kind, FrameKind::kServiceHello);
  EXPECT_EQ(frame.header.last, 0u);
  EXPECT_EQ(hello.protocol_version(), 1u);
  EXPECT_EQ(hello.service_version(), 1u);
}

TEST(Engine, GivesInputsToTheServiceInOrderWithIndexAndLoggedTime) {
  Link link;
  link.coordinator->Hello();
  link.coordinator->StartLog({{"color", "blue"}});
  link.coordinator->PeerSeen(1, "test/a");
  link.coordinator->time = 2000;
  link.coordinator->Peer(1, {Raw("one"), Raw("two")});
  link.coordinator->time = 3000;
  link.coordinator->Impulse(1, {Raw("three")});
  EXPECT_TRUE(link.coordinator->status().ok()) << link.coordinator->status().ToString();
  EXPECT_THAT(link.service->seen, ElementsAre("start test blue", "3@2000 test/a: one",
                                              "4@2000 test/a: two", "5@3000 : impulse three"));
}

TEST(Engine, NamesASlotBeforeItsFirstOutputAndSaysDoneLast) {
  Link link;
  link.Begin();
  link.coordinator->Peer(1, {Raw("to other/x hello")});
  const auto& frames = link.coordinator->frames();
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_EQ(frames[0].header.kind, FrameKind::kDestination);
  EXPECT_EQ(frames[0].payload, "other/x");
  EXPECT_EQ(frames[0].header.slot, 1u);
  EXPECT_EQ(frames[1].header.kind, FrameKind::kOutput);
  EXPECT_EQ(frames[1].header.slot, 1u);
  EXPECT_EQ(frames[1].header.index, 4u);
  EXPECT_EQ(frames[1].header.last, 7u);
  EXPECT_EQ(frames[1].payload, Raw("hello"));
  EXPECT_EQ(frames[2].header.kind, FrameKind::kDone);
  EXPECT_EQ(frames[2].header.index, 4u);
  EXPECT_EQ(frames[2].header.time, 0u);
}

TEST(Engine, GathersTheOutputsOfABatchByDestination) {
  Link link;
  link.Begin();
  link.coordinator->Peer(1, {Raw("to x 1"), Raw("to y 2"), Raw("to x 3"), Raw("nothing")});
  const auto outputs = link.coordinator->Frames(FrameKind::kOutput);
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_EQ(outputs[0].header.count, 2u);
  EXPECT_EQ(outputs[0].header.index, 6u) << "the cause is that of the youngest message";
  EXPECT_EQ(outputs[0].payload, Raw("1") + Raw("3"));
  EXPECT_EQ(outputs[1].header.index, 5u);
  EXPECT_EQ(link.coordinator->Frames(FrameKind::kDone).size(), 1u);
  EXPECT_EQ(link.coordinator->last_done().header.index, 7u);
}

TEST(Engine, TakesANameWithoutNamespaceAsItsOwnNamespace) {
  Link link;
  link.Begin();
  link.coordinator->Peer(1, {Raw("to x 1"), Raw("to test/x 2")});
  EXPECT_EQ(link.coordinator->SentTo("test/x").size(), 2u);
}

TEST(Engine, AnswersASource) {
  Link link;
  link.Begin();
  link.coordinator->Peer(2, {Raw("echo this")});
  EXPECT_THAT(link.coordinator->SentTo("test/b"),
              ElementsAre(Received{MessageKind::kRaw, "echo this"}));
}

TEST(Engine, ClosesAFrameBeforeItExceedsTheUsualSize) {
  Link link;
  link.Begin();
  std::vector<std::string> messages(40, Raw("to x " + std::string(10000, 'm')));
  link.coordinator->Peer(1, messages);
  const auto outputs = link.coordinator->Frames(FrameKind::kOutput);
  EXPECT_GE(outputs.size(), 3u);
  for (const Frame& frame : outputs) EXPECT_LE(frame.payload.size(), core::kFramePayloadBytesUsual);
  EXPECT_EQ(link.coordinator->SentTo("test/x").size(), 40u);
}

TEST(Engine, SendsALargeMessageInAFrameOfItsOwn) {
  Link link;
  link.Begin();
  link.coordinator->Peer(1, {Raw("to x small"), Raw("big x 16777216"), Raw("to x small")});
  ASSERT_TRUE(link.coordinator->status().ok()) << link.coordinator->status().ToString();
  const auto sent = link.coordinator->SentTo("test/x");
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_EQ(sent[1].body.size(), 16777216u);
  EXPECT_EQ(link.coordinator->Frames(FrameKind::kOutput).size(), 3u);
}

TEST(Engine, RefusesAMessageAboveTheLimitAndNamesSizeAndLimit) {
  Link link({.message_bytes_max = 1000});
  link.Begin();
  link.coordinator->Peer(1, {Raw("big x 1001")});
  EXPECT_THAT(link.coordinator->status().message(),
              ::testing::AllOf(HasSubstr("test/x"), HasSubstr("1001"), HasSubstr("1000")));
  EXPECT_EQ(link.coordinator->Frames(FrameKind::kServiceFailed).size(), 1u);
}

TEST(Engine, DoesTheSameForEveryCutOfTheBytes) {
  std::vector<std::string> expected;
  for (const size_t piece : {SIZE_MAX, size_t{1}, size_t{7}, size_t{49}, size_t{1000}}) {
    Link link({.piece_bytes = piece});
    link.Begin();
    link.coordinator->Peer(1, {Raw("to x 1"), Raw("random"), Raw("after 5 t")});
    link.coordinator->Peer(2, {Raw("to x 2"), Raw("echo")});
    link.coordinator->Tick(1005);
    ASSERT_TRUE(link.coordinator->status().ok()) << link.coordinator->status().ToString();
    if (expected.empty()) expected = link.service->seen;
    EXPECT_EQ(link.service->seen, expected) << "pieces of " << piece;
  }
}

TEST(Engine, GrowsItsBufferForAFrameThatIsLarger) {
  Link link({.read_buffer_bytes = 1 << 16, .piece_bytes = 60000});
  link.Begin();
  link.coordinator->Peer(1, {Raw(std::string(300000, 'l'))});
  link.coordinator->Peer(1, {Raw("small")});
  ASSERT_TRUE(link.coordinator->status().ok()) << link.coordinator->status().ToString();
  EXPECT_EQ(link.service->seen.back(), "5@1000 test/a: small");
}

TEST(Engine, SkipsAnExtensionOfAMessage) {
  Link link;
  link.Begin();
  std::string message = Raw("body");
  message[3] = static_cast<char>(message[3] | 0x10);
  message.insert(4, std::string("\x03\x00\x01\x01z", 5));
  link.coordinator->Peer(1, {message, Raw("next")});
  EXPECT_THAT(link.service->seen,
              ElementsAre("start test ", "4@1000 test/a: body", "5@1000 test/a: next"));
}

TEST(Engine, DropsFramesOfAnotherGeneration) {
  Link link;
  link.Begin();
  link.coordinator->Bytes(Encoded({.index = 99, .kind = FrameKind::kPeer, .last = 6}, "anything"));
  EXPECT_TRUE(link.coordinator->status().ok());
  EXPECT_EQ(link.coordinator->engine().index(), 3u);
}

TEST(Engine, BreaksOnAGapInTheIndexes) {
  Link link;
  link.Begin();
  link.coordinator->Say({.count = 1, .index = 5, .time = 1000, .slot = 1, .kind = FrameKind::kPeer},
                        Raw("x"));
  EXPECT_THAT(link.coordinator->status().message(), HasSubstr("from index 5"));
}

TEST(Engine, BreaksWhenLoggedTimeGoesBack) {
  Link link;
  link.Begin();
  link.coordinator->time = 999;
  link.coordinator->Peer(1, {Raw("x")});
  EXPECT_EQ(link.coordinator->status().code(), Code::kDataLoss);
}

TEST(Engine, BreaksOnASourceThatNobodyNamed) {
  Link link;
  link.Begin();
  link.coordinator->Peer(3, {Raw("x")});
  EXPECT_THAT(link.coordinator->status().message(), HasSubstr("source slot 3"));
}

TEST(Engine, BreaksOnAFrameThatDoesNotHoldItsMessages) {
  const std::string two = Raw("one") + Raw("two");
  const std::pair<uint32_t, std::string> wrong[] = {
      {3, two}, {1, two}, {2, two.substr(0, two.size() - 1)}, {2, two + "x"}};
  for (const auto& [count, payload] : wrong) {
    Link link;
    link.Begin();
    link.coordinator->Say(
        {.count = count, .index = 4, .time = 1000, .slot = 1, .kind = FrameKind::kPeer}, payload);
    EXPECT_EQ(link.coordinator->status().code(), Code::kDataLoss)
        << count << " in " << payload.size();
  }
}

TEST(Engine, BreaksOnReservedBitsOfAMessage) {
  Link link;
  link.Begin();
  std::string message = Raw("x");
  message[3] = static_cast<char>(message[3] | 0x40);
  link.coordinator->Peer(1, {message});
  EXPECT_EQ(link.coordinator->status().code(), Code::kDataLoss);
}

TEST(Engine, BreaksOnAHeaderWithFlagsOrWithTooManyBytes) {
  for (const bool flags : {true, false}) {
    Link link;
    link.Begin();
    std::string bytes = Encoded({.kind = FrameKind::kPing, .last = 7}, "");
    if (flags) {
      bytes[42] = 1;
    } else {
      bytes.replace(0, 4, "\xff\xff\xff\x7f");
    }
    link.coordinator->Bytes(bytes);
    EXPECT_EQ(link.coordinator->status().code(), Code::kDataLoss);
  }
}

TEST(Engine, BreaksWhenTheFirstFrameIsNotTheHello) {
  Link link;
  link.coordinator->StartLog();
  EXPECT_THAT(link.coordinator->status().message(), HasSubstr("not its hello"));
}

TEST(Engine, RefusesAVersionOrFeatureThatItDoesNotKnow) {
  for (const bool version : {true, false}) {
    Link link;
    v1::CoordinatorHello hello;
    hello.set_incarnation("0123456789abcdef");
    hello.set_protocol_version(version ? 2 : 1);
    hello.set_feature_bits(version ? 0 : 4);
    link.coordinator->Say({.kind = FrameKind::kCoordinatorHello}, hello.SerializeAsString());
    EXPECT_EQ(link.coordinator->status().code(), Code::kFailedPrecondition);
  }
}

TEST(Engine, TellsWhyTheCoordinatorRefused) {
  Link link;
  link.coordinator->Say({.kind = FrameKind::kRefused}, "another service is connected");
  EXPECT_THAT(link.coordinator->status().message(), HasSubstr("another service is connected"));
}

TEST(Engine, MakesAServiceFailureOfAnException) {
  Link link;
  link.Begin();
  link.coordinator->Peer(1, {Raw("to x lost"), Raw("throw"), Raw("never")});
  const auto failed = link.coordinator->Frames(FrameKind::kServiceFailed);
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0].header.index, 5u);
  EXPECT_THAT(failed[0].payload, HasSubstr("as told"));
  EXPECT_TRUE(link.coordinator->SentTo("test/x").empty());
  EXPECT_EQ(link.service->seen.back(), "5@1000 test/a: throw");
}

TEST(Engine, StopsAfterFail) {
  Link link;
  link.Begin();
  link.coordinator->Peer(1, {Raw("fail"), Raw("never")});
  link.coordinator->Peer(1, {Raw("never")});
  EXPECT_EQ(link.coordinator->Frames(FrameKind::kServiceFailed).size(), 1u);
  EXPECT_EQ(link.service->seen.back(), "4@1000 test/a: fail");
  EXPECT_TRUE(link.coordinator->Frames(FrameKind::kDone).empty());
}

TEST(Engine, SaysNothingMoreAfterFail) {
  Link link;
  link.Begin();
  link.coordinator->Peer(1, {Raw("failbig x 1000000")});
  ASSERT_FALSE(link.coordinator->frames().empty());
  EXPECT_EQ(link.coordinator->frames().back().header.kind, FrameKind::kServiceFailed);
  EXPECT_TRUE(link.coordinator->SentTo("test/x").empty());
}

TEST(Engine, RunsWhatWaitsForACommitOnlyWhenItIsCommitted) {
  Link link;
  link.Begin();
  link.coordinator->Peer(1, {Raw("commit replayed")});
  link.coordinator->Live();
  link.coordinator->Peer(1, {Raw("commit first"), Raw("commit second")});
  EXPECT_TRUE(link.service->committed.empty());
  link.coordinator->Committed(5);
  EXPECT_THAT(link.service->committed, ElementsAre("first"));
  link.coordinator->Committed(6);
  EXPECT_THAT(link.service->committed, ElementsAre("first", "second"));
}

// A service with a loop of its own that looks at the first message of a frame only.
class Impatient : public Recorder {
 public:
  void OnMessages(Context& context, const Source& source, Messages& messages) override {
    Message message;
    if (messages.Next(message)) {
      seen.push_back(std::to_string(context.index()) + " first of " +
                     std::to_string(messages.left() + 1));
      if (message.kind != MessageKind::kRaw) Dispatch(context, source, message);
    }
  }
};

TEST(Engine, DispatchesWhatAnAuthorsLoopLeaves) {
  auto made = std::make_unique<Impatient>();
  Recorder* service = made.get();
  FakeCoordinator coordinator(std::move(made));
  coordinator.Begin();
  coordinator.PeerSeen(1, "test/a");
  coordinator.Peer(1, {Raw("x"), Raw("y")});
  ASSERT_TRUE(coordinator.status().ok());
  EXPECT_THAT(service->seen, ElementsAre("start test ", "3 first of 2", "4@1000 test/a: y"));
}

TEST(Engine, DrawsNumbersThatDependOnIdentityIndexAndCounterOnly) {
  Link link;
  link.Begin();
  link.coordinator->Peer(1, {Raw("random"), Raw("random")});
  // Golden: a replay years later must draw the same (docs/formats/service-state.md).
  EXPECT_EQ(link.service->seen[2], "9249057575933759456 8");
  EXPECT_NE(link.service->seen[2], link.service->seen[4]);
}

TEST(Engine, DropsARawMessageThatNobodyHandlesWithAWarning) {
  class Typed : public Service {
    void Save(StateWriter&) const override {}
    Status Load(StateReader&, uint32_t) override { return Status(); }
  };
  FakeCoordinator coordinator(std::make_unique<Typed>());
  coordinator.Begin();
  coordinator.PeerSeen(1, "test/a");
  coordinator.Peer(1, {Raw("x")});
  EXPECT_TRUE(coordinator.status().ok());
  EXPECT_EQ(coordinator.warnings().size(), 1u);
}

}  // namespace
}  // namespace semper::test
