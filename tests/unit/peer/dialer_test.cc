#include "sidecar/peer/dialer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "sidecar/peer/acceptor.h"
#include "sidecar/peer/timing.h"
#include "tests/support/sim_process.h"

namespace semper::peer {
namespace {

using core::ConnectionId;
using core::Slot;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Slot kSlot{1};
constexpr milliseconds kTrip{2};  // more than a dial, a hello and its answer take

// A member of the immortal test/shop on a machine of its own. It greets as a coordinator does: a
// newer connection replaces the older.
class FakeMember : public SourceHandler {
 public:
  enum class Mood { kRefuses, kLeads, kSilent };

  FakeMember(sim::SimScheduler& scheduler, sim::SimNetwork& network, wire::ReadArena& arena,
             int number)
      : process_(scheduler, network, nullptr, absl::StrCat("member", number),
                 absl::StrCat("machine", number)),
        acceptor_(process_.loop(), arena, *this),
        address(absl::StrCat("10.0.0.", number, ":7600")) {
    EXPECT_TRUE(acceptor_.Listen(address).ok());
  }

  void OnPeerHello(ConnectionId connection, const v1::PeerHello&) override {
    ++hellos;
    if (mood == Mood::kSilent) return;
    answers_.push_back(process_.loop().After(delay, [this, connection] { Answer(connection); }));
  }
  void OnPeerFrame(ConnectionId, const core::FrameHeader& frame, Buffer) override {
    received = frame.first_sequence + frame.count - 1;
    if (acknowledges) Acknowledge();
  }
  void OnPeerLost(ConnectionId connection) override {
    if (connection_ == connection) connection_ = {};
  }

  void Acknowledge() { acceptor_.SendAck(connection_, {received - lag, 0}); }
  bool connected() const { return Raw(connection_) != 0; }
  void RefuseConnection(v1::PeerRefused::Reason reason) {
    Refuse(std::exchange(connection_, {}), reason);
  }

  Mood mood = Mood::kRefuses;
  v1::PeerRefused::Reason refusal = v1::PeerRefused::NOT_LEADER;
  std::string name = "test/shop";
  std::string incarnation = "one";
  uint64_t epoch = 1;
  FakeMember* twin = nullptr;  // the same member by another address
  milliseconds delay{0};       // of its answers to hellos
  bool acknowledges = true;
  uint64_t lag = 0;     // of acknowledgements behind what was received
  uint64_t resume = 0;  // taken in before, and not committed
  int hellos = 0;
  uint64_t received = 0;

 private:
  void Answer(ConnectionId connection) {
    if (mood == Mood::kRefuses) return Refuse(connection, refusal);
    for (FakeMember* one : {this, twin}) {
      if (one != nullptr && one->connected()) one->RefuseConnection(v1::PeerRefused::NOT_LEADER);
    }
    connection_ = connection;
    v1::PeerWelcome welcome;
    welcome.mutable_receiver()->set_name(name);
    welcome.mutable_receiver()->set_incarnation(incarnation);
    welcome.mutable_receiver()->set_epoch(epoch);
    welcome.mutable_resume()->set_sequence(resume);
    acceptor_.Welcome(connection, welcome);
  }
  void Refuse(ConnectionId connection, v1::PeerRefused::Reason reason) {
    v1::PeerRefused refused;
    refused.set_reason(reason);
    refused.set_text("does not lead here now");
    acceptor_.Refuse(connection, refused);
  }

  sim::SimProcess process_;
  Acceptor acceptor_;
  ConnectionId connection_{};
  std::vector<std::unique_ptr<Timer>> answers_;

 public:
  const std::string address;
};

class FakeResolver : public Resolver {
 public:
  explicit FakeResolver(Loop& loop) : loop_(loop) {}
  void Resolve(const std::string&,
               std::function<void(absl::StatusOr<std::vector<std::string>>)> done) override {
    if (hangs) return;
    loop_.Post([done, answer = answer] { done(answer); });
  }
  absl::StatusOr<std::vector<std::string>> answer;
  bool hangs = false;

