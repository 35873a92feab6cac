// Links to fellow members, against the answering side of another process.
#include "sidecar/member/links.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sidecar/peer/acceptor.h"
#include "sidecar/peer/timing.h"
#include "tests/support/sim_process.h"

namespace semper::member {
namespace {

using core::ConnectionId;
using core::FrameKind;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kFirst[] = "10.0.0.1:7600";
constexpr char kSecond[] = "10.0.0.2:7600";

// What this member hears.
class Listener : public FellowHandler {
 public:
  v1::MemberHello MakeMemberHello() override { return {}; }
  std::string OnFellowFound(const v1::MemberIdentity& fellow) override {
    found.push_back(fellow.member());
    return unwanted;
  }
  void OnFellowState(const std::string& member, const v1::MemberState& state) override {
    states.emplace_back(member, state.committed());
  }
  void OnFellowTest(const std::string& member, const v1::MemberTest&) override {
    tests.push_back(member);
  }
  void OnFellowLost(const std::string& member) override { lost.push_back(member); }
  void OnFellowRefused(const v1::MemberRefused& refused) override {
    refusals.push_back(refused.reason());
  }

  std::string unwanted;
  std::vector<std::string> found;
  std::vector<std::pair<std::string, uint64_t>> states;
  std::vector<std::string> tests;
  std::vector<std::string> lost;
  std::vector<v1::MemberRefused::Reason> refusals;
};

// Another process, which answers on one address.
class Fellow : public peer::SourceHandler, public peer::MemberHandler {
 public:
  Fellow(sim::SimProcess& process, const std::string& address, std::string member, uint64_t id)
      : acceptor(process.loop(), arena_, *this, this), member_(std::move(member)), id_(id) {
    EXPECT_TRUE(acceptor.Listen(address).ok());
  }

  void OnPeerHello(ConnectionId, const v1::PeerHello&) override {}
  void OnPeerFrame(ConnectionId, const core::FrameHeader&, Buffer) override {}
  void OnPeerLost(ConnectionId) override {}
  void OnMemberHello(ConnectionId connection, const v1::MemberHello&) override {
    ++hellos;
    if (refuses != v1::MemberRefused::REASON_UNSPECIFIED) {
      v1::MemberRefused refused;
      refused.set_reason(refuses);
      return acceptor.RefuseMember(connection, refused);
    }
    newest = connection;
    v1::MemberWelcome welcome;
    welcome.mutable_from()->set_member(member_);
    welcome.mutable_from()->set_process(id_);
    acceptor.WelcomeMember(connection, welcome);
  }
  void OnMemberFrame(ConnectionId, const core::FrameHeader&, const Buffer&) override { ++frames; }
  void OnMemberLost(ConnectionId) override { ++lost; }

  void Says(uint64_t committed) {
    v1::MemberState state;
    state.set_committed(committed);
    acceptor.SendMember(newest, FrameKind::kMemberState, state.SerializeAsString());
  }

  v1::MemberRefused::Reason refuses = v1::MemberRefused::REASON_UNSPECIFIED;
  int hellos = 0;
  int frames = 0;
  int lost = 0;
  ConnectionId newest{};

 private:
  BufferPool pool_{64u << 10, 1u << 20};
  wire::ReadArena arena_{pool_};

 public:
  peer::Acceptor acceptor;

 private:
  const std::string member_;
  const uint64_t id_;
};

class FixedResolver : public peer::Resolver {
 public:
  void Resolve(const std::string&,
               std::function<void(absl::StatusOr<std::vector<std::string>>)> done) override {
    done(addresses);
  }
  std::vector<std::string> addresses = {kFirst};
};

class LinksTest : public ::testing::Test {
 protected:
  void Begins() {
    links_.Begin();
    RunFor(milliseconds(100));
  }
  void RunFor(std::chrono::nanoseconds time) {
    scheduler_.RunUntil(scheduler_.now() + static_cast<uint64_t>(time.count()));
  }

