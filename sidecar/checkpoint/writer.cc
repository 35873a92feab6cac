#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/check.h"
#include "sidecar/checkpoint/checkpoint.h"
#include "sidecar/checkpoint/format.h"
#include "sidecar/checkpoint/verify.h"

namespace semper::checkpoint {
namespace {

// What is smaller than kGatherBytes is copied into the staging buffer; what is larger goes to the
// file from where it lies, together with what is staged.
constexpr size_t kStagingBytes = 1 << 20;
constexpr size_t kGatherBytes = 128 << 10;

class FileCheckpointWriter final : public CheckpointWriter {
 public:
  FileCheckpointWriter(Disk& disk, std::string dir, CheckpointId id, std::string temporary,
                       std::unique_ptr<File> file)
      : disk_(disk),
        dir_(std::move(dir)),
        id_(id),
        temporary_(std::move(temporary)),
        file_(std::move(file)) {
    staging_.reserve(kStagingBytes);
  }

  absl::Status WriteHeader(std::span<const std::byte> header) {
    Stage(header);
    return status_;
  }

  absl::Status AddOutput(const core::FrameHeader& frame,
                         std::span<const std::byte> payload) override {
    CheckOpen();
    SEMPER_CHECK(frame.bytes == payload.size() && payload.size() <= core::kFramePayloadBytesMax,
                 "an output of a checkpoint states the length of its payload, within the limit");
    std::array<std::byte, core::kFrameHeaderBytes> head;
    core::FrameHeader{.bytes = frame.bytes,
                      .count = frame.count,
                      .first_sequence = frame.first_sequence,
                      .slot = frame.slot,
                      .crc = frame.crc,
                      .kind = core::FrameKind::kOutput}
        .Encode(head.data());
    // The payload was checked when it was received; its bytes are not passed over again here.
    // Should they have changed since, Finish finds out.
    const uint32_t crc = Crc32cCombine(Crc32c(0, head), frame.crc, payload.size());
    AddSection(SectionKind::kOutput, crc, head, payload);
    return status_;
  }

  absl::Status SetService(const v1::ServiceCheckpoint& service) override {
    CheckOpen();
    SEMPER_CHECK(!service_set_, "the service of a checkpoint is set once");
    service_set_ = true;
    std::string bytes;
    if (!service.SerializeToString(&bytes) || bytes.size() > kServiceBytesMax) {
      return Fail(absl::InvalidArgumentError(
          absl::StrCat("checkpoint ", temporary_, ": the service's description takes ",
                       service.ByteSizeLong(), " bytes (at most ", kServiceBytesMax, ")")));
    }
    AddSection(SectionKind::kService, Crc32c(0, AsBytes(bytes)), {}, AsBytes(bytes));
    return status_;
  }

  absl::Status AddChunk(std::span<const std::byte> chunk) override {
    CheckOpen();
    SEMPER_CHECK(service_set_, "a checkpoint's service is set before its first chunk");
    while (!chunk.empty() && status_.ok()) {
      const auto piece = chunk.first(std::min(chunk.size(), kChunkBytesMax));
      chunk = chunk.subspan(piece.size());
      const uint32_t crc = Crc32c(0, piece);
      trailer_.state_crc = Crc32cCombine(trailer_.state_crc, crc, piece.size());
      trailer_.state_bytes += piece.size();
      AddSection(SectionKind::kChunk, crc, {}, piece);
    }
    return status_;
  }

  absl::Status Finish() override {
    CheckOpen();
    SEMPER_CHECK(service_set_, "a checkpoint without a service is not finished");
    std::array<std::byte, kTrailerBytes> bytes;
    trailer_.Encode(bytes.data());
    const Trailer written = trailer_;
    AddSection(SectionKind::kTrailer, Crc32c(0, bytes), {}, bytes);
    Flush({});
    if (status_.ok()) status_ = file_->Sync();
    file_.reset();
    const Written all{.bytes = offset_, .trailer = written};
    if (status_.ok()) status_ = VerifyFile(disk_, temporary_, id_, all);
    finished_ = status_.ok();
    return status_;
  }

  absl::Status Publish() override {
    SEMPER_CHECK(finished_, "only a finished checkpoint is published");
    // A crash between the two leaves the temporary name or the published one: both are whole files.
    if (status_.ok()) status_ = disk_.Rename(temporary_, CheckpointPath(dir_, id_));
    if (status_.ok()) status_ = disk_.SyncDir(CheckpointFolder(dir_));
    return status_;
  }

  void Discard() override {
    file_.reset();
    disk_.Remove(temporary_).IgnoreError();
  }

  uint64_t bytes() const override { return offset_ + staging_.size(); }

 private:
  void CheckOpen() const {
    SEMPER_CHECK(!finished_, "nothing is added to a checkpoint after Finish");
  }

  absl::Status Fail(absl::Status why) {
    if (status_.ok()) status_ = std::move(why);
    return status_;
  }

  void AddSection(SectionKind kind, uint32_t crc, std::span<const std::byte> head,
                  std::span<const std::byte> bytes) {
    if (!status_.ok()) return;
    std::array<std::byte, kSectionHeaderBytes> header;
    SectionHeader{
        .kind = kind, .length = static_cast<uint32_t>(head.size() + bytes.size()), .crc = crc}
        .Encode(header.data());
    if (kind != SectionKind::kTrailer) ++trailer_.sections;
    Stage(header);
    Stage(head);
    if (bytes.size() < kGatherBytes) {
      Stage(bytes);
    } else {
      Flush(bytes);
    }
  }

  void Stage(std::span<const std::byte> bytes) {
    while (!bytes.empty() && status_.ok()) {
      const auto part = bytes.first(std::min(bytes.size(), kStagingBytes - staging_.size()));
      staging_.insert(staging_.end(), part.begin(), part.end());
      bytes = bytes.subspan(part.size());
      if (staging_.size() == kStagingBytes) Flush({});
    }
  }

  // Writes what is staged, then `more`.
  void Flush(std::span<const std::byte> more) {
    if (!status_.ok()) return;
    std::array<iovec, 2> pieces;
    size_t count = 0;
    if (!staging_.empty()) pieces[count++] = {staging_.data(), staging_.size()};
    if (!more.empty()) pieces[count++] = {const_cast<std::byte*>(more.data()), more.size()};
    if (count == 0) return;
    status_ = file_->WriteAt(offset_, std::span(pieces).first(count));
    offset_ += staging_.size() + more.size();
    staging_.clear();
  }

  Disk& disk_;
  const std::string dir_;
  const CheckpointId id_;
  const std::string temporary_;
  std::unique_ptr<File> file_;
  absl::Status status_;  // after the first error nothing is written any more
  std::vector<std::byte> staging_;
  uint64_t offset_ = 0;  // in the file, of staging_
  Trailer trailer_;
  bool service_set_ = false;
  bool finished_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<CheckpointWriter>> CheckpointWriter::Create(
    Disk& disk, const std::string& dir, const CheckpointHeader& header, uint64_t random) {
  auto bytes = EncodeHeader(header);
  if (!bytes.ok()) return bytes.status();
  std::string path = absl::StrCat(CheckpointFolder(dir), "/", TemporaryName(header.id, random));
  auto file = disk.Open(path, OpenMode::kCreateExclusive);
  if (!file.ok()) return file.status();
  auto writer = std::make_unique<FileCheckpointWriter>(disk, dir, header.id, std::move(path),
                                                       *std::move(file));
  if (auto written = writer->WriteHeader(*bytes); !written.ok()) return written;
  return writer;
}

}  // namespace semper::checkpoint
