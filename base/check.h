// SEMPER_CHECK: our own contract, on in every build; a violation is a bug and ends the process.
//
// SEMPER_CHECK(condition, parts...) aborts with file, line, the condition and the parts joined to
// one text. The parts (text, integers, floating point, bool, enums) are evaluated only if the
// condition is false. What the world can get wrong (disks, peers, input) is an absl::Status and
// never a check.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

namespace semper::internal {

template <typename T>
std::string CheckPart(const T& part) {
  if constexpr (std::convertible_to<const T&, std::string_view>) {
    return std::string(std::string_view(part));
  } else if constexpr (std::same_as<T, bool>) {
    return part ? "true" : "false";
  } else if constexpr (std::is_enum_v<T>) {
    return std::to_string(static_cast<std::underlying_type_t<T>>(part));
  } else if constexpr (std::is_arithmetic_v<T>) {
    return std::to_string(part);
  } else {
    return std::string(part);
  }
}

template <typename... Parts>
[[gnu::cold]] std::string CheckText(const Parts&... parts) {
  std::string text;
  ((text += CheckPart(parts)), ...);
  return text;
}

// Writes one line to stderr without allocating more, and aborts.
[[noreturn, gnu::cold]] void CheckFailed(const char* file, int line, const char* condition,
                                         std::string_view text);

}  // namespace semper::internal

#define SEMPER_CHECK(condition, ...)                                     \
  (__builtin_expect(static_cast<bool>(condition), true)                  \
       ? static_cast<void>(0)                                            \
       : ::semper::internal::CheckFailed(__FILE__, __LINE__, #condition, \
                                         ::semper::internal::CheckText(__VA_ARGS__)))
