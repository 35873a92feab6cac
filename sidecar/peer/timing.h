// Limits of a connection between coordinators (docs/formats/peer.md).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace semper::peer {

inline constexpr std::chrono::seconds kHandshakeLimit{5};
inline constexpr std::chrono::seconds kPingAfter{1};
inline constexpr std::chrono::seconds kQuietLimit{5};
inline constexpr uint32_t kHandshakeBytesMax = 64u << 10;
inline constexpr size_t kReadBudgetBytes = 4u << 20;  // per connection and round
inline constexpr size_t kSendQueueBytes =
    4u << 20;  // beyond it a connection takes no more until it has drained
// The next attempt comes after this share of the time without a connection, give or take a half: a
// peer that restarts is found again soon, one that stays away costs little.
inline constexpr int kRedialShare = 4;
inline constexpr std::chrono::nanoseconds kRedialFirst = std::chrono::milliseconds(4);
inline constexpr std::chrono::nanoseconds kRedialMost = std::chrono::milliseconds(1000);

static_assert(kPingAfter * 3 < kQuietLimit, "a lost ping or two must not end a connection");

}  // namespace semper::peer
