// Little-endian loads and stores, and spans of bytes made from other things.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace semper {

template <std::unsigned_integral T>
T LoadLittle(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  if constexpr (std::endian::native == std::endian::big) {
    T swapped = 0;
    for (size_t i = 0; i < sizeof(T); ++i)
      swapped |= ((value >> (8 * i)) & 0xff) << (8 * (sizeof(T) - 1 - i));
    return swapped;
  }
  return value;
}

template <std::unsigned_integral T>
void StoreLittle(void* to, T value) {
  if constexpr (std::endian::native == std::endian::big) {
    T swapped = 0;
    for (size_t i = 0; i < sizeof(T); ++i)
      swapped |= ((value >> (8 * i)) & 0xff) << (8 * (sizeof(T) - 1 - i));
    value = swapped;
  }
  std::memcpy(to, &value, sizeof value);
}

inline std::span<const std::byte> AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace semper
