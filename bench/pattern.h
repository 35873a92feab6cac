// The bytes of benchmark message number n: every message can be told from every other, and from a
// damaged one.
//
// The first 8 bytes are n, the last 8 a word that only n gives (they overlap below 16), between
// them a filling that is the same in all messages. Begin and end are checked in every message; the
// filling in every 64th, which finds a sender's or a receiver's wrong copy at a cost that does not
// drown what is measured (damage on the way is what CRC32C is for).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace semper::bench {

inline constexpr size_t kMessageBytesMin = 16;

inline uint64_t EndWord(uint64_t number) {
  return (number ^ 0x5e3c0ffee1234567u) * 0x9e3779b97f4a7c15u;
}

class Pattern {
 public:
  explicit Pattern(size_t bytes) : bytes_(bytes < kMessageBytesMin ? kMessageBytesMin : bytes) {
    for (size_t i = 0; i < bytes_.size(); ++i) bytes_[i] = std::byte(i * 131 + (i >> 8));
  }

  // Message `number`; valid until the next call.
  std::span<const std::byte> Make(uint64_t number) {
    const uint64_t end = EndWord(number);
    std::memcpy(bytes_.data(), &number, sizeof number);
    std::memcpy(bytes_.data() + bytes_.size() - sizeof end, &end, sizeof end);
    return bytes_;
  }

  bool Is(std::span<const std::byte> body, uint64_t number) const {
    uint64_t begin;
    uint64_t end;
    if (body.size() != bytes_.size()) return false;
    std::memcpy(&begin, body.data(), sizeof begin);
    std::memcpy(&end, body.data() + body.size() - sizeof end, sizeof end);
    if (begin != number || end != EndWord(number)) return false;
    if (number % 64 != 0) return true;
    const size_t filling = bytes_.size() - kMessageBytesMin;
    return std::memcmp(body.data() + 8, bytes_.data() + 8, filling) == 0;
  }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace semper::bench
