#include <optional>
#include <string>

#include "base/bytes.h"
#include "gtest/gtest.h"
#include "tests/support/sim_process.h"

namespace semper::sim {
namespace {

using std::chrono::milliseconds;

// One end: reads all that comes, writes all of `to_write`.
class Talker : public Stream::Handler {
 public:
  void Take(std::unique_ptr<Stream> stream) {
    stream_ = std::move(stream);
    stream_->SetHandler(this);
    OnWritable();
  }
  void OnReadable() override {
    std::byte buffer[1000];
    while (true) {
      const ptrdiff_t n = stream_->Read(buffer);
      if (n <= 0) return;
      read.append(reinterpret_cast<const char*>(buffer), static_cast<size_t>(n));
    }
  }
  void OnWritable() override {
    while (!to_write.empty()) {
      const iovec piece{to_write.data(), to_write.size()};
      const ptrdiff_t n = stream_->Write({&piece, 1});
      if (n <= 0) return;
      to_write.erase(0, static_cast<size_t>(n));
    }
  }
  void OnClosed(const absl::Status& why) override {
    closed = why;
    stream_.reset();
  }
  bool connected() const { return stream_ != nullptr; }
  Stream& stream() { return *stream_; }
  void Drop() { stream_.reset(); }

  std::string read;
  std::string to_write;
  std::optional<absl::Status> closed;

 private:
  std::unique_ptr<Stream> stream_;
};

class SimStreamTest : public testing::Test {
 protected:
  void Connect(const std::string& address = "a:1") {
    listener_ = *server_.loop().Listen(
        address, [this](std::unique_ptr<Stream> s) { server_end_.Take(std::move(s)); });
    dial_ = client_.loop().Dial(address, milliseconds(1000), [this](auto result) {
      ASSERT_TRUE(result.ok()) << result.status();
      client_end_.Take(*std::move(result));
    });
    Run();
    ASSERT_TRUE(server_end_.connected() && client_end_.connected());
  }
  void Run(SimNanos duration = 10 * kSecond) { scheduler_.RunUntil(scheduler_.now() + duration); }
  static std::string Text(size_t length) {
    std::string text(length, 0);
    for (size_t i = 0; i < length; ++i) text[i] = static_cast<char>('a' + i % 23);
    return text;
  }

