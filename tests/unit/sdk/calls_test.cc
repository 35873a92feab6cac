// Calls, one-way calls, replies and errors between immortals, through generated code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "tests/unit/sdk/fake_coordinator.h"
#include "tests/unit/sdk/shop_service.h"

namespace semper::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const uint32_t kReserve = MethodId("/semper.test.Stock/Reserve");
const uint32_t kNote = MethodId("/semper.test.Stock/Note");
const uint32_t kPlace = MethodId("/semper.test.Orders/Place");

std::string Request(const std::string& item, int64_t count, size_t ballast = 0) {
  ReserveRequest request;
  request.set_item(item);
  request.set_count(count);
  request.set_ballast(std::string(ballast, 'b'));
  return request.SerializeAsString();
}

std::string Reply(int64_t left) {
  ReserveReply reply;
  reply.set_left(left);
  return reply.SerializeAsString();
}

// The bodies of replies and errors, without their headers.
struct Answer {
  uint64_t call_id;
  Code code;
  std::string body;
};
Answer ParseAnswer(const Received& message) {
  if (message.kind == MessageKind::kReply) {
    return {LoadLittle<uint64_t>(message.body.data()), Code::kOk, message.body.substr(8)};
  }
  EXPECT_EQ(message.kind, MessageKind::kErrorReply);
  return {LoadLittle<uint64_t>(message.body.data()),
          static_cast<Code>(LoadLittle<uint32_t>(message.body.data() + 8)),
          message.body.substr(12)};
}

template <typename S>
struct Link {
  explicit Link(Config config = {}) {
    auto made = std::make_unique<S>();
    service = made.get();
    coordinator = std::make_unique<FakeCoordinator>(std::move(made), config);
    coordinator->Begin();
    coordinator->PeerSeen(1, "test/customer");
    coordinator->PeerSeen(2, "test/stock");
  }
  Answer OnlyAnswer() {
    const auto sent = coordinator->SentTo("test/customer");
    EXPECT_EQ(sent.size(), 1u);
    return sent.empty() ? Answer() : ParseAnswer(sent[0]);
  }
  S* service;
  std::unique_ptr<FakeCoordinator> coordinator;
};

TEST(Calls, AreAnsweredByTheirHandler) {
  Link<StockUnderTest> link;
  link.service->left["pen"] = 10;
  link.coordinator->Peer(1, {CallMessage(77, kReserve, Request("pen", 3))});
  const Answer answer = link.OnlyAnswer();
  EXPECT_EQ(answer.call_id, 77u);
  EXPECT_EQ(answer.code, Code::kOk);
  EXPECT_EQ(answer.body, Reply(7));
}

TEST(Calls, MakeAReplyOfAnError) {
  Link<StockUnderTest> link;
  link.coordinator->Peer(1, {CallMessage(5, kReserve, Request("pen", -1))});
  const Answer answer = link.OnlyAnswer();
  EXPECT_EQ(answer.call_id, 5u);
  EXPECT_EQ(answer.code, Code::kInvalidArgument);
  EXPECT_EQ(answer.body, "count is negative");
}

TEST(Calls, OfAnUnknownMethodAreUnimplementedAndNameTheId) {
  Link<StockUnderTest> link;
  link.coordinator->Peer(1, {CallMessage(5, 0xabcdef01, "")});
  const Answer answer = link.OnlyAnswer();
  EXPECT_EQ(answer.code, Code::kUnimplemented);
  EXPECT_THAT(answer.body, HasSubstr("0xabcdef01"));
}

TEST(Calls, WithARequestThatDoesNotParseAreInvalid) {
  Link<StockUnderTest> link;
  link.coordinator->Peer(1, {CallMessage(5, kReserve, "\xff\xff")});
  EXPECT_EQ(link.OnlyAnswer().code, Code::kInvalidArgument);
  EXPECT_THAT(link.OnlyAnswer().body, HasSubstr("/semper.test.Stock/Reserve"));
}

TEST(Calls, WhoseReplyIsTooLargeGetAnErrorThatNamesMethodSizeAndLimit) {
  Link<StockUnderTest> link({.message_bytes_max = 1000});
  link.coordinator->Peer(1, {CallMessage(5, kReserve, Request("huge", 1000))});
  const Answer answer = link.OnlyAnswer();
  EXPECT_EQ(answer.code, Code::kResourceExhausted);
  EXPECT_THAT(answer.body,
              ::testing::AllOf(HasSubstr("/semper.test.Stock/Reserve"), HasSubstr("1000")));
}

TEST(Calls, OfAOneWayMethodHaveNoAnswer) {
  Link<StockUnderTest> link;
  link.coordinator->Peer(1, {OneWayMessage(kNote, Request("hello", 0))});
  link.coordinator->Impulse(1, {OneWayMessage(kNote, Request("self", 0))});
  EXPECT_THAT(link.service->notes, ElementsAre("test/customer: hello", ": self"));
  EXPECT_TRUE(link.coordinator->SentTo("test/customer").empty());
}

TEST(Calls, WhoseHandlerForgetsTheCallerFailTheService) {
  Link<StockUnderTest> link;
  link.coordinator->Peer(1, {CallMessage(5, kReserve, Request("forget", 1))});
  EXPECT_THAT(link.coordinator->status().message(), HasSubstr("DeferReply"));
}

