#include "sidecar/peer/acceptor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "sidecar/peer/timing.h"
#include "tests/support/sim_process.h"

namespace semper::peer {
namespace {

using core::ConnectionId;
using core::FrameHeader;
using core::FrameKind;
using ::testing::HasSubstr;

constexpr char kAddress[] = "10.0.0.1:7600";

class Recorder : public SourceHandler {
 public:
  void OnPeerHello(ConnectionId connection, const v1::PeerHello& hello) override {
    hellos.push_back(hello.sender().name());
    last = connection;
  }
  void OnPeerFrame(ConnectionId, const FrameHeader& frame, Buffer) override {
    frames.push_back(frame.first_sequence);
  }
  void OnPeerLost(ConnectionId) override { ++lost; }

  std::vector<std::string> hellos;
  std::vector<uint64_t> frames;
  int lost = 0;
  ConnectionId last{};
};

// A stranger who writes bytes and reads what comes back.
class Stranger : public Stream::Handler {
 public:
  void OnReadable() override {
    std::byte space[4096];
    for (ptrdiff_t n = 1; n > 0;) {
      n = stream->Read(space);
      if (n > 0) heard.append(reinterpret_cast<const char*>(space), static_cast<size_t>(n));
    }
  }
  void OnWritable() override { Flush(); }
  void OnClosed(const absl::Status&) override { closed = true; }
  void Say(const std::string& bytes) {
    waiting += bytes;
    Flush();
  }
  void Flush() {
    while (!waiting.empty()) {
      const iovec piece{waiting.data(), waiting.size()};
      const ptrdiff_t n = stream->Write({&piece, 1});
      if (n <= 0) return;
      waiting.erase(0, static_cast<size_t>(n));
    }
  }

  std::string waiting;  // not taken by the stream yet
  std::unique_ptr<Stream> stream;
  std::string heard;
  bool closed = false;
};

class AcceptorTest : public ::testing::Test {
 protected:
  explicit AcceptorTest(MemberHandler* members = nullptr)
      : acceptor_(server_.loop(), arena_, recorder_, members) {
    EXPECT_TRUE(acceptor_.Listen(kAddress).ok());
    dial_ = client_.loop().Dial(kAddress, std::chrono::seconds(1),
                                [this](absl::StatusOr<std::unique_ptr<Stream>> s) {
                                  ASSERT_TRUE(s.ok()) << s.status();
                                  stranger_.stream = *std::move(s);
                                  stranger_.stream->SetHandler(&stranger_);
                                });
    RunFor(std::chrono::milliseconds(100));
  }
  void RunFor(std::chrono::nanoseconds time) {
    scheduler_.RunUntil(scheduler_.now() + static_cast<uint64_t>(time.count()));
  }

  static std::string Frame(FrameKind kind, const std::string& payload, uint64_t sequence = 0,
                           uint32_t count = 0) {
    FrameHeader header;
    header.kind = kind;
    header.bytes = static_cast<uint32_t>(payload.size());
    header.first_sequence = sequence;
    header.count = count;
    header.crc = Crc32c(0, AsBytes(payload));
    wire::FinishPeerHeader(header);
    std::string bytes(core::kFrameHeaderBytes, '\0');
    header.Encode(reinterpret_cast<std::byte*>(bytes.data()));
    return bytes + payload;
  }
  static std::string Hello() {
    v1::PeerHello hello;
    hello.mutable_sender()->set_name("test/sender");
    return Frame(FrameKind::kPeerHello, hello.SerializeAsString());
  }
  // The refusal that the stranger heard last.
  std::optional<v1::PeerRefused> Refused() const {
    const std::string& heard = stranger_.heard;
    for (size_t at = 0; at + core::kFrameHeaderBytes <= heard.size();) {
      const auto header =
          FrameHeader::Decode(reinterpret_cast<const std::byte*>(heard.data() + at));
      at += core::kFrameHeaderBytes;
      v1::PeerRefused refused;
      if (header.kind == FrameKind::kPeerRefused &&
          refused.ParseFromString(heard.substr(at, header.bytes)))
        return refused;
      at += header.bytes;
    }
    return std::nullopt;
  }

