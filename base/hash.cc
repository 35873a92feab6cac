// CRC32C. Three lanes because the crc32 instruction takes three cycles but one can start in every
// cycle; the lanes are brought together by multiplications modulo the polynomial (Gopal et al.,
// "Fast CRC Computation for iSCSI Polynomial Using CRC32 Instruction", Intel, 2011).
#include "base/hash.h"

#include <array>
#include <bit>
#include <cstring>

#include "base/bytes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define SEMPER_CRC_TARGET __attribute__((target("sse4.2,pclmul")))
#endif

namespace semper {
namespace {

// Polynomials modulo P are reflected: bit 31 is the coefficient of x^0, bit 0 that of x^31.
constexpr uint32_t kPolynomial = 0x82f63b78;
constexpr uint32_t kOne = 0x80000000;

constexpr uint32_t TimesX(uint32_t a) { return (a >> 1) ^ ((a & 1) != 0 ? kPolynomial : 0); }

// The inverse of TimesX: P has the term x^0, so that bit 31 tells whether P was added.
constexpr uint32_t DividedByX(uint32_t a) {
  return (a & kOne) != 0 ? ((a ^ kPolynomial) << 1) | 1 : a << 1;
}

constexpr uint32_t Multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (int i = 0; i < 32; ++i) {
    product ^= b & (0 - (a >> 31));
    a <<= 1;
    b = TimesX(b);
  }
  return product;
}

constexpr uint32_t Shifted(uint32_t a, int powers_of_x) {
  for (; powers_of_x > 0; --powers_of_x) a = TimesX(a);
  for (; powers_of_x < 0; ++powers_of_x) a = DividedByX(a);
  return a;
}

// x^(8 * n * 16^k + kBias) for each nibble n at place k of a length. With `kBias` = -33 the product
// of two factors is what the crc32 instruction makes of their carry-less product, which it
// multiplies by x^33.
template <int kBias>
constexpr auto MakeLengthFactors() {
  std::array<std::array<uint32_t, 16>, 16> table{};
  uint32_t unit = Shifted(kOne, 8);  // x^(8 * 16^k)
  for (auto& place : table) {
    uint32_t power = kOne;
    for (auto& entry : place) {
      entry = Shifted(power, kBias);
      power = Multiply(power, unit);
    }
    unit = power;
  }
  return table;
}

constexpr auto MakeSlices() {
  std::array<std::array<uint32_t, 256>, 8> slices{};
  for (uint32_t byte = 0; byte < 256; ++byte) slices[0][byte] = Shifted(byte, 8);
  for (size_t k = 1; k < slices.size(); ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = slices[k - 1][byte];
      slices[k][byte] = (before >> 8) ^ slices[0][before & 0xff];
    }
  }
  return slices;
}

constexpr auto kSlices = MakeSlices();
constexpr auto kLengthFactors = MakeLengthFactors<0>();

uint32_t CombinePortable(uint32_t crc, uint64_t length) {
  for (size_t place = 0; length != 0; ++place, length >>= 4) {
    if ((length & 15) != 0) crc = Multiply(crc, kLengthFactors[place][length & 15]);
  }
  return crc;
}

#if defined(__x86_64__)

constexpr auto kLengthFactorsForCrc = MakeLengthFactors<-33>();

// Lanes are at most this many words of 8 bytes; entry w shifts a lane by w words.
constexpr size_t kLaneWords = 256;
constexpr auto MakeWordFactors() {
  std::array<uint32_t, 2 * kLaneWords + 1> factors{};
  uint32_t power = Shifted(kOne, -33);
  for (auto& factor : factors) {
    factor = power;
    power = Shifted(power, 64);
  }
  return factors;
}
constexpr auto kWordFactors = MakeWordFactors();

// Below this three lanes cost more than they gain.
constexpr size_t kLanesWorthBytes = 144;

uint64_t Word(const std::byte* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

SEMPER_CRC_TARGET inline uint64_t CarrylessProduct(uint32_t a, uint32_t b) {
  return static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_clmulepi64_si128(
      _mm_cvtsi32_si128(static_cast<int>(a)), _mm_cvtsi32_si128(static_cast<int>(b)), 0)));
}

