#include "base/hash.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace semper {
namespace {

std::vector<std::byte> RandomBytes(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::byte> bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

struct KnownCrc {
  const char* what;
  std::vector<std::byte> bytes;
  uint32_t crc;
};

// The vectors of RFC 3720, appendix B.4, and the customary check value.
std::vector<KnownCrc> KnownCrcs() {
  std::vector<std::byte> up(32);
  std::vector<std::byte> down(32);
  for (size_t i = 0; i < 32; ++i) {
    up[i] = static_cast<std::byte>(i);
    down[i] = static_cast<std::byte>(31 - i);
  }
  const auto check = AsBytes("123456789");
  return {
      {"nothing", {}, 0},
      {"123456789", {check.begin(), check.end()}, 0xe3069283},
      {"32 zeroes", std::vector<std::byte>(32), 0x8a9136aa},
      {"32 ones", std::vector<std::byte>(32, std::byte{0xff}), 0x62a8ab43},
      {"0 up to 31", up, 0x46dd794e},
      {"31 down to 0", down, 0x113fdb5c},
  };
}

TEST(Crc32c, GivesThePublishedValues) {
  for (const KnownCrc& known : KnownCrcs()) {
    EXPECT_EQ(Crc32c(0, known.bytes), known.crc) << known.what;
    EXPECT_EQ(Crc32cPortable(0, known.bytes), known.crc) << known.what;
  }
}

TEST(Crc32c, IsTheSameWithAndWithoutInstructionsAtEveryShortLengthAndAlignment) {
  const std::vector<std::byte> bytes = RandomBytes(700, 1);
  for (size_t start = 0; start < 9; ++start) {
    for (size_t length = 0; length + start <= bytes.size(); ++length) {
      const auto part = std::span(bytes).subspan(start, length);
      ASSERT_EQ(Crc32c(0, part), Crc32cPortable(0, part)) << start << "+" << length;
    }
  }
}

TEST(Crc32c, IsTheSameWithAndWithoutInstructionsAtRandomLengths) {
  const std::vector<std::byte> bytes = RandomBytes(300'000, 2);
  std::mt19937_64 random(3);
  for (int i = 0; i < 300; ++i) {
    const size_t start = random() % 64;
    const size_t length = random() % (bytes.size() - start);
    const uint32_t seed = static_cast<uint32_t>(random());
    const auto part = std::span(bytes).subspan(start, length);
    ASSERT_EQ(Crc32c(seed, part), Crc32cPortable(seed, part)) << start << "+" << length;
  }
}

TEST(Crc32c, ContinuesWhereItEnded) {
  const std::vector<std::byte> bytes = RandomBytes(5000, 4);
  const uint32_t whole = Crc32c(0, bytes);
  for (size_t cut = 0; cut <= bytes.size(); cut += 37) {
    const uint32_t first = Crc32c(0, std::span(bytes).first(cut));
    ASSERT_EQ(Crc32c(first, std::span(bytes).subspan(cut)), whole) << cut;
  }
}

TEST(Crc32cCombine, EqualsTheCrcOfTheConcatenation) {
  const std::vector<std::byte> bytes = RandomBytes(1'200'000, 5);
  std::mt19937_64 random(6);
  for (int i = 0; i < 500; ++i) {
    const size_t length = random() % (size_t{1} << (random() % 21));
    const size_t cut = length == 0 ? 0 : random() % length;
    const auto part = std::span(bytes).first(length);
    const uint32_t a = Crc32c(0, part.first(cut));
    const uint32_t b = Crc32c(0, part.subspan(cut));
    ASSERT_EQ(Crc32cCombine(a, b, length - cut), Crc32c(0, part)) << cut << " of " << length;
    ASSERT_EQ(Crc32cCombinePortable(a, b, length - cut), Crc32c(0, part)) << cut;
  }
}

TEST(Crc32cCombine, IsAssociativeForLengthsThatNoBufferHas) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 1000; ++i) {
    const auto a = static_cast<uint32_t>(random());
    const auto b = static_cast<uint32_t>(random());
    const auto c = static_cast<uint32_t>(random());
    const uint64_t length_b = random() >> (1 + random() % 60);
    const uint64_t length_c = random() >> (1 + random() % 60);
    const uint32_t left = Crc32cCombine(Crc32cCombine(a, b, length_b), c, length_c);
    const uint32_t right = Crc32cCombine(a, Crc32cCombine(b, c, length_c), length_b + length_c);
    ASSERT_EQ(left, right) << length_b << ", " << length_c;
    ASSERT_EQ(left, Crc32cCombinePortable(Crc32cCombinePortable(a, b, length_b), c, length_c));
  }
}

std::string Hex(const Chain& chain) {
  std::string text;
  for (const std::byte byte : chain) {
    text += "0123456789abcdef"[static_cast<int>(byte) >> 4];
    text += "0123456789abcdef"[static_cast<int>(byte) & 15];
  }
  return text;
}

TEST(ExtendChain, IsTheFirstHalfOfSha256OfPreviousAndBytes) {
  // printf 'abcdefghijklmnopqrstuvwxyz' | sha256sum
  Chain previous;
  const auto first = AsBytes("abcdefghijklmnop");
  std::copy(first.begin(), first.end(), previous.begin());
  EXPECT_EQ(Hex(ExtendChain(previous, AsBytes("qrstuvwxyz"))), "71c480df93d6ae2f1efad1447c66c952");
}

TEST(ExtendChain, DependsOnPreviousAndOnBytes) {
  const Chain zero{};
  Chain other{};
  other[15] = std::byte{1};
  EXPECT_NE(ExtendChain(zero, AsBytes("a")), ExtendChain(other, AsBytes("a")));
  EXPECT_NE(ExtendChain(zero, AsBytes("a")), ExtendChain(zero, AsBytes("b")));
  EXPECT_EQ(ExtendChain(zero, AsBytes("a")), ExtendChain(zero, AsBytes("a")));
}

}  // namespace
}  // namespace semper