  sim::SimScheduler scheduler_{1};
  sim::SimNetwork network_{scheduler_};
  sim::SimProcess server_{scheduler_, network_, nullptr, "server", "one"};
  sim::SimProcess client_{scheduler_, network_, nullptr, "client", "two"};
  BufferPool pool_{64u << 10, 1u << 20};
  wire::ReadArena arena_{pool_};
  Recorder recorder_;
  Acceptor acceptor_;
  Stranger stranger_;
  std::unique_ptr<Timer> dial_;
};

TEST_F(AcceptorTest, TakesMessagesBehindAWelcome) {
  stranger_.Say(Hello());
  RunFor(std::chrono::milliseconds(100));
  ASSERT_THAT(recorder_.hellos, ::testing::ElementsAre("test/sender"));
  acceptor_.Welcome(recorder_.last, {});
  stranger_.Say(Frame(FrameKind::kMessages, std::string("\1\0\0\0x", 5), 1, 1));
  RunFor(std::chrono::milliseconds(100));
  EXPECT_THAT(recorder_.frames, ::testing::ElementsAre(1));
  EXPECT_FALSE(stranger_.closed);
}

TEST_F(AcceptorTest, AnswersGarbageWithASentenceAndCloses) {
  stranger_.Say(std::string(200, 'G'));
  RunFor(std::chrono::milliseconds(100));
  ASSERT_TRUE(Refused().has_value());
  EXPECT_EQ(Refused()->reason(), v1::PeerRefused::DAMAGED);
  EXPECT_THAT(Refused()->text(), HasSubstr("CRC32C"));
  EXPECT_TRUE(stranger_.closed);
  EXPECT_TRUE(recorder_.hellos.empty());
}

TEST_F(AcceptorTest, RefusesAHelloAboveTheLimitUnread) {
  stranger_.Say(
      Frame(FrameKind::kPeerHello, std::string(kHandshakeBytesMax + 1, 'h')).substr(0, 48));
  RunFor(std::chrono::milliseconds(100));
  ASSERT_TRUE(Refused().has_value());
  EXPECT_THAT(Refused()->text(), HasSubstr("limit is 65536"));
}

TEST_F(AcceptorTest, RefusesMessagesBeforeTheWelcome) {
  stranger_.Say(Hello() + Frame(FrameKind::kMessages, std::string("\1\0\0\0x", 5), 1, 1));
  RunFor(std::chrono::milliseconds(100));
  ASSERT_TRUE(Refused().has_value());
  EXPECT_THAT(Refused()->text(), HasSubstr("before the welcome"));
  EXPECT_TRUE(recorder_.frames.empty());
  EXPECT_EQ(recorder_.lost, 1);
}

TEST_F(AcceptorTest, RefusesAPayloadThatWasDamagedOnTheWay) {
  stranger_.Say(Hello());
  RunFor(std::chrono::milliseconds(100));
  acceptor_.Welcome(recorder_.last, {});
  std::string frame = Frame(FrameKind::kMessages, std::string("\1\0\0\0x", 5), 1, 1);
  frame.back() ^= 1;
  stranger_.Say(frame);
  RunFor(std::chrono::milliseconds(100));
  EXPECT_TRUE(recorder_.frames.empty());
  ASSERT_TRUE(Refused().has_value());
  EXPECT_EQ(Refused()->reason(), v1::PeerRefused::DAMAGED);
}

TEST_F(AcceptorTest, ClosesAConnectionThatSaysNothing) {
  RunFor(kHandshakeLimit + std::chrono::seconds(1));
  EXPECT_TRUE(stranger_.closed);
}

TEST_F(AcceptorTest, ClosesAWelcomedConnectionThatFallsSilent) {
  stranger_.Say(Hello());
  RunFor(std::chrono::milliseconds(100));
  acceptor_.Welcome(recorder_.last, {});
  RunFor(kQuietLimit + std::chrono::seconds(2));
  EXPECT_TRUE(stranger_.closed);
  EXPECT_EQ(recorder_.lost, 1);
}

TEST_F(AcceptorTest, PausedFramesComeAfterThePause) {
  stranger_.Say(Hello());
  RunFor(std::chrono::milliseconds(100));
  acceptor_.Welcome(recorder_.last, {});
  acceptor_.PauseReading(true);
  const std::string body("\1\0\0\0x", 5);
  stranger_.Say(Frame(FrameKind::kMessages, body, 1, 1) + Frame(FrameKind::kMessages, body, 2, 1));
  RunFor(std::chrono::milliseconds(100));
  EXPECT_TRUE(recorder_.frames.empty());
  acceptor_.PauseReading(false);
  RunFor(std::chrono::milliseconds(100));
  EXPECT_THAT(recorder_.frames, ::testing::ElementsAre(1, 2));
}

// ---- fellow members on the same port ----

class FellowRecorder : public MemberHandler {
 public:
  void OnMemberHello(ConnectionId connection, const v1::MemberHello& hello) override {
    hellos.push_back(hello.from().member());
    last = connection;
  }
  void OnMemberFrame(ConnectionId, const FrameHeader& frame, const Buffer&) override {
    frames.push_back(frame.kind);
  }
  void OnMemberLost(ConnectionId) override { ++lost; }

  std::vector<std::string> hellos;
  std::vector<FrameKind> frames;
  int lost = 0;
  ConnectionId last{};
};

struct WithFellows {
  FellowRecorder fellows_;
};

class MemberConnectionTest : private WithFellows, public AcceptorTest {
 protected:
  MemberConnectionTest() : AcceptorTest(&fellows_) {}