SEMPER_CRC_TARGET uint32_t CombineFast(uint32_t crc, uint64_t length) {
  for (size_t place = 0; length != 0; ++place, length >>= 4) {
    if ((length & 15) == 0) continue;
    crc = static_cast<uint32_t>(
        _mm_crc32_u64(0, CarrylessProduct(crc, kLengthFactorsForCrc[place][length & 15])));
  }
  return crc;
}

SEMPER_CRC_TARGET uint32_t Crc32cFast(uint32_t crc, const std::byte* at, size_t length) {
  uint64_t a = static_cast<uint32_t>(~crc);
  while (length >= kLanesWorthBytes) {
    const size_t words = length / 24 < kLaneWords ? length / 24 : kLaneWords;
    const std::byte* const end = at + 8 * words;
    const size_t lane = 8 * words;
    uint64_t b = 0;
    uint64_t c = 0;
    for (; at != end; at += 8) {
      a = _mm_crc32_u64(a, Word(at));
      b = _mm_crc32_u64(b, Word(at + lane));
      c = _mm_crc32_u64(c, Word(at + 2 * lane));
    }
    a = _mm_crc32_u64(0, CarrylessProduct(static_cast<uint32_t>(a), kWordFactors[2 * words]) ^
                             CarrylessProduct(static_cast<uint32_t>(b), kWordFactors[words])) ^
        c;
    at += 2 * lane;
    length -= 3 * lane;
  }
  for (; length >= 8; length -= 8, at += 8) a = _mm_crc32_u64(a, Word(at));
  uint32_t rest = static_cast<uint32_t>(a);
  if (length >= 4) {
    uint32_t half;
    std::memcpy(&half, at, sizeof half);
    rest = _mm_crc32_u32(rest, half);
    at += 4;
    length -= 4;
  }
  for (; length > 0; --length, ++at) rest = _mm_crc32_u8(rest, static_cast<uint8_t>(*at));
  return ~rest;
}

// False until the initialisers of this file ran: other initialisers get the portable code, which is
// right too.
const bool kHasInstructions = [] {
  __builtin_cpu_init();
  return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}();

#endif

}  // namespace

uint32_t Crc32cPortable(uint32_t crc, std::span<const std::byte> bytes) {
  const std::byte* at = bytes.data();
  size_t length = bytes.size();
  crc = ~crc;
  for (; length >= 8; length -= 8, at += 8) {
    const uint64_t word = LoadLittle<uint64_t>(at) ^ crc;
    crc = kSlices[7][word & 0xff] ^ kSlices[6][(word >> 8) & 0xff] ^
          kSlices[5][(word >> 16) & 0xff] ^ kSlices[4][(word >> 24) & 0xff] ^
          kSlices[3][(word >> 32) & 0xff] ^ kSlices[2][(word >> 40) & 0xff] ^
          kSlices[1][(word >> 48) & 0xff] ^ kSlices[0][word >> 56];
  }
  for (; length > 0; --length, ++at) {
    crc = (crc >> 8) ^ kSlices[0][(crc ^ static_cast<uint32_t>(*at)) & 0xff];
  }
  return ~crc;
}

uint32_t Crc32c(uint32_t crc, std::span<const std::byte> bytes) {
#if defined(__x86_64__)
  if (__builtin_expect(kHasInstructions, true)) {
    return Crc32cFast(crc, bytes.data(), bytes.size());
  }
#endif
  return Crc32cPortable(crc, bytes);
}

uint32_t Crc32cCombine(uint32_t crc_a, uint32_t crc_b, uint64_t length_b) {
#if defined(__x86_64__)
  if (__builtin_expect(kHasInstructions, true)) return CombineFast(crc_a, length_b) ^ crc_b;
#endif
  return CombinePortable(crc_a, length_b) ^ crc_b;
}

uint32_t Crc32cCombinePortable(uint32_t crc_a, uint32_t crc_b, uint64_t length_b) {
  return CombinePortable(crc_a, length_b) ^ crc_b;
}

}  // namespace semper
