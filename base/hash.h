// The two hashes of Semper's formats. Each format names them by algorithm id, so that both can be
// replaced.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace semper {

// Algorithm ids, as written into files and handshakes.
inline constexpr uint8_t kHashCrc32c = 1;      // bodies, frames, streams
inline constexpr uint8_t kHashSha256_128 = 1;  // chains: the first 16 bytes of SHA-256

// CRC32C (Castagnoli, reflected, init and final xor 0xffffffff) of `bytes` appended to what `crc`
// covers; 0 to begin. Uses the processor's instructions in three interleaved lanes where it has
// them.
uint32_t Crc32c(uint32_t crc, std::span<const std::byte> bytes);

// The same, without special instructions. For tests and other processors.
uint32_t Crc32cPortable(uint32_t crc, std::span<const std::byte> bytes);

// CRC32C of A||B from crc(A), crc(B) and B's length; time is logarithmic in the length.
uint32_t Crc32cCombine(uint32_t crc_a, uint32_t crc_b, uint64_t length_b);
uint32_t Crc32cCombinePortable(uint32_t crc_a, uint32_t crc_b, uint64_t length_b);

// What stands for a whole history: equal chains mean equal histories.
using Chain = std::array<std::byte, 16>;

// chain' = first 16 bytes of SHA-256(previous || bytes). Allocates nothing.
Chain ExtendChain(const Chain& previous, std::span<const std::byte> bytes);

}  // namespace semper
