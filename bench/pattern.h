// The bytes of benchmark message number n: every message can be told from every other, and from a
// damaged one.
//
// The first 8 bytes are n, the last 8 a word that only n gives (they overlap below 16), between
// them a filling that is the same in all messages. Begin and end are checked in every message; the
// filling in every 64th, which finds a sender's or a receiver's wrong copy at a cost that does not
// drown what is measured (damage on the way is what CRC32C is for).
//
// Content: kSame, as said; kRandom: the filling is another, incompressible one in each message;
// kMixed: the size is a function of n, too, mostly small and sometimes large, of 8 B to 4 KiB.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace semper::bench {

inline uint64_t EndWord(uint64_t number) {
  return (number ^ 0x5e3c0ffee1234567u) * 0x9e3779b97f4a7c15u;
}

enum class Content { kSame, kRandom, kMixed };

class Pattern {
 public:
  Pattern(size_t bytes, Content content)
      : content_(content),
        size_(content == Content::kMixed ? kMixedMax : std::max(bytes, kWordBytes)),
        bytes_(size_),
        pool_(content == Content::kRandom ? size_ + kPoolBytes : size_) {
    for (size_t i = 0; i < pool_.size(); ++i) {
      pool_[i] = content == Content::kRandom ? std::byte(EndWord(EndWord(i)) >> 56)
                                             : std::byte(i * 131 + (i >> 8));
    }
    bytes_ = pool_;
    bytes_.resize(size_);
  }

  // Message `number`; valid until the next call.
  std::span<const std::byte> Make(uint64_t number) {
    const size_t size = SizeOf(number);
    const uint64_t end = EndWord(number);
    if (content_ == Content::kRandom) std::memcpy(bytes_.data(), Filling(number), size);
    if (content_ == Content::kMixed && dirty_ != 0) {
      std::memcpy(&bytes_[dirty_ - kWordBytes], &pool_[dirty_ - kWordBytes], kWordBytes);
    }
    std::memcpy(&bytes_[size - kWordBytes], &end, sizeof end);
    std::memcpy(bytes_.data(), &number, sizeof number);
    dirty_ = size;
    return {bytes_.data(), size};
  }

  bool Is(std::span<const std::byte> body, uint64_t number) const {
    uint64_t begin;
    uint64_t end;
    if (body.size() != SizeOf(number)) return false;
    std::memcpy(&begin, body.data(), sizeof begin);
    std::memcpy(&end, body.data() + body.size() - sizeof end, sizeof end);
    if (begin != number) return false;
    if (body.size() < 2 * kWordBytes) {
      // The words overlap, and the number is whole.
      const uint64_t wanted = EndWord(number);
      const size_t tail = body.size() - kWordBytes;
      return std::memcmp(body.data() + kWordBytes,
                         reinterpret_cast<const std::byte*>(&wanted) + kWordBytes - tail,
                         tail) == 0;
    }
    if (end != EndWord(number)) return false;
    if (number % 64 != 0) return true;
    return std::memcmp(body.data() + kWordBytes, Filling(number) + kWordBytes,
                       body.size() - 2 * kWordBytes) == 0;
  }

 private:
  static constexpr size_t kWordBytes = 8;
  static constexpr size_t kPoolBytes = 1u << 20;
  static constexpr size_t kMixedMax = 4096;
  // bench/measures.py knows the mean.
  static constexpr std::array<uint16_t, 16> kMixed{8,  8,  8,  8,  8,   8,   8,    8,
                                                   16, 16, 16, 64, 128, 256, 1024, kMixedMax};

  size_t SizeOf(uint64_t number) const {
    return content_ == Content::kMixed ? kMixed[EndWord(number) >> 60] : size_;
  }
  const std::byte* Filling(uint64_t number) const {
    return pool_.data() + (content_ == Content::kRandom ? EndWord(number) % kPoolBytes : 0);
  }

  const Content content_;
  const size_t size_;
  std::vector<std::byte> bytes_;
  std::vector<std::byte> pool_;  // what fills a message, at Filling(number)
  size_t dirty_ = 0;             // size of the message that is in bytes_
};

}  // namespace semper::bench