TEST(Calls, FromAHandlerComeBackToTheNamedHandlerWithTheirContext) {
  Link<OrdersUnderTest> link;
  link.coordinator->Peer(1, {CallMessage(900, kPlace, Request("pen", 2))});
  const auto asked = link.coordinator->SentTo("test/stock");
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[0].kind, MessageKind::kCall);
  EXPECT_EQ(LoadLittle<uint32_t>(asked[0].body.data() + 8), kReserve);
  EXPECT_EQ(asked[0].body.substr(12), Request("pen", 2));
  EXPECT_EQ(asked[1].kind, MessageKind::kOneWay);
  EXPECT_TRUE(link.coordinator->SentTo("test/customer").empty()) << "the answer is deferred";

  link.coordinator->Peer(2, {ReplyMessage(LoadLittle<uint64_t>(asked[0].body.data()), Reply(8))});
  EXPECT_THAT(link.service->events, ElementsAre("pen: 8"));
  EXPECT_EQ(link.OnlyAnswer().call_id, 900u);
  EXPECT_EQ(link.OnlyAnswer().body, Reply(8));
}

TEST(Calls, ThatAreRefusedBringTheErrorToTheHandler) {
  Link<OrdersUnderTest> link;
  link.coordinator->Peer(1, {CallMessage(900, kPlace, Request("pen", 2))});
  link.coordinator->Peer(2, {ErrorMessage(1, Code::kNotFound, "no pens")});
  EXPECT_THAT(link.service->events, ElementsAre("pen: NOT_FOUND: no pens"));
  EXPECT_EQ(link.OnlyAnswer().code, Code::kNotFound);
}

TEST(Calls, TakeOneReplyOnly) {
  Link<OrdersUnderTest> link;
  link.coordinator->Peer(1, {CallMessage(900, kPlace, Request("pen", 2))});
  link.coordinator->Peer(2, {ReplyMessage(1, Reply(8)), ReplyMessage(1, Reply(8))});
  EXPECT_EQ(link.service->events.size(), 1u);
  EXPECT_EQ(link.coordinator->warnings().size(), 1u);
}

TEST(Calls, TakeNoReplyFromSomebodyElse) {
  Link<OrdersUnderTest> link;
  link.coordinator->Peer(1, {CallMessage(900, kPlace, Request("pen", 2))});
  link.coordinator->Peer(1, {ReplyMessage(1, Reply(8))});
  EXPECT_TRUE(link.service->events.empty());
  EXPECT_EQ(link.coordinator->warnings().size(), 1u);
}

TEST(Calls, WithAReplyThatDoesNotParseGetAnError) {
  Link<OrdersUnderTest> link;
  link.coordinator->Peer(1, {CallMessage(900, kPlace, Request("silent", 2))});
  link.coordinator->Peer(2, {ReplyMessage(1, "\xff\xff")});
  ASSERT_EQ(link.service->events.size(), 1u);
  EXPECT_THAT(link.service->events[0], HasSubstr("/semper.test.Stock/Reserve does not parse"));
}

TEST(Calls, ThatAreTooLargeComeBackAsAnErrorWithTheNextInput) {
  Link<OrdersUnderTest> link({.message_bytes_max = 2000});
  link.coordinator->Peer(1, {CallMessage(900, kPlace, Request("silent", 2, 2000))});
  EXPECT_TRUE(link.coordinator->SentTo("test/stock").empty());
  EXPECT_EQ(link.coordinator->last_done().header.time, 1000u) << "a tick is wanted at once";
  link.coordinator->Tick(1000);
  ASSERT_EQ(link.service->events.size(), 1u);
  EXPECT_THAT(link.service->events[0],
              ::testing::AllOf(HasSubstr("RESOURCE_EXHAUSTED"),
                               HasSubstr("/semper.test.Stock/Reserve"), HasSubstr("2000")));
}

TEST(Calls, SendEqualBytesForEqualMaps) {
  // protobuf's own order of map entries differs from object to object.
  std::string first;
  for (int round = 0; round < 20; ++round) {
    Link<OrdersUnderTest> link;
    ReserveRequest request;
    for (int i = 0; i < 50; ++i)
      (*request.mutable_sections())["s" + std::to_string((i * 7 + round) % 50)] = 1;
    link.coordinator->Peer(1, {CallMessage(1, kPlace, request.SerializeAsString())});
    const std::string sent = link.coordinator->SentTo("test/stock").at(0).body;
    if (first.empty()) first = sent;
    ASSERT_EQ(sent, first) << "round " << round;
  }
}

// One immortal that serves two .proto services.
class Both : public StockUnderTest, public OrdersService {
 public:
  Result<ReserveReply> Place(Context&, const ReserveRequest&) override {
    return Status(Code::kAborted, "not today");
  }
};

TEST(Calls, ReachBothServicesOfAnObjectThatHasTwo) {
  Link<Both> link;
  link.coordinator->Peer(1,
                         {CallMessage(1, kPlace, ""), CallMessage(2, kReserve, Request("pen", 1))});
  const auto sent = link.coordinator->SentTo("test/customer");
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(ParseAnswer(sent[0]).code, Code::kAborted);
  EXPECT_EQ(ParseAnswer(sent[1]).body, Reply(-1));
  EXPECT_EQ(link.service->service_name(), "semper.test.Stock+semper.test.Orders");
}

TEST(CallsDeath, OfOneHandlerNameTwiceAbort) {
  class Twice : public OrdersUnderTest {
    ReplyHandler<ReserveReply> again_{this, "plain", &OrdersUnderTest::Plain};
  };
  EXPECT_DEATH(Twice(), "two reply handlers of the name 'plain'");
}

TEST(Caller, PacksAndUnpacks) {
  const Caller caller{7, 1234567890123};
  EXPECT_EQ(caller.Pack().size(), 12u);
  EXPECT_EQ(Caller::Unpack(caller.Pack()).value(), caller);
  EXPECT_EQ(Caller::Unpack("short").status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace semper::test
