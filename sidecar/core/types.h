// The words of the protocol: identities, positions, and the frame header that every wire and file
// shares.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/hash.h"

namespace semper::core {

// Position of an input in an immortal's log, from 1; 0: none yet.
enum class Index : uint64_t {};
// The number of a leadership, from 1; 0: none.
enum class Epoch : uint64_t {};
// The number of a record within its epoch; the seal is 0.
enum class Batch : uint64_t {};
// A number that stands for a peer within one immortal: sources and destinations are numbered apart,
// from 1.
enum class Slot : uint32_t {};
// 128 random bits: one life of a name.
using Incarnation = std::array<std::byte, 16>;

constexpr uint64_t Raw(Index i) { return static_cast<uint64_t>(i); }
constexpr uint64_t Raw(Epoch e) { return static_cast<uint64_t>(e); }
constexpr uint64_t Raw(Batch b) { return static_cast<uint64_t>(b); }
constexpr uint32_t Raw(Slot s) { return static_cast<uint32_t>(s); }
constexpr Index operator+(Index i, uint64_t n) { return Index{Raw(i) + n}; }
constexpr Epoch operator+(Epoch e, uint64_t n) { return Epoch{Raw(e) + n}; }
constexpr Batch operator+(Batch b, uint64_t n) { return Batch{Raw(b) + n}; }

// How far a stream of messages between two immortals has come: the sequence of the last message,
// and the CRC32C of all bytes (headers and bodies) of messages 1..sequence. Independent of framing.
struct Position {
  uint64_t sequence = 0;
  uint32_t hash = 0;
  bool operator==(const Position&) const = default;

  // The position after `count` more messages of `bytes` bytes with this CRC32C.
  Position After(uint64_t count, uint64_t bytes, uint32_t crc) const {
    return {sequence + count, Crc32cCombine(hash, crc, bytes)};
  }
};

// Kinds of frames (docs/formats/frame.md). 1..15 stand in the log and are inputs.
enum class FrameKind : uint16_t {
  kNone = 0,
  // inputs: log, and coordinator -> service
  kPeer = 1,     // messages of another immortal
  kImpulse = 2,  // messages of the service's own non-deterministic edge
  kControl = 3,  // one input of the coordinator's own: semper.v1.Control
  // link, service -> coordinator
  kServiceHello = 16,   // semper.v1.ServiceHello
  kDestination = 17,    // slot, payload = name: this slot means this immortal from now on
  kOutput = 18,         // messages to `slot`; index = cause
  kDone = 19,           // index: all inputs up to it are finished; time = next timer due (0: none)
  kImpulseSubmit = 20,  // messages; first_sequence = token of the first
  kCheckpointBegin = 21,  // semper.v1.ServiceCheckpoint; index = the cut
  kCheckpointChunk = 22,  // bytes of the service's state
  kCheckpointEnd = 23,    // first_sequence = total bytes
  kServiceFailed = 24,    // payload = text; index = the input at which the service gave up
  // link, coordinator -> service
  kCoordinatorHello = 32,  // semper.v1.CoordinatorHello
  kRestoreBegin = 33,      // semper.v1.ServiceCheckpoint; index = the checkpoint's
  kRestoreChunk = 34,
  kRestoreEnd = 35,     // first_sequence = total bytes
  kLive = 36,           // index: what comes after it is new; impulses are taken from now on
  kCommitted = 37,      // index: everything up to it is committed
  kCheckpointCut = 38,  // index: the cut; answered by kCheckpointBegin in the output stream
  kRefused = 39,        // payload = text; the coordinator closes after it
  // peer, sender -> receiver
  kPeerHello = 48,  // semper.v1.PeerHello
  kMessages = 49,   // messages first_sequence .. + count - 1
  // peer, receiver -> sender
  kPeerWelcome = 64,  // semper.v1.PeerWelcome
  kAck = 65,          // first_sequence = sequence committed; crc = stream hash there
  kPeerRefused = 66,  // semper.v1.PeerRefused; closes
  // members of one immortal: who dialled → who answers, and back
  kMemberHello = 96,    // semper.v1.MemberHello
  kMemberWelcome = 97,  // semper.v1.MemberWelcome
  kMemberRefused = 98,  // semper.v1.MemberRefused; closes
  kMemberState = 99,    // semper.v1.MemberState, both ways
  kMemberTest = 100,    // semper.v1.MemberTest, both ways
  // both
  kPing = 80,  // keeps a quiet connection known to be alive
};

inline constexpr size_t kFrameHeaderBytes = 48;
inline constexpr size_t kMessageHeaderBytes = 4;
inline constexpr uint32_t kMessageBytesMax = 16u << 20;  // body of one message
inline constexpr uint32_t kFramePayloadBytesMax =
    kMessageBytesMax + 64;  // a frame holds at least the largest message
inline constexpr uint32_t kFramePayloadBytesUsual = 128u
                                                    << 10;  // an SDK closes a frame beyond this

// The 48 bytes before every payload, on the link, between peers, and in a record of the log.
struct FrameHeader {
  uint32_t bytes = 0;                 //  0 payload length
  uint32_t count = 0;                 //  4 messages in the payload
  uint64_t first_sequence = 0;        //  8 sequence of the first message
  uint64_t index = 0;                 // 16 log, delivery: index of the first input; output: cause
  uint64_t time = 0;                  // 24 log, delivery: logged time, UnixNanos
  uint32_t slot = 0;                  // 32 source or destination
  uint32_t crc = 0;                   // 36 CRC32C of the payload
  FrameKind kind = FrameKind::kNone;  // 40
  uint16_t flags = 0;                 // 42 must be 0 in version 1
  uint32_t last = 0;                  // 44 link: generation; peer: CRC32C of bytes 0..43; log: 0

  bool operator==(const FrameHeader&) const = default;

  void Encode(std::byte* to) const {
    StoreLittle(to, bytes);
    StoreLittle(to + 4, count);
    StoreLittle(to + 8, first_sequence);
    StoreLittle(to + 16, index);
    StoreLittle(to + 24, time);
    StoreLittle(to + 32, slot);
    StoreLittle(to + 36, crc);
    StoreLittle(to + 40, static_cast<uint16_t>(kind));
    StoreLittle(to + 42, flags);
    StoreLittle(to + 44, last);
  }

  static FrameHeader Decode(const std::byte* from) {
    FrameHeader h;
    h.bytes = LoadLittle<uint32_t>(from);
    h.count = LoadLittle<uint32_t>(from + 4);
    h.first_sequence = LoadLittle<uint64_t>(from + 8);
    h.index = LoadLittle<uint64_t>(from + 16);
    h.time = LoadLittle<uint64_t>(from + 24);
    h.slot = LoadLittle<uint32_t>(from + 32);
    h.crc = LoadLittle<uint32_t>(from + 36);
    h.kind = static_cast<FrameKind>(LoadLittle<uint16_t>(from + 40));
    h.flags = LoadLittle<uint16_t>(from + 42);
    h.last = LoadLittle<uint32_t>(from + 44);
    return h;
  }
};

// A message: 4 bytes of header (bits 0..24 body length, 25..27 MessageKind, 28 extension
// follows, 29..31 zero), then the body. Coordinators never look at kinds; only the two SDKs do.
inline constexpr uint32_t kMessageLengthMask = (1u << 25) - 1;
inline constexpr uint32_t kMessageExtensionBit = 1u << 28;
constexpr uint32_t MessageBodyBytes(uint32_t header) { return header & kMessageLengthMask; }

}  // namespace semper::core
