// StateWriter and StateReader: a service's state as a stream, for checkpoints. Neither ever holds
// more than a piece of it.
#pragma once

#include <google/protobuf/message_lite.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "semper/export.h"
#include "semper/status.h"

namespace semper {

namespace internal {
// Equal messages give equal bytes, in every process: map fields are sorted.
SEMPER_EXPORT std::string Serialize(const google::protobuf::MessageLite& message);
}  // namespace internal

// Takes the state of a service, front to back. What is written is read again in the same order by
// StateReader's function of the same name. Write the same bytes for the same state: walk maps in a
// fixed order.
class SEMPER_EXPORT StateWriter {
 public:
  virtual ~StateWriter() = default;

  virtual void WriteBytes(std::span<const std::byte> bytes) = 0;  // just these bytes, no length

  void WriteUint64(uint64_t value);  // 8 bytes, little-endian
  void WriteInt64(int64_t value) { WriteUint64(static_cast<uint64_t>(value)); }
  void WriteVarint(uint64_t value);         // 1 to 10 bytes: small numbers are short
  void WriteString(std::string_view text);  // length as a varint, bytes
  void WriteMessage(
      const google::protobuf::MessageLite& message);  // length as a varint, binary encoding
};

// Gives it back. Errors stick: after the first one (the state ends too early, a length is
// senseless) everything reads as zero or empty and `status` says what happened where; so a Load may
// read on and return status() at its end.
class SEMPER_EXPORT StateReader {
 public:
  virtual ~StateReader() = default;

  // Fills `out` with the next bytes; false after an error.
  bool ReadBytes(std::span<std::byte> out);

  uint64_t ReadUint64();
  int64_t ReadInt64() { return static_cast<int64_t>(ReadUint64()); }
  uint64_t ReadVarint();
  std::string ReadString();
  bool ReadMessage(google::protobuf::MessageLite& message);

  // True when everything has been read (waits for the next bytes or the end), or after an error.
  // Load must end there: bytes that are left over are an error, because they mean that Save and
  // Load disagree.
  bool AtEnd();
  void SkipRest();

  bool ok() const { return status_.ok(); }
  const Status& status() const { return status_; }
  uint64_t position() const { return position_; }  // bytes read so far

 protected:
  // The next piece of the stream, valid until the next call; empty at the end. An implementation
  // reports its own trouble with Fail.
  virtual std::span<const std::byte> NextPiece() = 0;
  void Fail(Code code, std::string_view text);

 private:
  bool Refill();
  void FailAtEnd(std::string_view what);

  std::span<const std::byte> piece_;
  bool ended_ = false;
  uint64_t position_ = 0;
  Status status_;
};

}  // namespace semper