 private:
  Loop& loop_;
};

class Recorder : public DestinationHandler {
 public:
  v1::PeerHello MakeHello(Slot) override {
    v1::PeerHello hello;
    hello.mutable_sender()->set_name("test/sender");
    return hello;
  }
  void OnWelcome(Slot, const v1::PeerWelcome& welcome) override {
    events.push_back(absl::StrCat("welcome ", welcome.receiver().epoch()));
    if (on_welcome) on_welcome(welcome);
  }
  void OnAck(Slot, const core::Position& committed) override { acked = committed.sequence; }
  void OnCanSend(Slot) override {}
  void OnDisconnected(Slot) override { events.push_back("disconnected"); }
  void OnRefusedByPeer(Slot, const v1::PeerRefused& refused) override {
    events.push_back("refused " + v1::PeerRefused::Reason_Name(refused.reason()));
  }

  std::vector<std::string> events;
  uint64_t acked = 0;
  std::function<void(const v1::PeerWelcome&)> on_welcome;
};

class DialerTest : public ::testing::Test {
 protected:
  DialerTest() {
    network_.SetTiming({.local_max = 10 * sim::kMicrosecond,
                        .remote_min = 50 * sim::kMicrosecond,
                        .remote_max = 200 * sim::kMicrosecond});
  }

  // Three members, a, b and c, none of which leads; the resolver knows them.
  void SetUp() override {
    for (int number = 1; number <= 3; ++number)
      members_.push_back(std::make_unique<FakeMember>(scheduler_, network_, arena_, number));
    resolver_.answer = {a().address, b().address, c().address};
  }
  FakeMember& a() { return *members_[0]; }
  FakeMember& b() { return *members_[1]; }
  FakeMember& c() { return *members_[2]; }

  void Lead(FakeMember& member, uint64_t epoch = 1) {
    member.mood = FakeMember::Mood::kLeads;
    member.epoch = epoch;
  }
  void RunFor(std::chrono::nanoseconds time) {
    scheduler_.RunUntil(scheduler_.now() + static_cast<uint64_t>(time.count()));
  }
  void ConnectTo(FakeMember& member, uint64_t epoch = 1) {
    Lead(member, epoch);
    dialer_.Connect(kSlot, "test/shop");
    RunFor(3 * kTrip);
    ASSERT_TRUE(dialer_.Connected(kSlot)) << dialer_.StateOf(kSlot);
    recorder_.events.clear();
    for (const auto& one : members_) one->hellos = 0;
  }
  void Send() {
    const std::string bytes("\1\0\0\0x", 5);
    core::HeldOutput output;
    output.first_sequence = ++sent_;
    output.count = 1;
    output.crc = Crc32c(0, AsBytes(bytes));
    output.after.sequence = sent_;
    output.payload = pool_.Copy(AsBytes(bytes));
    ASSERT_TRUE(dialer_.CanSend(kSlot));
    dialer_.SendMessages(kSlot, output);
  }

