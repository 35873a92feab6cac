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
// Members are asked in turn. One that does not answer holds the next one up for no longer than
// this.
inline constexpr std::chrono::milliseconds kNextMemberAfter{50};
// The next round comes after this share of the time without a leader, give or take a half: a new
// leader is found soon after it began to lead, a peer that stays away costs little.
inline constexpr int kRedialShare = 8;
inline constexpr std::chrono::nanoseconds kRedialFirst = std::chrono::milliseconds(4);
inline constexpr std::chrono::nanoseconds kRedialMost = std::chrono::milliseconds(1000);
// An acknowledgement that is due and has not moved for so long (at most twice as long): the other
// members are asked whether one of them leads now. They only say no while the leader is slow.
inline constexpr std::chrono::nanoseconds kAckLimit = std::chrono::milliseconds(250);
inline constexpr size_t kMembersMax = 64;  // of one immortal that are tried

static_assert(kPingAfter * 3 < kQuietLimit, "a lost ping or two must not end a connection");

}  // namespace semper::peer
