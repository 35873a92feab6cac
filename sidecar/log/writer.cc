#include "sidecar/log/writer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "sidecar/log/recycling.h"
#include "sidecar/log/segment.h"

namespace semper::log {
namespace {

constexpr uint32_t kLocalAlignment = 64;
constexpr uint32_t kSharedAlignment = 4096;
constexpr uint64_t kLocalFirstBytes = 256u << 10;  // segment 0 of the local profile
constexpr uint64_t kLocalSecondBytes = 4u << 20;   // segment 1; then four times as much each

constexpr std::byte kZeroes[kSharedAlignment] = {};

iovec Piece(const std::byte* data, size_t length) {
  return {.iov_base = const_cast<std::byte*>(data), .iov_len = length};
}

// splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
uint32_t SegmentId(uint64_t random, uint64_t number) {
  uint64_t z = random + (number + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return static_cast<uint32_t>((z ^ (z >> 31)) >> 32);
}

}  // namespace

absl::Status ReplacedError(const std::string& what) {
  return absl::OutOfRangeError(
      absl::StrCat(what,
                   ": the log directory, or files in it, were replaced under a running member. "
                   "What was confirmed is in the files that were there before: put them back and "
                   "start all members again"));
}

uint32_t LogWriter::alignment() const {
  return options_.profile == Profile::kLocal ? kLocalAlignment : kSharedAlignment;
}

uint64_t LogWriter::TargetBytes(uint64_t number) const {
  if (options_.profile == Profile::kShared) return options_.segment_bytes;
  uint64_t bytes = number == 0 ? kLocalFirstBytes : kLocalSecondBytes;
  for (uint64_t n = 1; n < number && bytes < options_.segment_bytes; ++n) bytes *= 4;
  return std::min(bytes, options_.segment_bytes);
}

std::string LogWriter::Path(uint64_t number) const {
  return SegmentName{epoch_, nonce_, number}.Path(options_.dir);
}

absl::Status LogWriter::Fail(const absl::Status& why, std::string_view what) {
  status_ = absl::Status(
      why.code(),
      absl::StrCat("log of epoch ", Raw(epoch_), ": ", absl::string_view(what.data(), what.size()),
                   " ", Path(number_), " at offset ", offset_, " failed: ", why.message()));
  return status_;
}

absl::StatusOr<std::unique_ptr<LogWriter>> LogWriter::Start(Disk& disk, LogOptions options,
                                                            core::Epoch epoch, uint64_t nonce,
                                                            core::Index next, const Chain& chain,
                                                            uint64_t random) {
  SEMPER_CHECK(options.segment_bytes > kSegmentHeaderBytes, "segments of ", options.segment_bytes,
               " bytes");
  std::unique_ptr<LogWriter> writer(new LogWriter(disk, std::move(options), epoch, nonce, random));
  writer->next_index_ = next;
  writer->chain_ = chain;
  if (absl::Status s = writer->BeginSegment(nullptr); !s.ok()) return s;
  return writer;
}

// Begins segment number_ in `spare`, or in a new file. A crash in here leaves a file without a
// valid header and nothing behind it, which counts as never used; after it, a segment that begins
// where history ends.
absl::Status LogWriter::BeginSegment(std::unique_ptr<File> spare) {
  const bool is_new = spare == nullptr;
  offset_ = 0;
  if (is_new) {
    auto created = disk_.Open(Path(number_), OpenMode::kCreateExclusive);
    if (!created.ok()) return Fail(created.status(), "creating segment");
    spare = *std::move(created);
  }
  auto identity = spare->Identity();
  if (!identity.ok()) return Fail(identity.status(), "identifying segment");
  file_ = std::move(spare);
  {
    // Before its header is there, after which retention may remove the segment before.
    auto place = std::make_shared<const Place>(Place{Path(number_), *identity});
    std::lock_guard lock(mutex_);
    place_ = std::move(place);
  }
  segment_id_ = SegmentId(random_, number_);
  const SegmentHeader header{.incarnation = options_.incarnation,
                             .epoch = epoch_,
                             .nonce = nonce_,
                             .number = number_,
                             .segment_id = segment_id_,
                             .alignment = alignment(),
                             .first_batch = next_batch_,
                             .next_index = next_index_,
                             .chain = chain_,
                             .seal = seal_,
                             .name = options_.name};
  std::vector<std::byte> bytes(kSegmentHeaderBytes);
  header.Encode(bytes.data());
  iovec piece = Piece(bytes.data(), bytes.size());
  if (absl::Status s = file_->WriteAt(0, {&piece, 1}); !s.ok())
    return Fail(s, "writing the header of");
  if (absl::Status s = file_->Sync(); !s.ok()) return Fail(s, "syncing the header of");
  if (is_new) {
    if (absl::Status s = disk_.SyncDir(absl::StrCat(options_.dir, "/log")); !s.ok()) {
      return Fail(s, "syncing the directory of");
    }
    // At the start of an epoch no other thread syncs.
    if (absl::Status s = number_ > 0 ? CheckListed(number_) : absl::OkStatus(); !s.ok())
      return Fail(s, "looking for the name of");
  }
  offset_ = kSegmentHeaderBytes;
  bytes_written_.fetch_add(kSegmentHeaderBytes, std::memory_order_relaxed);
  return absl::OkStatus();
}

// Goes on in the next segment; stays where it is while that one is being prepared.
absl::Status LogWriter::Roll() {
  {
    std::lock_guard lock(mutex_);
    if (spare_ == Spare::kPreparing) return absl::OkStatus();
  }
  if (absl::Status s = SyncFile(); !s.ok()) return s;
  std::unique_ptr<File> spare;
  {
    std::lock_guard lock(mutex_);
    if (spare_ == Spare::kPreparing) return absl::OkStatus();  // it began while we synced
    spare = std::move(spare_file_);
    spare_ = Spare::kNone;
    ++number_;
    SEMPER_CHECK(number_ <= UINT32_MAX, "segment numbers are used up");
  }
  return BeginSegment(std::move(spare));
}

absl::Status LogWriter::WriteRecord(RecordHeader& header, std::vector<iovec>& gather) {
  SEMPER_CHECK(header.first_index == next_index_ && header.ChainAfter(chain_) == header.chain,
               "the record of batch ", Raw(header.batch), " does not continue the log");
  const uint64_t unpadded = kRecordHeaderBytes + header.body_bytes;
  header.padding = static_cast<uint32_t>((alignment() - unpadded % alignment()) % alignment());
  const uint64_t bytes = unpadded + header.padding;
  if (offset_ > kSegmentHeaderBytes && offset_ + bytes > TargetBytes(number_)) {
    if (absl::Status s = Roll(); !s.ok()) return s;
  }
  std::byte encoded[kRecordHeaderBytes];
  header.Encode(encoded, segment_id_);
  gather[0] = Piece(encoded, kRecordHeaderBytes);
  if (header.padding > 0) gather.push_back(Piece(kZeroes, header.padding));
  unsynced_ = true;
  if (absl::Status s = file_->WriteAt(offset_, gather); !s.ok()) {
    return Fail(s, "writing a record to");
  }
  offset_ += bytes;
  bytes_written_.fetch_add(bytes, std::memory_order_relaxed);
  chain_ = header.chain;
  next_index_ = next_index_ + header.inputs;
  return absl::OkStatus();
}

absl::Status LogWriter::SyncFile() {
  if (!unsynced_) return absl::OkStatus();
  if (absl::Status s = file_->Sync(); !s.ok()) return Fail(s, "syncing");
  unsynced_ = false;
  return absl::OkStatus();
}

absl::Status LogWriter::Copy(const RecordHeader& header, std::span<const std::byte> body) {
  if (!status_.ok()) return status_;
  SEMPER_CHECK(
      !seal_.has_value() && header.origin_epoch < epoch_ && body.size() == header.body_bytes,
      "a copy of batch ", Raw(header.batch), " of epoch ", Raw(header.origin_epoch), " into epoch ",
      Raw(epoch_));
  RecordHeader copy = header;
  copy.durable = 0;
  copy.committed = 0;
  copy.copied = true;
  gather_.assign({iovec{}, Piece(body.data(), body.size())});
  if (absl::Status s = WriteRecord(copy, gather_); !s.ok()) return s;
  ++copied_records_;
  return absl::OkStatus();
}

absl::StatusOr<RecordHeader> LogWriter::WriteSeal(const Seal& seal) {
  if (!status_.ok()) return status_;
  SEMPER_CHECK(!seal_.has_value() && seal.epoch == epoch_ && seal.nonce == nonce_ &&
                   seal.copied_records == copied_records_ && seal.copied_chain == chain_ &&
                   seal.last_index + 1 == next_index_,
               "the seal of epoch ", Raw(epoch_), " does not say what was copied");
  if (absl::Status s = SyncFile(); !s.ok()) return s;
  std::byte body[kSealBodyBytes];
  seal.Encode(body);
  RecordHeader header{.kind = RecordKind::kSeal,
                      .origin_epoch = epoch_,
                      .batch = core::Batch{0},
                      .first_index = next_index_,
                      .body_bytes = kSealBodyBytes,
                      .body_crc = Crc32c(0, body)};
  header.chain = header.ChainAfter(chain_);
  gather_.assign({iovec{}, Piece(body, kSealBodyBytes)});
  if (absl::Status s = WriteRecord(header, gather_); !s.ok()) return s;
  if (absl::Status s = SyncFile(); !s.ok()) return s;
  seal_ = seal;
  next_batch_ = 1;
  return header;
}

absl::Status LogWriter::Append(Unit& unit) {
  if (!status_.ok()) return status_;
  RecordHeader& header = unit.header_;
  SEMPER_CHECK(unit.closed_ && seal_.has_value() && header.origin_epoch == epoch_ &&
                   Raw(header.batch) == next_batch_,
               "appending batch ", Raw(header.batch), " of epoch ", Raw(header.origin_epoch),
               " where batch ", next_batch_, " of epoch ", Raw(epoch_), " belongs");
  if (absl::Status s = SyncFile(); !s.ok()) return s;
  std::vector<iovec>& gather = unit.gather_;
  gather.clear();
  gather.push_back({});
  if (unit.entries_bytes_ > 0) gather.push_back(Piece(unit.entries_.data(), unit.entries_bytes_));
  for (const Unit::Piece& piece : unit.pieces_) {
    const std::byte* data = piece.data != nullptr ? piece.data : unit.small_.data() + piece.offset;
    gather.push_back(Piece(data, piece.length));
  }
  if (absl::Status s = WriteRecord(header, gather); !s.ok()) return s;
  ++next_batch_;
  return absl::OkStatus();
}

absl::Status LogWriter::Sync() {
  if (!status_.ok()) return status_;
  return SyncFile();
}

std::shared_ptr<const LogWriter::Place> LogWriter::place() const {
  std::lock_guard lock(mutex_);
  return place_;
}

// Why `place`, which was written to, is not `found` there; `found` is another file, or none.
absl::Status LogWriter::NotShown(const Place& place,
                                 const absl::StatusOr<FileIdentity>& found) const {
  const std::string written = absl::StrCat(" the one that epoch ", Raw(epoch_), " writes to");
  if (found.ok() && found->device == place.identity.device)
    return ReplacedError(absl::StrCat(place.path, " is another file than", written));
  // What another mount shows may be the same file.
  if (found.ok())
    return absl::UnavailableError(
        absl::StrCat(place.path, " is on another file system than", written));
  // A directory that is not there, or cannot be read, is a matter of the volume.
  const auto listed = IsListed(disk_, options_.dir, place.path.substr(place.path.rfind('/') + 1));
  if (!listed.ok()) return listed.status();
  if (*listed) return absl::UnavailableError(absl::StrCat(place.path, " is listed, but not found"));
  return ReplacedError(absl::StrCat(place.path, " is gone, which is", written));
}

absl::StatusOr<core::Epoch> LogWriter::LookUp() const {
  std::shared_ptr<const Place> place;
  absl::StatusOr<FileIdentity> found = FileIdentity{};
  bool shown = false;
  // While one hangs the log may go on in the next segment, and that one be removed.
  for (auto now = this->place(); !shown && now != place; now = this->place()) {
    place = std::move(now);
    found = disk_.Identify(place->path);
    if (!found.ok() && !absl::IsNotFound(found.status())) return found.status();
    shown = found.ok() && *found == place->identity;
  }
  auto newest = look_up_(disk_);
  // Who leads now may have removed it.
  if (shown || !newest.ok() || *newest > epoch_) return newest;
  return NotShown(*place, found);
}

bool LogWriter::WantsSpare() const {
  if (!status_.ok()) return false;
  std::lock_guard lock(mutex_);
  if (spare_ != Spare::kNone) return false;
  return offset_ >= TargetBytes(number_) / 2 ||
         (number_ == 0 && options_.profile == Profile::kLocal);
}

// After its directory was synced: a restart of the volume's server may have taken the name back,
// and the error of that may have been told to the sync of another thread.
absl::Status LogWriter::CheckListed(uint64_t number) const {
  const SegmentName name{epoch_, nonce_, number};
  const auto listed = IsListed(disk_, options_.dir, name.File());
  if (!listed.ok()) return listed.status();
  if (*listed) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(name.Path(options_.dir),
                                             " was made, and is not there: a "
                                             "server of the volume has restarted meanwhile"));
}

absl::Status LogWriter::PrepareSpare() {
  uint64_t number = 0;
  {
    std::lock_guard lock(mutex_);
    if (spare_ == Spare::kPreparing || spare_ == Spare::kReady) return absl::OkStatus();
    spare_ = Spare::kPreparing;
    number = number_ + 1;
  }
  const std::string path = Path(number);
  const bool local = options_.profile == Profile::kLocal;
  absl::StatusOr<std::unique_ptr<File>> file = absl::NotFoundError("");
  if (local) file = Reuse(disk_, options_.dir, epoch_, nonce_, TargetBytes(number), path);
  absl::Status status = file.status();
  if (absl::IsNotFound(status)) {
    file = disk_.Open(path, OpenMode::kCreateExclusive);
    status = file.status();
    if (status.ok() && local) status = (*file)->Prewrite(TargetBytes(number));
    if (status.ok()) status = disk_.SyncDir(absl::StrCat(options_.dir, "/log"));
  }
  if (status.ok()) status = CheckListed(number);
  if (!status.ok() && file.ok()) {
    // Its name is needed again. If it stays, Append fails on it and the epoch ends: nothing else is
    // lost.
    file->reset();
    disk_.Remove(path).IgnoreError();
  }
  std::lock_guard lock(mutex_);
  spare_ = status.ok() ? Spare::kReady : Spare::kFailed;
  if (status.ok()) spare_file_ = *std::move(file);
  return status;
}

}  // namespace semper::log