  SimScheduler scheduler_{1};
  SimNetwork network_{scheduler_};
  SimProcess server_{scheduler_, network_, nullptr, "server", "one"};
  SimProcess client_{scheduler_, network_, nullptr, "client", "two"};
  Talker server_end_;
  Talker client_end_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Timer> dial_;
};

TEST_F(SimStreamTest, BytesArriveInOrderInBothDirections) {
  client_end_.to_write = Text(3'000'000);
  server_end_.to_write = Text(100'000);
  Connect();
  Run();
  EXPECT_TRUE(server_end_.read == Text(3'000'000));
  EXPECT_TRUE(client_end_.read == Text(100'000));
  EXPECT_GT(network_.counters().short_writes, 0u);
  EXPECT_GT(network_.counters().short_reads, 0u);
}

TEST_F(SimStreamTest, WhatWasWrittenBeforeAnOrderlyCloseArrives) {
  Connect();
  client_end_.to_write = "last words";
  client_end_.OnWritable();
  client_end_.Drop();
  Run();
  EXPECT_EQ(server_end_.read, "last words");
  EXPECT_TRUE(server_end_.closed.has_value());
}

TEST_F(SimStreamTest, APausedReaderHoldsTheWriterBack) {
  Connect();
  server_end_.stream().PauseReading(true);
  client_end_.to_write = Text(5'000'000);
  client_end_.OnWritable();
  Run();
  EXPECT_EQ(server_end_.read, "");
  EXPECT_GT(client_end_.to_write.size(), 3'000'000u);
  server_end_.stream().PauseReading(false);
  Run();
  EXPECT_EQ(server_end_.read.size(), 5'000'000u);
}

TEST_F(SimStreamTest, AKilledProcessClosesItsConnections) {
  Connect();
  server_.Kill();
  Run();
  EXPECT_TRUE(client_end_.closed.has_value());
}

TEST_F(SimStreamTest, AfterAPowerLossNobodySaysAnything) {
  Connect();
  server_.Kill(SimDeath::kPower);
  Run();
  EXPECT_FALSE(client_end_.closed.has_value());
}

TEST_F(SimStreamTest, NobodyListensAtAnAddressOfADeadProcess) {
  Connect();
  server_.Kill();
  absl::Status status;
  dial_ = client_.loop().Dial("a:1", milliseconds(100), [&](auto r) { status = r.status(); });
  Run();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
}

TEST_F(SimStreamTest, ACutWithNoticeClosesBothEnds) {
  Connect();
  network_.CutConnections(16, true);
  Run();
  EXPECT_TRUE(client_end_.closed.has_value());
  EXPECT_TRUE(server_end_.closed.has_value());
}

TEST_F(SimStreamTest, ASilentCutLeavesBothEndsWaiting) {
  Connect();
  network_.CutConnections(16, false);
  client_end_.to_write = "lost";
  client_end_.OnWritable();
  Run();
  EXPECT_EQ(server_end_.read, "");
  EXPECT_FALSE(client_end_.closed.has_value());
  EXPECT_FALSE(server_end_.closed.has_value());
}

TEST_F(SimStreamTest, APartitionHoldsBytesBackUntilItHeals) {
  Connect();
  network_.Partition("two", "one");
  client_end_.to_write = "late";
  client_end_.OnWritable();
  Run();
  EXPECT_EQ(server_end_.read, "");
  network_.HealPartitions();
  Run();
  EXPECT_EQ(server_end_.read, "late");
}

TEST_F(SimStreamTest, AOneWayPartitionLetsTheOtherWayThrough) {
  Connect();
  network_.PartitionOneWay("two", "one");
  client_end_.to_write = "late";
  client_end_.OnWritable();
  server_end_.to_write = "in time";
  server_end_.OnWritable();
  Run();
  EXPECT_EQ(server_end_.read, "");
  EXPECT_EQ(client_end_.read, "in time");
  network_.Heal("one", "two");
  Run();
  EXPECT_EQ(server_end_.read, "late");
}

TEST_F(SimStreamTest, WhatAStoppedProcessWritesInTheSameStepComesAfterThePause) {
  Connect();
  client_.PauseAfterEffects(0, 5 * kSecond);
  client_end_.to_write = "late";
  client_end_.OnWritable();
  scheduler_.RunUntil(scheduler_.now() + 4 * kSecond);
  EXPECT_EQ(server_end_.read, "");
  Run();
  EXPECT_EQ(server_end_.read, "late");
}

TEST_F(SimStreamTest, AProcessThatDiesWhileStoppedNeverWrote) {
  Connect();
  client_.PauseAfterEffects(0, 5 * kSecond);
  client_end_.to_write = "never";
  client_end_.OnWritable();
  scheduler_.RunUntil(scheduler_.now() + kSecond);
  client_.Kill();
  Run();
  EXPECT_EQ(server_end_.read, "");
  EXPECT_TRUE(server_end_.closed.has_value());
}

TEST_F(SimStreamTest, ADialIntoAPartitionTimesOut) {
  Connect();
  network_.Isolate("one");
  absl::Status status;
  const SimNanos begin = scheduler_.now();
  SimNanos end = 0;
  dial_ = client_.loop().Dial("a:1", milliseconds(100), [&](auto r) {
    status = r.status();
    end = scheduler_.now();
  });
  Run();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_GE(end - begin, 100 * kMillisecond);
}

TEST_F(SimStreamTest, ADroppedDialConnectsNobody) {
  listener_ = *server_.loop().Listen(
      "a:1", [this](std::unique_ptr<Stream> s) { server_end_.Take(std::move(s)); });
  bool called = false;
  client_.loop().Dial("a:1", milliseconds(100), [&](auto) { called = true; }).reset();
  Run();
  EXPECT_FALSE(called);
  EXPECT_FALSE(server_end_.connected());
}

TEST_F(SimStreamTest, UnixSocketsBelongToAMachine) {
  listener_ = *server_.loop().Listen("unix:/s", [](auto) {});
  absl::Status status;
  dial_ = client_.loop().Dial("unix:/s", milliseconds(100), [&](auto r) { status = r.status(); });
  Run();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
}

TEST_F(SimStreamTest, AnAddressInUseIsRefusedWithinAProcess) {
  listener_ = *server_.loop().Listen("a:1", [](auto) {});
  EXPECT_FALSE(server_.loop().Listen("a:1", [](auto) {}).ok());
}

TEST_F(SimStreamTest, AUnixSocketInUseIsRefused) {
  SimProcess other(scheduler_, network_, nullptr, "other", "one");
  listener_ = *server_.loop().Listen("unix:/s", [](auto) {});
  EXPECT_FALSE(other.loop().Listen("unix:/s", [](auto) {}).ok());
}

TEST_F(SimStreamTest, ANetworkAddressMovesToWhoListensLast) {
  listener_ = *server_.loop().Listen("a:1", [](auto) { FAIL() << "the old listener was asked"; });
  bool accepted = false;
  const auto moved = *client_.loop().Listen("a:1", [&](auto) { accepted = true; });
  dial_ = client_.loop().Dial("a:1", milliseconds(100), [](auto) {});
  Run();
  EXPECT_TRUE(accepted);
  listener_.reset();
  dial_ = client_.loop().Dial("a:1", milliseconds(100), [&](auto) { accepted = false; });
  Run();
  EXPECT_FALSE(accepted);
}

TEST_F(SimStreamTest, APortIsChosenForZero) {
  listener_ = *server_.loop().Listen("a:0", [](auto) {});
  EXPECT_NE(listener_->Address(), "a:0");
}

TEST_F(SimStreamTest, ClosedConnectionsAreForgotten) {
  Connect();
  EXPECT_EQ(network_.open_connections(), 1u);
  client_end_.Drop();
  Run();
  EXPECT_EQ(network_.open_connections(), 0u);
}

}  // namespace
}  // namespace semper::sim