  sim::SimScheduler scheduler_{1};
  sim::SimNetwork network_{scheduler_};
  sim::SimProcess here_{scheduler_, network_, nullptr, "here", "one"};
  sim::SimProcess there_{scheduler_, network_, nullptr, "there", "two"};
  BufferPool pool_{64u << 10, 1u << 20};
  wire::ReadArena arena_{pool_};
  FixedResolver resolver_;
  Listener listener_;
  Links links_{here_.loop(), arena_, resolver_, "members", listener_};
};

TEST_F(LinksTest, ListenToAFellow) {
  Fellow fellow(there_, kFirst, "two", 22);
  Begins();
  ASSERT_THAT(listener_.found, ElementsAre("two"));
  EXPECT_TRUE(links_.Connected("two"));
  fellow.Says(7);
  RunFor(milliseconds(100));
  EXPECT_THAT(listener_.states, ElementsAre(std::pair("two", 7u)));
}

TEST_F(LinksTest, CarryTestsBothWays) {
  Fellow fellow(there_, kFirst, "two", 22);
  Begins();
  links_.SendTest("two", {});
  links_.SendTest("nobody", {});
  RunFor(milliseconds(100));
  EXPECT_EQ(fellow.frames, 1);
  fellow.acceptor.SendMember(fellow.newest, FrameKind::kMemberTest, "");
  RunFor(milliseconds(100));
  EXPECT_THAT(listener_.tests, ElementsAre("two"));
}

TEST_F(LinksTest, LeaveTheirOwnAddressAloneUntilTheListIsReadAgain) {
  Fellow self(there_, kFirst, "one", 11);
  self.refuses = v1::MemberRefused::SELF;
  Begins();
  RunFor(seconds(9));
  EXPECT_EQ(self.hellos, 1);
  EXPECT_THAT(listener_.refusals, IsEmpty());
  RunFor(seconds(2));
  EXPECT_EQ(self.hellos, 2);
}

TEST_F(LinksTest, TellOfARefusalAndTryAgain) {
  Fellow fellow(there_, kFirst, "one", 22);
  fellow.refuses = v1::MemberRefused::SAME_MEMBER;
  Begins();
  ASSERT_FALSE(listener_.refusals.empty());
  EXPECT_EQ(listener_.refusals[0], v1::MemberRefused::SAME_MEMBER);
  fellow.refuses = v1::MemberRefused::REASON_UNSPECIFIED;
  RunFor(seconds(1));
  EXPECT_THAT(listener_.found, SizeIs(1));
}

TEST_F(LinksTest, DoNotListenToWhomTheHandlerDoesNotWant) {
  Fellow fellow(there_, kFirst, "two", 22);
  listener_.unwanted = "it has incarnation 7";
  Begins();
  EXPECT_FALSE(links_.Connected("two"));
  EXPECT_GE(fellow.lost, 1);
  EXPECT_THAT(listener_.lost, IsEmpty());
}

TEST_F(LinksTest, HaveOneConnectionToAFellowWithTwoAddresses) {
  Fellow fellow(there_, kFirst, "two", 22);
  Fellow again(there_, kSecond, "two", 22);
  resolver_.addresses = {kFirst, kSecond};
  Begins();
  RunFor(seconds(5));
  EXPECT_THAT(listener_.found, SizeIs(1));
  EXPECT_THAT(listener_.lost, IsEmpty());
  EXPECT_EQ(fellow.lost + again.lost, 1);
}

TEST_F(LinksTest, HearOfAFellowsNextLifeWhenTheFirstIsGone) {
  auto fellow = std::make_unique<Fellow>(there_, kFirst, "two", 22);
  resolver_.addresses = {kFirst, kSecond};
  Begins();
  Fellow next(there_, kSecond, "two", 23);
  RunFor(seconds(1));
  EXPECT_THAT(listener_.found, SizeIs(1));
  fellow->acceptor.CloseAll();
  RunFor(seconds(1));
  EXPECT_THAT(listener_.lost, SizeIs(1));
  EXPECT_THAT(listener_.found, SizeIs(2));
}

TEST_F(LinksTest, EndWithGarbageAndDialAgain) {
  Fellow fellow(there_, kFirst, "two", 22);
  Begins();
  fellow.acceptor.SendMember(fellow.newest, FrameKind::kMemberState, "\xff\xff");
  RunFor(milliseconds(100));
  EXPECT_THAT(listener_.lost, ElementsAre("two"));
  EXPECT_THAT(listener_.found, SizeIs(2));
}

TEST_F(LinksTest, EndWithAFrameAboveTheLimit) {
  Fellow fellow(there_, kFirst, "two", 22);
  Begins();
  fellow.acceptor.SendMember(fellow.newest, FrameKind::kMemberState,
                             std::string(peer::kHandshakeBytesMax + 1, 'x'));
  RunFor(milliseconds(100));
  EXPECT_THAT(listener_.lost, ElementsAre("two"));
}

TEST_F(LinksTest, TakeNoStateBeforeTheWelcome) {
  Fellow fellow(there_, kFirst, "two", 22);
  fellow.refuses = v1::MemberRefused::VERSION;  // the connection is not welcomed
  Begins();
  EXPECT_THAT(listener_.states, IsEmpty());
}

TEST_F(LinksTest, LoseAFellowThatFallsSilent) {
  Fellow fellow(there_, kFirst, "two", 22);
  Begins();
  network_.CutConnections(16, /*notice=*/false);
  RunFor(peer::kQuietLimit + seconds(2));
  EXPECT_THAT(listener_.lost, ElementsAre("two"));
}

TEST_F(LinksTest, DialAMemberThatJoinedTheList) {
  Fellow fellow(there_, kFirst, "two", 22);
  Begins();
  Fellow third(there_, kSecond, "three", 33);
  resolver_.addresses = {kFirst, kSecond};
  RunFor(seconds(11));
  EXPECT_THAT(listener_.found, ElementsAre("two", "three"));
}

TEST_F(LinksTest, KeepAConnectionToAMemberThatLeftTheList) {
  Fellow fellow(there_, kFirst, "two", 22);
  Begins();
  resolver_.addresses = {kSecond};
  RunFor(seconds(11));
  EXPECT_TRUE(links_.Connected("two"));
}

TEST_F(LinksTest, SayNothingAfterTheyWereClosed) {
  Fellow fellow(there_, kFirst, "two", 22);
  Begins();
  links_.CloseAll();
  fellow.Says(7);
  RunFor(seconds(30));
  EXPECT_THAT(listener_.states, IsEmpty());
  EXPECT_THAT(listener_.lost, IsEmpty());
  EXPECT_EQ(fellow.hellos, 1);
}

}  // namespace
}  // namespace semper::member