  static std::string MemberHello() {
    v1::MemberHello hello;
    hello.mutable_from()->set_member("two");
    return Frame(FrameKind::kMemberHello, hello.SerializeAsString());
  }
  void IsWelcomed() {
    stranger_.Say(MemberHello());
    RunFor(std::chrono::milliseconds(100));
    acceptor_.WelcomeMember(fellows().last, {});
  }
  FellowRecorder& fellows() { return fellows_; }
};

TEST_F(AcceptorTest, WithoutFellowsKnowsNoMemberHello) {
  stranger_.Say(Frame(FrameKind::kMemberHello, ""));
  RunFor(std::chrono::milliseconds(100));
  ASSERT_TRUE(Refused().has_value());
  EXPECT_TRUE(stranger_.closed);
}

TEST_F(MemberConnectionTest, IsToldByItsFirstFrame) {
  stranger_.Say(MemberHello());
  RunFor(std::chrono::milliseconds(100));
  EXPECT_THAT(fellows().hellos, ::testing::ElementsAre("two"));
  EXPECT_TRUE(recorder_.hellos.empty());
}

TEST_F(MemberConnectionTest, LeavesPeersAsTheyAre) {
  stranger_.Say(Hello());
  RunFor(std::chrono::milliseconds(100));
  EXPECT_THAT(recorder_.hellos, ::testing::ElementsAre("test/sender"));
  EXPECT_TRUE(fellows().hellos.empty());
}

TEST_F(MemberConnectionTest, BringsTestsBehindTheWelcome) {
  IsWelcomed();
  stranger_.Say(Frame(FrameKind::kMemberTest, ""));
  RunFor(std::chrono::milliseconds(100));
  EXPECT_THAT(fellows().frames, ::testing::ElementsAre(FrameKind::kMemberTest));
}

TEST_F(MemberConnectionTest, BringsNothingBeforeTheWelcome) {
  stranger_.Say(MemberHello() + Frame(FrameKind::kMemberTest, ""));
  RunFor(std::chrono::milliseconds(100));
  EXPECT_TRUE(fellows().frames.empty());
  EXPECT_TRUE(stranger_.closed);
  EXPECT_EQ(fellows().lost, 1);
}

TEST_F(MemberConnectionTest, BringsNoMessagesOfPeers) {
  IsWelcomed();
  stranger_.Say(Frame(FrameKind::kMessages, std::string("\1\0\0\0x", 5), 1, 1));
  RunFor(std::chrono::milliseconds(100));
  EXPECT_TRUE(recorder_.frames.empty());
  EXPECT_TRUE(stranger_.closed);
  EXPECT_EQ(fellows().lost, 1);
}

TEST_F(MemberConnectionTest, TakesNoFrameOfTheSizeOfMessages) {
  IsWelcomed();
  stranger_.Say(
      Frame(FrameKind::kMemberTest, std::string(kHandshakeBytesMax + 1, 'x')).substr(0, 48));
  RunFor(std::chrono::milliseconds(100));
  EXPECT_TRUE(stranger_.closed);
}

TEST_F(MemberConnectionTest, IsHeardWhilePeersArePaused) {
  acceptor_.PauseReading(true);
  IsWelcomed();
  EXPECT_THAT(fellows().hellos, ::testing::ElementsAre("two"));
  stranger_.Say(Frame(FrameKind::kMemberTest, ""));
  RunFor(std::chrono::milliseconds(100));
  EXPECT_THAT(fellows().frames, ::testing::SizeIs(1));
}

TEST_F(MemberConnectionTest, EndsWhenTheFellowFallsSilent) {
  IsWelcomed();
  RunFor(kQuietLimit + std::chrono::seconds(2));
  EXPECT_TRUE(stranger_.closed);
  EXPECT_EQ(fellows().lost, 1);
}

TEST_F(MemberConnectionTest, EndsWhenTheFellowDoesNotRead) {
  IsWelcomed();
  stranger_.stream->PauseReading(true);
  const std::string state(1000, 's');
  for (int i = 0; i < 20'000 && fellows().lost == 0; ++i) {
    acceptor_.SendMember(fellows().last, FrameKind::kMemberState, state);
    if (i % 100 == 0) RunFor(std::chrono::microseconds(100));
  }
  EXPECT_EQ(fellows().lost, 1);
}

TEST_F(MemberConnectionTest, IsToldWhyItIsRefused) {
  stranger_.Say(MemberHello());
  RunFor(std::chrono::milliseconds(100));
  v1::MemberRefused refused;
  refused.set_text("two processes call themselves two");
  acceptor_.RefuseMember(fellows().last, refused);
  RunFor(std::chrono::milliseconds(100));
  EXPECT_THAT(stranger_.heard, HasSubstr("two processes call themselves two"));
  EXPECT_EQ(fellows().lost, 0);
}

}  // namespace
}  // namespace semper::peer
