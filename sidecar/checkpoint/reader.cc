#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "sidecar/checkpoint/checkpoint.h"
#include "sidecar/checkpoint/format.h"
#include "sidecar/checkpoint/verify.h"

namespace semper::checkpoint {
namespace {

constexpr size_t kAlignment = 4096;  // of file offsets, lengths and memory: what direct reads need
constexpr size_t kReadBytes = 1 << 20;

constexpr uint64_t AlignDown(uint64_t n) { return n & ~uint64_t{kAlignment - 1}; }
constexpr uint64_t AlignUp(uint64_t n) { return AlignDown(n + kAlignment - 1); }

// A stretch of a file in memory that moves forward. What At returns is valid until the next call.
class FileWindow {
 public:
  FileWindow(std::unique_ptr<File> file, uint64_t file_bytes)
      : file_(std::move(file)), file_bytes_(file_bytes) {}

  uint64_t file_bytes() const { return file_bytes_; }

  // The bytes [offset, offset + length); fewer only where the file ends. Offsets never go back
  // below the last one.
  absl::StatusOr<std::span<const std::byte>> At(uint64_t offset, size_t length) {
    length = std::min<uint64_t>(length, file_bytes_ - std::min(offset, file_bytes_));
    if (offset + length > end_) {
      if (auto filled = Fill(offset, offset + length); !filled.ok()) return filled;
    }
    return std::span(memory_.get() + (offset - begin_), length);
  }

 private:
  struct Freer {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  using Memory = std::unique_ptr<std::byte, Freer>;

  // Makes [from, to) part of the window, reading ahead.
  absl::Status Fill(uint64_t from, uint64_t to) {
    const uint64_t begin = AlignDown(from);
    const uint64_t end = std::max(AlignUp(to), begin + kReadBytes);
    const size_t kept = end_ > begin ? end_ - begin : 0;
    if (end - begin > capacity_) {
      const size_t capacity = end - begin + kReadBytes;
      Memory memory(static_cast<std::byte*>(std::aligned_alloc(kAlignment, capacity)));
      if (memory == nullptr) {
        return absl::ResourceExhaustedError(
            absl::StrCat("no memory for ", capacity, " bytes of a checkpoint's section"));
      }
      if (kept > 0) std::memcpy(memory.get(), memory_.get() + (begin - begin_), kept);
      memory_ = std::move(memory);
      capacity_ = capacity;
    } else if (kept > 0) {
      std::memmove(memory_.get(), memory_.get() + (begin - begin_), kept);
    }
    begin_ = begin;
    end_ = begin + kept;
    // Between calls the window ends at a multiple of the alignment or at the end of the file, so
    // reads are aligned.
    while (end_ < std::min(end, file_bytes_)) {
      auto read = file_->ReadAt(end_, {memory_.get() + (end_ - begin_), end - end_});
      if (!read.ok()) return read.status();
      if (*read == 0) {
        return absl::DataLossError(absl::StrCat("the file ended at ", end_, ", although it had ",
                                                file_bytes_, " bytes when it was opened"));
      }
      end_ += *read;
    }
    return absl::OkStatus();
  }

  std::unique_ptr<File> file_;
  uint64_t file_bytes_;
  Memory memory_;
  size_t capacity_ = 0;
  uint64_t begin_ = 0;  // of the window, in the file
  uint64_t end_ = 0;
};

class FileCheckpointReader final : public CheckpointReader {
 public:
  FileCheckpointReader(std::string path, FileWindow window)
      : path_(std::move(path)), window_(std::move(window)) {}

  absl::Status ReadHeader(CheckpointId id) {
    auto fixed = window_.At(0, kFixedHeaderBytes);
    if (!fixed.ok()) return Annotate(fixed.status());
    auto length = HeaderBytes(*fixed, path_);
    if (!length.ok()) return length.status();
    auto bytes = window_.At(0, *length);
    if (!bytes.ok()) return Annotate(bytes.status());
    auto header = ParseHeader(*bytes, path_);
    if (!header.ok()) return header.status();
    header_ = *std::move(header);
    if (header_.id != id) {
      return Damaged(absl::StrCat("the header says it is ", PublishedName(header_.id),
                                  ": the file was renamed or copied by hand"));
    }
    offset_ = *length;
    return absl::OkStatus();
  }

  const CheckpointHeader& header() const override { return header_; }
  // Once Next has returned nothing.
  Written written() const { return {.bytes = window_.file_bytes(), .trailer = read_}; }

  absl::StatusOr<std::optional<Section>> Next() override {
    if (!status_.ok()) return status_;
    if (done_) return std::nullopt;
    auto section = ReadSection();
    if (!section.ok()) status_ = section.status();
    return section;
  }

 private:
  absl::Status Damaged(const std::string& what) const {
    return absl::DataLossError(
        absl::StrCat("checkpoint ", path_, ", offset ", offset_, ": ", what));
  }

  absl::Status Annotate(const absl::Status& status) const {
    return absl::Status(status.code(), absl::StrCat("checkpoint ", path_, ", offset ", offset_,
                                                    ": ", status.message()));
  }

