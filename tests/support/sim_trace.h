// SimTrace: what happened, as one number and, on request, as lines that a person reads.
//
// Equal hashes mean equal runs, whatever compiled the program: only text and integers go in; never
// a pointer, never the order of an unordered container, never floating point.
#pragma once

#include <concepts>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <string>
#include <string_view>
#include <type_traits>

namespace semper::sim {

class SimTrace {
 public:
  // Keeps the last `lines` lines readable; 0 (the default) formats nothing.
  void KeepLines(size_t lines) { keep_ = lines; }
  // Writes each line to `file` as it comes; nullptr: no more.
  void PrintTo(std::FILE* file) { file_ = file; }

  // Adds one event at virtual time `now` (nanoseconds): text, integers, enums, in this order.
  template <typename... Parts>
  void Add(uint64_t now, const Parts&... parts) {
    ++events_;
    Mix(now);
    (MixPart(parts), ...);
    if (keep_ == 0 && file_ == nullptr) return;
    std::string line = Time(now);
    ((line += ' ', AppendPart(line, parts)), ...);
    Keep(std::move(line));
  }

  uint64_t hash() const { return hash_; }
  uint64_t events() const { return events_; }
  const std::deque<std::string>& lines() const { return lines_; }

 private:
  void Mix(uint64_t value) {
    hash_ = (hash_ ^ value) * 0x9fb21c651e98df25u;
    hash_ ^= hash_ >> 29;
  }

  template <typename T>
  void MixPart(const T& part) {
    if constexpr (std::is_enum_v<T>) {
      Mix(static_cast<uint64_t>(static_cast<std::underlying_type_t<T>>(part)));
    } else if constexpr (std::integral<T>) {
      Mix(static_cast<uint64_t>(part));
    } else {
      const std::string_view text(part);
      Mix(text.size());
      for (char c : text) Mix(static_cast<unsigned char>(c));
    }
  }

  template <typename T>
  static void AppendPart(std::string& line, const T& part) {
    if constexpr (std::is_enum_v<T>) {
      line += std::to_string(static_cast<std::underlying_type_t<T>>(part));
    } else if constexpr (std::integral<T>) {
      line += std::to_string(part);
    } else {
      line += std::string_view(part);
    }
  }

  static std::string Time(uint64_t now) {
    char text[48];
    const int length = std::snprintf(text, sizeof text, "%6llu.%06llu",
                                     static_cast<unsigned long long>(now / 1'000'000'000),
                                     static_cast<unsigned long long>(now / 1'000 % 1'000'000));
    return std::string(text, static_cast<size_t>(length));
  }

  void Keep(std::string line) {
    if (file_ != nullptr) std::fprintf(file_, "%s\n", line.c_str());
    if (keep_ == 0) return;
    lines_.push_back(std::move(line));
    if (lines_.size() > keep_) lines_.pop_front();
  }

  uint64_t hash_ = 0x5e3e7a11dead5eedu;
  uint64_t events_ = 0;
  size_t keep_ = 0;
  std::FILE* file_ = nullptr;
  std::deque<std::string> lines_;
};

}  // namespace semper::sim
