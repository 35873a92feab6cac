#include "sidecar/runtime/feeder.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace semper::runtime {

using core::FrameHeader;
using core::Index;

Feeder::Feeder(Disk& disk, Executor& executor, BufferPool& pool, Handler& handler)
    : disk_(disk),
      executor_(executor),
      pool_(pool),
      handler_(handler),
      read_bytes_(pool.chunk_bytes()) {}

Feeder::~Feeder() {
  if (chunk_ != nullptr) BufferPool::Drop(chunk_);
}

void Feeder::SetHistory(std::string dir, log::History history, OpenMode mode,
                        const log::LogPlace& known) {
  dir_ = std::move(dir);
  history_ = std::move(history);
  mode_ = mode;
  known_ = known;
}

void Feeder::Feed(Index after) {
  ++serial_;
  wanted_ = true;
  waiting_ = false;
  after_ = after;
  RunWhenIdle();
}

void Feeder::Stop() {
  ++serial_;
  wanted_ = false;
}

void Feeder::Resume() {
  if (waiting_ && wanted_) RunWhenIdle();
}

void Feeder::RunWhenIdle() {
  if (running_ || !wanted_) return;
  if (!handler_.MayFeed()) {
    waiting_ = true;
    return;
  }
  waiting_ = false;
  running_ = true;
  running_serial_ = serial_;
  read_after_ = after_;
  chunk_ = pool_.Take(std::max(wanted_bytes_, read_bytes_));
  used_ = 0;
  fed_.clear();
  at_end_ = false;
  status_ = absl::OkStatus();
  executor_.Run(Lane::kReader, *this);
}

// Copies the inputs of a record after read_after_; false if the chunk has no room.
bool Feeder::Take(const log::Record& record) {
  size_t bytes = 0;
  for (uint32_t i = 0; i < record.entry_count(); ++i) bytes += record.entry(i).bytes;
  if (used_ + bytes > chunk_->capacity) {
    wanted_bytes_ = std::max(read_bytes_, bytes);
    return false;
  }
  size_t at = static_cast<size_t>(record.entry_count()) * core::kFrameHeaderBytes;
  for (uint32_t i = 0; i < record.entry_count(); ++i) {
    const FrameHeader entry = record.entry(i);
    if (entry.index > Raw(read_after_)) {
      fed_.push_back({entry, used_});
      std::memcpy(chunk_->data() + used_, record.body.data() + at, entry.bytes);
      used_ += entry.bytes;
      reader_at_ = Index{entry.index + entry.count - 1};
    }
    at += entry.bytes;
  }
  return true;
}

absl::Status Feeder::ReadSome() {
  if (!reader_ || reader_at_ != read_after_) {
    held_back_.reset();
    reader_.reset();
    auto reader = log::HistoryReader::Open(disk_, dir_, history_, read_after_, mode_, known_);
    if (!reader.ok()) return reader.status();
    reader_ = *std::move(reader);
    reader_at_ = read_after_;
  }
  if (held_back_) {
    if (!Take(*held_back_)) return absl::InternalError("a record larger than its own size");
    held_back_.reset();
  }
  while (used_ < read_bytes_) {
    auto record = reader_->Next();
    if (!record.ok()) return record.status();
    if (!*record) {
      at_end_ = true;
      return absl::OkStatus();
    }
    if ((*record)->entry_count() == 0) continue;
    if (!Take(**record)) {
      held_back_ = **record;
      return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

void Feeder::Work() { status_ = ReadSome(); }

void Feeder::Done() {
  running_ = false;
  Chunk* chunk = std::exchange(chunk_, nullptr);
  const bool current = wanted_ && running_serial_ == serial_;
  if (!current || !status_.ok()) {
    reader_.reset();  // what it has read beyond the handler's position is not wanted any more
    held_back_.reset();
    BufferPool::Drop(chunk);
    if (!current) return RunWhenIdle();
    wanted_ = false;
    return handler_.OnFeedFailed(status_);
  }
  for (size_t i = 0; i < fed_.size() && wanted_ && running_serial_ == serial_; ++i) {
    const FrameHeader& entry = fed_[i].entry;
    after_ = Index{entry.index + entry.count - 1};
    handler_.OnFed(entry, entry.bytes == 0 ? Buffer() : Buffer(chunk, fed_[i].offset, entry.bytes));
  }
  BufferPool::Drop(chunk);
  if (!wanted_ || running_serial_ != serial_) return;
  if (at_end_ && !held_back_) {
    wanted_ = false;
    return handler_.OnFedAll();  // may call Feed again
  }
  RunWhenIdle();
}

}  // namespace semper::runtime
