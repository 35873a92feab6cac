// Impulses: tokens, indexes, answers; from one thread and from several.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/bytes.h"
#include "tests/unit/sdk/fake_coordinator.h"
#include "tests/unit/sdk/recorder.h"
#include "tests/unit/sdk/shop_service.h"

namespace semper::test {
namespace {

using ::testing::ElementsAre;

class ImpulsesTest : public ::testing::Test {
 protected:
  void Begin(Config config = {}) {
    auto made = std::make_unique<Recorder>();
    service = made.get();
    coordinator = std::make_unique<FakeCoordinator>(std::move(made), config);
    coordinator->Begin();
    handle = std::make_unique<Impulses>(coordinator->queue());
  }
  void Submit(std::string_view body) {
    handle->Submit(body, [this](const ImpulseResult& result) {
      answers.push_back(result.ok() ? std::to_string(*result) : CodeName(result.status().code()));
    });
    coordinator->engine().SendImpulses();
  }
  std::vector<std::string> answers;  // outlives the engine, which answers at its end
  Recorder* service;
  std::unique_ptr<FakeCoordinator> coordinator;
  std::unique_ptr<Impulses> handle;
};

TEST_F(ImpulsesTest, AreRefusedBeforeTheLinkIsLive) {
  Begin();
  Submit("early");
  EXPECT_THAT(answers, ElementsAre("UNAVAILABLE"));
  EXPECT_TRUE(coordinator->Frames(FrameKind::kImpulseSubmit).empty());
}

TEST_F(ImpulsesTest, AreAnsweredWithTheirIndexOnceThatIsCommitted) {
  Begin();
  coordinator->Live();
  ASSERT_NE(service->impulses, nullptr) << "OnLive was not called";
  Submit("a");
  Submit("b");
  const auto sent = coordinator->Frames(FrameKind::kImpulseSubmit);
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].header.first_sequence, 1u);
  EXPECT_EQ(sent[1].header.first_sequence, 2u);
  EXPECT_EQ(sent[1].payload, Raw("b"));
  coordinator->Note();
  coordinator->Impulse(1, {Raw("a"), Raw("b")});
  EXPECT_TRUE(answers.empty());
  coordinator->Committed(3);
  EXPECT_THAT(answers, ElementsAre("3"));
  coordinator->Committed(4);
  EXPECT_THAT(answers, ElementsAre("3", "4"));
}

TEST_F(ImpulsesTest, AreAnsweredWhenTheCommitIsKnownBeforeTheyAreProcessed) {
  Begin();
  coordinator->Live();
  Submit("a");
  coordinator->Committed(2);
  coordinator->Impulse(1, {Raw("a")});
  EXPECT_THAT(answers, ElementsAre("2"));
}

TEST_F(ImpulsesTest, OfAnEarlierLifeInTheLogAnswerNobody) {
  Begin();
  coordinator->Impulse(1, {Raw("of an earlier life")});
  coordinator->Live();
  Submit("mine");
  coordinator->Impulse(1, {Raw("mine")});
  coordinator->Committed(3);
  EXPECT_THAT(answers, ElementsAre("3"));
  EXPECT_TRUE(coordinator->status().ok());
}

TEST_F(ImpulsesTest, WithTokensThatWereNotSubmittedBreakTheLink) {
  Begin();
  coordinator->Live();
  Submit("a");
  coordinator->Impulse(1, {Raw("a"), Raw("who said that")});
  EXPECT_EQ(coordinator->status().code(), Code::kDataLoss);
}

TEST_F(ImpulsesTest, OutOfTheOrderOfTheirTokensBreakTheLink) {
  Begin();
  coordinator->Live();
  Submit("a");
  Submit("b");
  coordinator->Impulse(2, {Raw("b")});
  EXPECT_EQ(coordinator->status().code(), Code::kDataLoss);
}

TEST_F(ImpulsesTest, OfUnknownFateAndUnsentOnesAreToldApartWhenTheLinkBreaks) {
  Begin();
  coordinator->Live();
  Submit("sent");
  handle->Submit("unsent", [this](const ImpulseResult& result) {
    answers.push_back(CodeName(result.status().code()));
  });
  coordinator.reset();
  EXPECT_THAT(answers, ElementsAre("UNKNOWN", "UNAVAILABLE"));
  handle->Submit("late", [this](const ImpulseResult& result) {
    answers.push_back(CodeName(result.status().code()));
  });
  EXPECT_EQ(answers.back(), "UNAVAILABLE");
}

