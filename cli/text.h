// How semperctl writes values for people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace semper::cli {

std::string Hex(std::span<const std::byte> bytes);
std::string Hex(std::string_view bytes);

// "WAITING_FOR_SERVICE" -> "waiting-for-service".
std::string EnumWord(std::string_view name);

// Nanoseconds since 1970 as "2026-11-22T08:15:00.000000123Z"; "-" for 0.
std::string TimeText(uint64_t unix_nanos);

// "512 B", "1.5 MiB".
std::string BytesText(uint64_t bytes);

// "0 s", "25.0 ms".
std::string SecondsText(double seconds);

// Rows in columns that are as wide as they need to be; columns whose first row ends with '>' (which
// is not shown) are aligned to the right. The last column is not padded.
std::string TableText(const std::vector<std::vector<std::string>>& rows);

// The candidate nearest to `word`, for "did you mean"; empty if none is near.
std::string Nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace semper::cli
