// SegmentReader: walks the records of one segment and checks each; ReadWindow: the buffered reads
// below it.
//
// One thread. Reads are aligned to 4096 bytes in offset, length and memory, as O_DIRECT wants them.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/disk.h"
#include "sidecar/log/history.h"
#include "sidecar/log/segment.h"

namespace semper::log {

// A window of a file that moves forward.
class ReadWindow {
 public:
  explicit ReadWindow(File& file) : file_(file) {}

  // `length` bytes from `offset`, fewer only at the end of the file. Valid until the next call.
  absl::StatusOr<std::span<const std::byte>> Get(uint64_t offset, size_t length);

  // Forgets what was read: the file has changed, or may have. The next read is a small one.
  void Forget();

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  void Reserve(size_t bytes);

  File& file_;
  std::unique_ptr<std::byte[], Free> memory_;
  size_t capacity_ = 0;
  uint64_t base_ = 0;  // offset of memory_[0] in the file
  size_t size_ = 0;    // valid bytes
  bool careful_ = true;
};

class SegmentReader {
 public:
  // Opens the segment and reads its header. NOT_FOUND: no such file. DATA_LOSS: the header is
  // damaged, i.e. invalid although something was written behind it.
  static absl::StatusOr<std::unique_ptr<SegmentReader>> Open(Disk& disk, const std::string& dir,
                                                             const SegmentName& name,
                                                             OpenMode mode);

  // Goes to a place that an earlier reader of this very segment has reached.
  void Seek(const LogPlace& place);

  // Nothing: prepared and never used (so far; ReadHeader looks again).
  const std::optional<SegmentHeader>& header() const { return header_; }
  absl::Status ReadHeader();

  struct Found {
    RecordHeader header;
    uint64_t offset = 0;
    std::span<const std::byte> body =
        {};  // empty if it was not asked for; valid until the next call
  };
  enum class Body { kRead, kSkip };
  // The record at the current place, which then moves behind it; nothing if no valid record is
  // (completely) there: the place stays and can be asked again. With kSkip the body is neither read
  // nor checked. DATA_LOSS: a valid checksum around a record that does not continue what is before
  // it. Requires header().
  absl::StatusOr<std::optional<Found>> Next(Body body);

  // The header of the record at the current place, if there is one.
  absl::StatusOr<std::optional<RecordHeader>> Peek();
  // Is the body of that record there as well?
  absl::StatusOr<bool> IsIntact(const RecordHeader& header);

  // Like Next for a segment that is read to decide: nothing means that the segment ends here, torn
  // or not. An invalid place with a later record behind it (FindLater) is DATA_LOSS.
  absl::StatusOr<std::optional<Found>> NextOrEnd(Body body);

  // Does this segment, read to its end, go on in the one with the header `next`? DATA_LOSS if not.
  absl::Status CheckGoesOn(const SegmentHeader& next) const;

  // Of the records so far (at the beginning: of what the header says).
  uint64_t offset() const { return offset_; }
  const Chain& chain() const { return chain_; }
  core::Index next_index() const { return next_index_; }
  uint64_t next_batch() const {
    return next_batch_;
  }  // of this epoch; 0: the seal was not yet seen
  uint64_t copied_records() const { return copied_records_; }
  const std::optional<Seal>& seal() const {
    return seal_;
  }  // of this epoch, from the header or a record read
  uint64_t last_time() const {
    return last_time_;
  }  // of the last input whose body was read; 0: none

  // Is there a record behind the current place that can only have been written after one here was
  // durable? Its offset. Only such a record makes an invalid place damage: it is no copy, and not
  // from before. Reads to the end of the file.
  absl::StatusOr<std::optional<uint64_t>> FindLater();

  // Reads once more the body of a record that Next returned earlier; DATA_LOSS if it is another one
  // now.
  absl::StatusOr<std::span<const std::byte>> ReadBody(uint64_t offset, const RecordHeader& header);

  // Makes the next read see the file as it is now.
  void Refresh() { window_.Forget(); }

  absl::StatusOr<uint64_t> FileBytes() { return handle_->Size(); }
  const std::string& file() const { return path_; }
  const SegmentName& name() const { return name_; }
  const FileIdentity& identity() const { return identity_; }

  // "segment <path>, offset <n>: <why>; <what to do>"
  absl::Status Damage(uint64_t offset, std::string_view why) const;

 private:
  SegmentReader(std::unique_ptr<File> file, SegmentName name, std::string path)
      : name_(name), path_(std::move(path)), handle_(std::move(file)), window_(*handle_) {}
  absl::Status CheckContinues(const RecordHeader& h) const;
  absl::Status CheckEntries(const RecordHeader& h, std::span<const std::byte> body);
  absl::Status CheckSeal(const RecordHeader& h, std::span<const std::byte> body);

  SegmentName name_;
  std::string path_;
  std::unique_ptr<File> handle_;
  FileIdentity identity_;
  ReadWindow window_;
  std::optional<SegmentHeader> header_;
  uint64_t offset_ = kSegmentHeaderBytes;
  Chain chain_{};
  core::Index next_index_{};
  uint64_t next_batch_ = 0;
  uint64_t copied_records_ = 0;
  std::optional<Seal> seal_;
  uint64_t last_time_ = 0;
};

}  // namespace semper::log
