#include "sidecar/wire/frame_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"

namespace semper::wire {
namespace {

using core::FrameHeader;
using core::FrameKind;

// Gives and takes at most `step` bytes a call.
class FakeStream : public Stream {
 public:
  explicit FakeStream(size_t step) : step_(step) {}
  void SetHandler(Handler*) override {}
  ptrdiff_t Read(std::span<std::byte> out) override {
    const size_t n = std::min({step_, out.size(), incoming.size() - taken_});
    if (n == 0) return closed ? -1 : 0;
    std::memcpy(out.data(), incoming.data() + taken_, n);
    taken_ += n;
    return static_cast<ptrdiff_t>(n);
  }
  ptrdiff_t Write(std::span<const iovec> pieces) override {
    size_t left = step_;
    for (const iovec& piece : pieces) {
      const size_t n = std::min(left, piece.iov_len);
      written.append(static_cast<const char*>(piece.iov_base), n);
      left -= n;
    }
    return static_cast<ptrdiff_t>(step_ - left);
  }
  void PauseReading(bool) override {}
  std::string PeerName() const override { return "fake"; }

  std::string incoming;
  std::string written;
  bool closed = false;

 private:
  const size_t step_;
  size_t taken_ = 0;
};

class AcceptAll : public FrameReader::Check {
 public:
  std::string Refusal(const FrameHeader& header, const std::byte*) override {
    return header.bytes > 100'000 ? "too large" : "";
  }
};

FrameHeader Header(uint64_t sequence, const std::string& payload) {
  FrameHeader header;
  header.kind = FrameKind::kMessages;
  header.bytes = static_cast<uint32_t>(payload.size());
  header.count = 1;
  header.first_sequence = sequence;
  header.crc = Crc32c(0, AsBytes(payload));
  return header;
}

std::string Encoded(const FrameHeader& header, const std::string& payload) {
  std::string bytes(core::kFrameHeaderBytes, '\0');
  header.Encode(reinterpret_cast<std::byte*>(bytes.data()));
  return bytes + payload;
}

std::vector<std::string> ReadAll(FakeStream& stream, BufferPool& pool) {
  ReadArena arena(pool);
  FrameReader reader(arena);
  AcceptAll check;
  std::vector<std::string> payloads;
  std::vector<Buffer> kept;  // as the log and the link keep them
  for (int i = 0; i < 100'000; ++i) {
    const absl::Status s = reader.Read(stream, check, 4096, [&](const FrameHeader& h, Buffer b) {
      EXPECT_EQ(h.crc, Crc32c(0, b.bytes()));
      payloads.emplace_back(AsText(b.bytes()));
      kept.push_back(std::move(b));
      return true;
    });
    if (!s.ok()) break;
  }
  for (size_t i = 0; i < kept.size(); ++i) EXPECT_EQ(AsText(kept[i].bytes()), payloads[i]);
  return payloads;
}

TEST(FrameHeader, HasTheseBytes) {
  FrameHeader header;
  header.bytes = 0x01020304;
  header.count = 5;
  header.first_sequence = 6;
  header.index = 7;
  header.time = 8;
  header.slot = 9;
  header.crc = 0xaabbccdd;
  header.kind = FrameKind::kOutput;
  header.last = 0x11223344;
  const std::string golden =
      "04030201"
      "05000000"
      "0600000000000000"
      "0700000000000000"
      "0800000000000000"
      "09000000"
      "ddccbbaa"
      "1200"
      "0000"
      "44332211";
  const std::string bytes = Encoded(header, "");
  EXPECT_EQ(absl::BytesToHexString(bytes), golden);
  EXPECT_EQ(FrameHeader::Decode(reinterpret_cast<const std::byte*>(bytes.data())), header);
}

TEST(PeerHeader, LastWordIsTheChecksumOfWhatIsBeforeIt) {
  FrameHeader header = Header(1, "abc");
  FinishPeerHeader(header);
  const std::string golden =
      "03000000"
      "01000000"
      "0100000000000000"
      "0000000000000000"
      "0000000000000000"
      "00000000"
      "b73f4b36"
      "3100"
      "0000";
  const std::string bytes = Encoded(header, "");
  EXPECT_EQ(absl::BytesToHexString(bytes.substr(0, 44)), golden);
  EXPECT_EQ(header.last, Crc32c(0, AsBytes(bytes.substr(0, 44))));
}

TEST(FrameReader, FindsTheSameFramesWhateverTheyAreCutInto) {
  std::string incoming;
  std::vector<std::string> sent;
  for (size_t i = 0; i < 40; ++i) {
    sent.push_back(std::string(i * i * 17 % 9000 + (i % 3), static_cast<char>('a' + i % 26)));
    incoming += Encoded(Header(i + 1, sent.back()), sent.back());
  }
  for (const size_t step : {1u, 7u, 48u, 4095u, 100'000u}) {
    BufferPool pool(64u << 10, 1u << 20);
    FakeStream stream(step);
    stream.incoming = incoming;
    stream.closed = true;
    EXPECT_EQ(ReadAll(stream, pool), sent) << "in steps of " << step;
  }
}

TEST(FrameReader, TakesAFrameLargerThanAChunk) {
  BufferPool pool(4096, 1u << 20);
  FakeStream stream(1500);
  const std::string large(90'000, 'x');
  stream.incoming = Encoded(Header(1, "small"), "small") + Encoded(Header(2, large), large);
  stream.closed = true;
  EXPECT_EQ(ReadAll(stream, pool), (std::vector<std::string>{"small", large}));
}

TEST(FrameReader, RefusesAHeaderBeforeItsPayloadCame) {
  BufferPool pool(4096, 1u << 20);
  ReadArena arena(pool);
  FrameReader reader(arena);
  AcceptAll check;
  FakeStream stream(4096);
  FrameHeader header = Header(1, "");
  header.bytes = 100'001;
  stream.incoming = Encoded(header, "");
  const absl::Status s =
      reader.Read(stream, check, 4096, [](const FrameHeader&, Buffer) { return true; });
  EXPECT_TRUE(absl::IsInvalidArgument(s)) << s;
}

TEST(FrameReader, KeepsWhatItsSinkDidNotWantYet) {
  BufferPool pool(4096, 1u << 20);
  ReadArena arena(pool);
  FrameReader reader(arena);
  AcceptAll check;
  FakeStream stream(4096);
  stream.incoming = Encoded(Header(1, "one"), "one") + Encoded(Header(2, "two"), "two");
  std::vector<uint64_t> seen;
  const auto one_at_a_time = [&](const FrameHeader& h, Buffer) {
    seen.push_back(h.first_sequence);
    return false;
  };
  EXPECT_TRUE(reader.Read(stream, check, 4096, one_at_a_time).ok());
  EXPECT_THAT(seen, ::testing::ElementsAre(1));
  EXPECT_TRUE(reader.has_partial());
  EXPECT_TRUE(reader.Read(stream, check, 4096, one_at_a_time).ok());
  EXPECT_THAT(seen, ::testing::ElementsAre(1, 2));
}

TEST(FrameWriter, WritesTheSameBytesWhateverTheStreamTakes) {
  BufferPool pool(4096, 1u << 20);
  std::string expected;
  for (const size_t step : {1u, 13u, 49u, 100'000u}) {
    FakeStream stream(step);
    FrameWriter writer;
    expected.clear();
    for (size_t i = 0; i < 700; ++i) {
      const std::string payload(i % 50, 'p');
      writer.Push(Header(i, payload), pool.Copy(AsBytes(payload)));
      expected += Encoded(Header(i, payload), payload);
    }
    EXPECT_EQ(writer.queued_bytes(), expected.size());
    for (int i = 0; i < 100'000 && !writer.empty(); ++i) ASSERT_TRUE(writer.Flush(stream));
    EXPECT_EQ(stream.written, expected) << "in steps of " << step;
    EXPECT_EQ(writer.queued_bytes(), 0u);
  }
}

}  // namespace
}  // namespace semper::wire