  sim::SimScheduler scheduler_{1};
  sim::SimNetwork network_{scheduler_};
  BufferPool pool_{64u << 10, 1u << 20};
  wire::ReadArena arena_{pool_};
  std::vector<std::unique_ptr<FakeMember>> members_;
  sim::SimProcess client_{scheduler_, network_, nullptr, "sender", "machine0"};
  FakeResolver resolver_{client_.loop()};
  Recorder recorder_;
  Dialer dialer_{client_.loop(), arena_, resolver_, recorder_};
  uint64_t sent_ = 0;
};

TEST_F(DialerTest, FindsTheLeaderWithoutAPauseBetweenRefusals) {
  Lead(c());
  dialer_.Connect(kSlot, "test/shop");
  RunFor(3 * kTrip);
  EXPECT_THAT(recorder_.events, ElementsAre("welcome 1"));
  EXPECT_EQ(dialer_.StateOf(kSlot), "connected to " + c().address);
}

TEST_F(DialerTest, AsksTheOneFirstThatWelcomedLast) {
  ConnectTo(c());
  network_.CutConnections(16, true);
  RunFor(milliseconds(20));
  EXPECT_THAT(recorder_.events, ElementsAre("disconnected", "welcome 1"));
  EXPECT_EQ(a().hellos + b().hellos, 0);
}

TEST_F(DialerTest, AMachineThatIsGoneHoldsTheNextOneUpForAMoment) {
  Lead(b());
  network_.Isolate("machine1");
  dialer_.Connect(kSlot, "test/shop");
  RunFor(kNextMemberAfter - milliseconds(1));
  EXPECT_EQ(b().hellos, 0);
  RunFor(milliseconds(1) + kTrip);
  EXPECT_TRUE(dialer_.Connected(kSlot)) << dialer_.StateOf(kSlot);
}

TEST_F(DialerTest, AMemberThatHangsHoldsTheNextOneUpForAMoment) {
  a().mood = FakeMember::Mood::kSilent;
  Lead(b());
  dialer_.Connect(kSlot, "test/shop");
  RunFor(kNextMemberAfter + kTrip);
  EXPECT_TRUE(dialer_.Connected(kSlot)) << dialer_.StateOf(kSlot);
}

TEST_F(DialerTest, AMemberThatHangsIsNotAskedAgainMeanwhile) {
  a().mood = FakeMember::Mood::kSilent;
  dialer_.Connect(kSlot, "test/shop");
  RunFor(seconds(2));
  EXPECT_EQ(a().hellos, 1);
  EXPECT_GT(b().hellos, 5);
}

TEST_F(DialerTest, FindsANewLeaderSoonAfterItLeads) {
  ConnectTo(a());
  a().mood = FakeMember::Mood::kRefuses;
  network_.CutConnections(16, true);
  const milliseconds take_over(100);
  RunFor(take_over);
  EXPECT_FALSE(dialer_.Connected(kSlot));
  Lead(b(), 2);
  RunFor(take_over / kRedialShare * 3 / 2 + 3 * kTrip);
  EXPECT_THAT(recorder_.events, ElementsAre("disconnected", "welcome 2"));
}

TEST_F(DialerTest, RoundsBecomeRareWhileNobodyLeads) {
  dialer_.Connect(kSlot, "test/shop");
  RunFor(seconds(60));
  EXPECT_LT(a().hellos, 150);
  EXPECT_EQ(a().hellos, b().hellos);
  const int before = a().hellos;
  RunFor(seconds(10));
  EXPECT_GE(a().hellos - before, 6);
}

TEST_F(DialerTest, SaysOfEachMemberWhyItIsNotTheLeader) {
  resolver_.answer->push_back("10.0.0.9:7600");
  dialer_.Connect(kSlot, "test/shop");
  RunFor(milliseconds(100));
  EXPECT_THAT(dialer_.StateOf(kSlot),
              AllOf(HasSubstr("10.0.0.1:7600 "), HasSubstr("10.0.0.2:7600 "),
                    HasSubstr("does not lead here now"), HasSubstr("10.0.0.9:7600 "),
                    HasSubstr("ECONNREFUSED")));
}

TEST_F(DialerTest, NobodyIsAskedWhileAcknowledgementsCome) {
  ConnectTo(a());
  a().lag = 1;  // so that there is always something left
  for (int i = 0; i < 100; ++i) {
    Send();
    RunFor(milliseconds(20));
  }
  EXPECT_EQ(recorder_.acked, 99u);
  EXPECT_EQ(b().hellos + c().hellos, 0);
}

TEST_F(DialerTest, NobodyIsAskedWhileThereIsNothingToAcknowledge) {
  ConnectTo(a());
  Send();
  RunFor(seconds(10));
  EXPECT_EQ(b().hellos + c().hellos, 0);
}

TEST_F(DialerTest, ALeaderThatIsSlowKeepsItsConnectionWhileTheOthersAreAsked) {
  ConnectTo(a());
  a().acknowledges = false;
  Send();
  RunFor(kAckLimit - kTrip);
  EXPECT_EQ(b().hellos + c().hellos, 0);
  RunFor(2 * kTrip + kTrip);
  EXPECT_EQ(b().hellos, 1);
  EXPECT_EQ(c().hellos, 1);
  RunFor(seconds(4));
  a().Acknowledge();
  RunFor(kRedialMost + kTrip);
  const int asked = b().hellos;
  RunFor(seconds(4));
  EXPECT_EQ(b().hellos, asked);
  EXPECT_EQ(a().hellos, 0);
  EXPECT_THAT(recorder_.events, IsEmpty());
}

TEST_F(DialerTest, ANewEpochReplacesALeaderThatDoesNotAcknowledge) {
  ConnectTo(a());
  a().acknowledges = false;
  Send();
  RunFor(seconds(1));
  Lead(b(), 2);
  RunFor(kAckLimit + 3 * kTrip);
  EXPECT_THAT(recorder_.events, ElementsAre("disconnected", "welcome 2"));
  EXPECT_FALSE(a().connected());
  Send();
  RunFor(kTrip);
  EXPECT_EQ(b().received, 2u);
}

TEST_F(DialerTest, WhatTheReceiverTookInButHasNotCommittedIsDue) {
  a().resume = 1;
  ConnectTo(a());
  RunFor(kAckLimit + kTrip);
  EXPECT_EQ(b().hellos, 1);
}

TEST_F(DialerTest, AnOlderEpochThanOneSeenDoesNotCountAsALeader) {
  ConnectTo(a(), 5);
  Lead(b(), 4);
  a().mood = FakeMember::Mood::kRefuses;
  network_.CutConnections(16, true);
  RunFor(milliseconds(100));
  EXPECT_THAT(recorder_.events, ElementsAre("disconnected"));
  EXPECT_THAT(dialer_.StateOf(kSlot), HasSubstr("welcomes with epoch 4, but 5 led since"));
}

TEST_F(DialerTest, AnotherIncarnationIsForTheHandlerToJudge) {
  ConnectTo(a(), 5);
  a().epoch = 1;
  a().incarnation = "two";
  network_.CutConnections(16, true);
  RunFor(milliseconds(100));
  EXPECT_THAT(recorder_.events, ElementsAre("disconnected", "welcome 1"));
}

TEST_F(DialerTest, ASlowLeaderWithTwoAddressesEndsUpWithOneConnection) {
  resolver_.answer = {a().address, b().address};
  a().twin = &b();
  b().twin = &a();
  for (FakeMember* one : {&a(), &b()}) {
    Lead(*one);
    one->delay = kNextMemberAfter * 2;
  }
  dialer_.Connect(kSlot, "test/shop");
  RunFor(seconds(5));
  EXPECT_TRUE(dialer_.Connected(kSlot)) << dialer_.StateOf(kSlot);
  EXPECT_EQ(a().hellos, 1);
  EXPECT_EQ(b().hellos, 1);
}

TEST_F(DialerTest, AnAddressWhereTheEpochIsAtHomeIsNotAskedBesideIt) {
  ConnectTo(a());
  a().twin = &b();
  b().twin = &a();
  Lead(b());
  b().resume = 1;
  a().acknowledges = b().acknowledges = false;
  Send();
  RunFor(seconds(10));
  EXPECT_TRUE(dialer_.Connected(kSlot));
  EXPECT_EQ(a().hellos + b().hellos, 1);
}

TEST_F(DialerTest, WhatTheHandlerDoesNotWantIsTakenLast) {
  a().name = "test/other";
  Lead(a());
  Lead(b());
  recorder_.on_welcome = [this](const v1::PeerWelcome& welcome) {
    if (welcome.receiver().name() == "test/other") dialer_.Disconnect(kSlot, false);
  };
  dialer_.Connect(kSlot, "test/shop");
  RunFor(milliseconds(20));
  EXPECT_EQ(dialer_.StateOf(kSlot), "connected to " + b().address);
  EXPECT_EQ(a().hellos, 1);
}

TEST_F(DialerTest, WhatTheHandlerDoesNotWantIsTakenMoreAndMoreRarely) {
  resolver_.answer = {a().address};
  Lead(a());
  recorder_.on_welcome = [this](const v1::PeerWelcome&) { dialer_.Disconnect(kSlot, false); };
  dialer_.Connect(kSlot, "test/shop");
  RunFor(seconds(60));
  EXPECT_LT(a().hellos, 150);
}

TEST_F(DialerTest, ARefusalThatIsNewsIsTold) {
  a().refusal = v1::PeerRefused::QUARANTINED;
  resolver_.answer = {a().address};
  dialer_.Connect(kSlot, "test/shop");
  RunFor(milliseconds(20));
  EXPECT_THAT(recorder_.events, Contains("refused QUARANTINED"));
}

TEST_F(DialerTest, ARefusalBesideALeaderIsNotTold) {
  ConnectTo(a());
  a().acknowledges = false;
  b().refusal = v1::PeerRefused::QUARANTINED;
  Send();
  RunFor(seconds(1));
  EXPECT_GT(b().hellos, 0);
  EXPECT_THAT(recorder_.events, IsEmpty());
}

TEST_F(DialerTest, ALeaderThatStepsDownIsToldAndLookedForAmongTheOthers) {
  ConnectTo(a());
  a().mood = FakeMember::Mood::kRefuses;
  Lead(b(), 2);
  a().RefuseConnection(v1::PeerRefused::NOT_LEADER);
  RunFor(milliseconds(20));
  // The end of a connection may overtake the reason for it.
  EXPECT_THAT(recorder_.events,
              ElementsAre(AnyOf("refused NOT_LEADER", "disconnected"), "welcome 2"));
}

TEST_F(DialerTest, NewMembersAreFoundWithoutARestart) {
  resolver_.answer = {a().address};
  Lead(b());
  dialer_.Connect(kSlot, "test/shop");
  RunFor(seconds(5));
  EXPECT_FALSE(dialer_.Connected(kSlot));
  resolver_.answer = {b().address};
  RunFor(2 * kRedialMost + kRedialMost);
  EXPECT_TRUE(dialer_.Connected(kSlot)) << dialer_.StateOf(kSlot);
  EXPECT_THAT(dialer_.StateOf(kSlot), HasSubstr(b().address));
}

TEST_F(DialerTest, AResolverThatHangsDoesNotHoldARoundUp) {
  ConnectTo(a());
  resolver_.hangs = true;
  a().mood = FakeMember::Mood::kRefuses;
  Lead(b(), 2);
  network_.CutConnections(16, true);
  RunFor(milliseconds(20));
  EXPECT_THAT(recorder_.events, ElementsAre("disconnected", "welcome 2"));
}

TEST_F(DialerTest, WithoutAnAddressItGoesOnAsking) {
  resolver_.answer = absl::NotFoundError("no address is known");
  Lead(a());
  dialer_.Connect(kSlot, "test/shop");
  RunFor(milliseconds(100));
  EXPECT_THAT(dialer_.StateOf(kSlot), HasSubstr("no address is known"));
  resolver_.answer = {a().address};
  RunFor(milliseconds(100));
  EXPECT_TRUE(dialer_.Connected(kSlot)) << dialer_.StateOf(kSlot);
}

TEST_F(DialerTest, WhatEndsForGoodIsNotDialledAgain) {
  ConnectTo(a());
  dialer_.Disconnect(kSlot, true);
  RunFor(seconds(10));
  EXPECT_EQ(a().hellos + b().hellos + c().hellos, 0);
  EXPECT_EQ(dialer_.StateOf(kSlot), "closed");
}

}  // namespace
}  // namespace semper::peer
