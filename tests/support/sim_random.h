// SimRandom: the simulator's only source of chance. The same seed gives the same numbers with every
// compiler.
//
// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014).
// Draw one number per statement: C++ leaves the order of evaluation of arguments to the compiler.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace semper::sim {

class SimRandom {
 public:
  explicit SimRandom(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  // 0 … n - 1; n > 0.
  uint64_t Below(uint64_t n) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * n) >> 64);
  }

  // from … to, both included.
  uint64_t Between(uint64_t from, uint64_t to) { return from + Below(to - from + 1); }

  // True `times` times in `of` draws.
  bool Chance(uint64_t times, uint64_t of) { return Below(of) < times; }

  bool Coin() { return (Next() >> 63) != 0; }

  // Mostly small, sometimes up to `most`: the magnitude is drawn first. For delays and sizes.
  uint64_t Skewed(uint64_t most) {
    uint64_t limit = most;
    const uint64_t halvings = Below(16);
    for (uint64_t i = 0; i < halvings && limit > 1; ++i) limit /= 2;
    return Below(limit + 1);
  }

  void Fill(std::span<std::byte> out) {
    for (std::byte& b : out) b = static_cast<std::byte>(Next() >> 56);
  }

  template <typename T>
  T& Pick(std::vector<T>& from) {
    return from[Below(from.size())];
  }

  template <typename T>
  void Shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[Below(i)]);
  }

  // A generator of its own, so that one part's draws do not shift another's.
  SimRandom Fork() { return SimRandom(Next()); }

 private:
  uint64_t state_;
};

}  // namespace semper::sim