  absl::StatusOr<std::optional<Section>> ReadSection() {
    auto head = window_.At(offset_, kSectionHeaderBytes);
    if (!head.ok()) return Annotate(head.status());
    if (head->size() < kSectionHeaderBytes) return Damaged("the file has no trailer: unfinished");
    const auto header = SectionHeader::Decode(head->data());
    if (!header) return Damaged("no section begins here, although one should");
    auto whole = window_.At(offset_, kSectionHeaderBytes + header->length);
    if (!whole.ok()) return Annotate(whole.status());
    if (whole->size() < kSectionHeaderBytes + header->length) {
      return Damaged(
          absl::StrCat("the file ends within a section of ", header->length, " bytes: unfinished"));
    }
    const auto bytes = whole->subspan(kSectionHeaderBytes);
    if (Crc32c(0, bytes) != header->crc) {
      return Damaged(absl::StrCat("the checksum of a section of kind ",
                                  static_cast<uint32_t>(header->kind), " and ", bytes.size(),
                                  " bytes is wrong"));
    }
    auto section = Take(*header, bytes);
    offset_ += kSectionHeaderBytes + header->length;
    return section;
  }

  absl::StatusOr<std::optional<Section>> Take(const SectionHeader& header,
                                              std::span<const std::byte> bytes) {
    Section section;
    switch (header.kind) {
      case SectionKind::kOutput:
        if (auto taken = TakeOutput(bytes, section); !taken.ok()) return taken;
        break;
      case SectionKind::kService:
        section.kind = Section::kService;
        if (service_seen_) return Damaged("a second description of the service");
        if (!section.service.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
          return Damaged("the description of the service does not parse");
        }
        service_seen_ = true;
        break;
      case SectionKind::kChunk:
        section.kind = Section::kChunk;
        if (!service_seen_) return Damaged("a chunk of state before the service's description");
        section.bytes = bytes;
        read_.state_crc = Crc32cCombine(read_.state_crc, header.crc, bytes.size());
        read_.state_bytes += bytes.size();
        break;
      case SectionKind::kTrailer:
        return TakeTrailer(bytes);
    }
    ++read_.sections;
    return std::optional<Section>(std::move(section));
  }

  absl::Status TakeOutput(std::span<const std::byte> bytes, Section& section) {
    section.kind = Section::kOutput;
    section.frame = core::FrameHeader::Decode(bytes.data());
    section.bytes = bytes.subspan(core::kFrameHeaderBytes);
    const core::FrameHeader& frame = section.frame;
    if (frame.bytes != section.bytes.size() || frame.kind != core::FrameKind::kOutput ||
        frame.slot == 0 || frame.count == 0 || frame.first_sequence == 0) {
      return Damaged("the frame header of an output makes no sense");
    }
    uint64_t& last = last_sequence_[frame.slot];
    if (frame.first_sequence <= last) {
      return Damaged(absl::StrCat("outputs of slot ", frame.slot,
                                  " out of order: ", frame.first_sequence, " after ", last));
    }
    last = frame.first_sequence + frame.count - 1;
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<Section>> TakeTrailer(std::span<const std::byte> bytes) {
    const auto trailer = Trailer::Decode(bytes.data());
    if (!trailer || *trailer != read_ || !service_seen_) {
      return Damaged(absl::StrCat("the trailer does not fit what was read: ", read_.sections,
                                  " sections, ", read_.state_bytes,
                                  " bytes of the service's state"));
    }
    const uint64_t end = offset_ + kSectionHeaderBytes + kTrailerBytes;
    if (end != window_.file_bytes()) {
      return Damaged(absl::StrCat(
          "the file goes on after its trailer: ", window_.file_bytes() - end, " bytes"));
    }
    done_ = true;
    return std::optional<Section>();
  }

  const std::string path_;
  FileWindow window_;
  CheckpointHeader header_;
  uint64_t offset_ = 0;                         // of the next section
  Trailer read_;                                // what the trailer has to say
  std::map<uint32_t, uint64_t> last_sequence_;  // of outputs, by slot
  bool service_seen_ = false;
  bool done_ = false;
  absl::Status status_;
};

absl::StatusOr<std::unique_ptr<FileCheckpointReader>> OpenAt(Disk& disk, std::string path,
                                                             CheckpointId id) {
  // Past every cache: what counts is what the disk has.
  auto file = disk.Open(path, OpenMode::kReadFresh);
  if (!file.ok()) return file.status();
  auto size = (*file)->Size();
  if (!size.ok()) return size.status();
  auto reader =
      std::make_unique<FileCheckpointReader>(std::move(path), FileWindow(*std::move(file), *size));
  if (auto read = reader->ReadHeader(id); !read.ok()) return read;
  return reader;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CheckpointReader>> CheckpointReader::Open(Disk& disk,
                                                                         const std::string& dir,
                                                                         CheckpointId id) {
  return OpenAt(disk, CheckpointPath(dir, id), id);
}

absl::Status VerifyFile(Disk& disk, const std::string& path, CheckpointId id,
                        const std::optional<Written>& expected) {
  auto reader = OpenAt(disk, path, id);
  if (!reader.ok()) return reader.status();
  while (true) {
    auto section = (*reader)->Next();
    if (!section.ok()) return section.status();
    if (!section->has_value()) break;
  }
  if (expected && (*reader)->written() != *expected) {
    return absl::DataLossError(absl::StrCat(
        "checkpoint ", path, ": what was read back is whole but not what was written (",
        (*reader)->written().bytes, " bytes instead of ", expected->bytes,
        "): do not trust this disk"));
  }
  return absl::OkStatus();
}

absl::Status VerifyCheckpoint(Disk& disk, const std::string& dir, CheckpointId id) {
  return VerifyFile(disk, CheckpointPath(dir, id), id, std::nullopt);
}

}  // namespace semper::checkpoint