TEST_F(ImpulsesTest, AboveTheLimitForMessagesAreRefused) {
  Begin({.message_bytes_max = 100});
  coordinator->Live();
  Submit(std::string(101, 'x'));
  EXPECT_THAT(answers, ElementsAre("RESOURCE_EXHAUSTED"));
  Submit(std::string(100, 'x'));
  EXPECT_EQ(coordinator->Frames(FrameKind::kImpulseSubmit).size(), 1u);
}

TEST_F(ImpulsesTest, AboveTheNumberOutstandingAreRefusedOnTheEnginesThread) {
  Begin({.outstanding_max = 2});
  coordinator->Live();
  Submit("a");
  Submit("b");
  Submit("c");
  EXPECT_THAT(answers, ElementsAre("RESOURCE_EXHAUSTED"));
  coordinator->Impulse(1, {Raw("a")});
  coordinator->Committed(2);
  Submit("d");
  EXPECT_EQ(coordinator->Frames(FrameKind::kImpulseSubmit).size(), 3u);
}

TEST_F(ImpulsesTest, WaitForRoomOnOtherThreads) {
  Begin({.outstanding_max = 1});
  coordinator->Live();
  Submit("a");
  std::atomic<bool> submitted = false;
  std::thread other([&] {
    handle->Submit("b", [](const ImpulseResult&) {});
    submitted = true;
  });
  EXPECT_FALSE(submitted);
  coordinator->Impulse(1, {Raw("a")});
  coordinator->Committed(2);
  other.join();
  coordinator->engine().SendImpulses();
  EXPECT_EQ(coordinator->Frames(FrameKind::kImpulseSubmit).back().payload, Raw("b"));
  coordinator->Impulse(2, {Raw("b")});
  EXPECT_TRUE(coordinator->status().ok());
}

TEST_F(ImpulsesTest, FromManyThreadsAreAllAnsweredAndKeepEachThreadsOrder) {
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  Begin({.outstanding_max = 100});
  coordinator->Live();
  coordinator->Forget();
  std::atomic<int> answered = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        handle->Submit(std::to_string(t) + " " + std::to_string(i),
                       [&](const ImpulseResult& result) {
                         if (result.ok()) ++answered;
                       });
      }
    });
  }
  std::vector<int> next(kThreads, 0);
  size_t delivered = 0;
  while (answered < kThreads * kEach) {
    coordinator->engine().SendImpulses();
    const auto frames = coordinator->Frames(FrameKind::kImpulseSubmit);
    coordinator->Forget();
    for (const Frame& frame : frames) {
      std::vector<std::string> messages;
      for (const Received& message : ParseMessages(frame.payload, frame.header.count)) {
        const int thread = message.body[0] - '0';
        ASSERT_EQ(message.body, std::to_string(thread) + " " +
                                    std::to_string(next[static_cast<size_t>(thread)]++));
        messages.push_back(Raw(message.body));
      }
      ASSERT_EQ(frame.header.first_sequence, delivered + 1);
      delivered += messages.size();
      coordinator->Impulse(frame.header.first_sequence, messages);
    }
    coordinator->Committed(coordinator->index());
    ASSERT_TRUE(coordinator->status().ok()) << coordinator->status().ToString();
    std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ImpulsesTest, WakeTheDriverOnceForABurst) {
  Begin();
  coordinator->Live();
  std::thread([this] {
    for (int i = 0; i < 5; ++i) handle->Submit("x", [](const ImpulseResult&) {});
  }).join();
  EXPECT_EQ(coordinator->wakes, 1);
}

TEST_F(ImpulsesTest, HaveFutures) {
  Begin();
  coordinator->Live();
  auto future = handle->Submit("a");
  coordinator->engine().SendImpulses();
  coordinator->Impulse(1, {Raw("a")});
  coordinator->Committed(2);
  EXPECT_EQ(future.get().value(), 2u);
}

TEST(TypedImpulses, ReachTheOneWayMethod) {
  auto made = std::make_unique<StockUnderTest>();
  StockUnderTest* service = made.get();
  FakeCoordinator coordinator(std::move(made));
  coordinator.Begin();
  coordinator.Live();
  ReserveRequest request;
  request.set_item("typed");
  auto future = StockImpulses(Impulses(coordinator.queue())).Note(request);
  coordinator.engine().SendImpulses();
  const Frame frame = coordinator.Frames(FrameKind::kImpulseSubmit).at(0);
  coordinator.Impulse(1, {frame.payload});
  coordinator.Committed(2);
  EXPECT_EQ(future.get().value(), 2u);
  EXPECT_THAT(service->notes, ElementsAre(": typed"));
}

}  // namespace
}  // namespace semper::test
