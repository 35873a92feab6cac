#include "sidecar/runtime/follower.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sidecar/log/claims.h"
#include "sidecar/runtime/lock_jobs.h"

namespace semper::runtime {

using core::Epoch;
using core::FrameHeader;
using core::Index;

namespace {
// A file that is being written may look damaged for a moment, from another node for longer.
constexpr int kOddLooksMax = 20;
// A leader that is heard says something ten times a second. A connection takes seconds to break.
constexpr std::chrono::milliseconds kHeardFor{250};
}  // namespace

Follower::Follower(Loop& loop, Disk& disk, Executor& executor, BufferPool& pool, Handler& handler)
    : loop_(loop),
      disk_(disk),
      executor_(executor),
      pool_(pool),
      handler_(handler),
      read_bytes_(pool.chunk_bytes()) {}

Follower::~Follower() {
  if (chunk_ != nullptr) BufferPool::Drop(chunk_);
}

void Follower::SetPlace(Place place) { place_ = std::move(place); }

void Follower::Follow(Index after) {
  wanted_ = true;
  paused_ = false;
  after_ = after;
  RunWhenIdle();
}

void Follower::Pause() {
  paused_ = true;
  timer_.reset();
  if (running_) return;
  // Not from inside the caller's event.
  timer_ = loop_.After(std::chrono::nanoseconds(0), [this] {
    if (paused_ && wanted_) handler_.OnFollowPaused(false);
  });
}

void Follower::Stop() {
  wanted_ = paused_ = false;
  timer_.reset();
}

void Follower::Resume() {
  if (waiting_) RunWhenIdle();
}

void Follower::Tell(Epoch epoch, uint64_t batches) {
  heard_ = loop_.Monotonic();
  if (epoch < told_epoch_ || (epoch == told_epoch_ && batches <= told_batches_)) return;
  told_epoch_ = epoch;
  told_batches_ = batches;
  told_progress_ = true;
  again_ = true;
  RunWhenIdle();
}

void Follower::SetConnected(bool connected) {
  if (connected) heard_ = loop_.Monotonic();
  if (connected_ == connected) return;
  connected_ = connected;
  again_ = true;
  outdated_ = running_;
  RunWhenIdle();
}

void Follower::LookLater() {
  const auto wait = connected_ ? place_.poll_connected : place_.poll_alone;
  timer_ = loop_.After(wait, [this] {
    timer_.reset();
    if (running_ || !wanted_ || paused_) return;
    waiting_ = !handler_.MayFeed();
    Run();
  });
}

void Follower::RunWhenIdle() {
  if (running_ || !wanted_ || paused_) return;
  if (odd_looks_ > 0 && timer_) return;  // not as often as something is told
  waiting_ = !handler_.MayFeed();
  if (!waiting_) return Run();
  if (!timer_) LookLater();
}

void Follower::Run() {
  timer_.reset();
  running_ = true;
  feeds_ = !waiting_;
  again_ = outdated_ = false;
  read_after_ = after_;
  job_epoch_ = told_epoch_;
  job_batches_ = told_batches_;
  const std::chrono::nanoseconds now = loop_.Monotonic();
  job_connected_ = connected_;
  job_heard_ = connected_ && now - heard_ <= kHeardFor;
  read_claims_ = !connected_ || now - claims_read_ >= place_.poll_connected;
  if (read_claims_) claims_read_ = now;
  chunk_ = pool_.Take(std::max(wanted_bytes_, read_bytes_));
  used_ = 0;
  fed_.clear();
  at_end_ = false;
  executor_.Run(Lane::kReader, *this);
}

// Copies the inputs of a record after read_after_; false if the chunk has no room.
bool Follower::Take(const log::Record& record) {
  size_t bytes = 0;
  for (uint32_t i = 0; i < record.entry_count(); ++i) bytes += record.entry(i).bytes;
  if (used_ + bytes > chunk_->capacity) {
    wanted_bytes_ = std::max(read_bytes_, bytes);
    return false;
  }
  const size_t before = fed_.size();
  size_t at = static_cast<size_t>(record.entry_count()) * core::kFrameHeaderBytes;
  for (uint32_t i = 0; i < record.entry_count(); ++i) {
    const FrameHeader entry = record.entry(i);
    if (entry.index > Raw(read_after_)) {
      fed_.push_back({.entry = entry, .offset = used_});
      std::memcpy(chunk_->data() + used_, record.body.data() + at, entry.bytes);
      used_ += entry.bytes;
      reader_at_ = Index{entry.index + entry.count - 1};
    }
    at += entry.bytes;
  }
  applied_chain_ = record.header.chain;
  has_chain_ = true;
  if (fed_.size() == before) return true;
  Fed& last = fed_.back();
  last.ends_record = true;
  last.epoch = record.header.origin_epoch;
  last.batch = Raw(record.header.batch);
  last.chain = record.header.chain;
  return true;
}

absl::Status Follower::OpenReader() {
  held_back_.reset();
  auto reader =
      log::HistoryReader::Open(disk_, place_.dir, place_.history, read_after_, place_.mode);
  if (!reader.ok()) return reader.status();
  reader_ = *std::move(reader);
  reader_at_ = read_after_;
  return absl::OkStatus();
}

// How far the newest range may be applied: stated_.committed.
absl::Status Follower::LearnCommitted() {
  const log::EpochRange& newest = place_.history.ranges.back();
  const bool begins = !lookout_ || lookout_->epoch() != newest.epoch;
  if (begins) {
    // It begins where the reader is, or at the newest epoch's beginning while that is behind.
    log::LogPlace begin = reader_->place();
    if (begin.epoch != newest.epoch) begin = {.epoch = newest.epoch, .nonce = newest.nonce};
    lookout_ = std::make_unique<log::Lookout>(disk_, place_.dir, begin, place_.mode);
    // Its seal is committed, or this were not the history.
    stated_ = {.committed = std::max<uint64_t>(1, begin.next_batch), .seen = begin.next_batch};
  }
  const bool told = job_epoch_ == newest.epoch;
  if (told) stated_.committed = std::max(stated_.committed, job_batches_);
  if (told && job_heard_) {
    lookout_.reset();  // without the stream it begins where the reader will be then
    return absl::OkStatus();
  }
  // What it finds first may be of before the leader fell silent.
  const bool news = !(begins && told && job_connected_);
  auto stated = lookout_->Look();
  // A range that begins behind a retained segment is looked at from the reader's place, later.
  if (absl::IsNotFound(stated.status()) && !reader_->in_newest_range()) {
    lookout_.reset();
    return absl::OkStatus();
  }
  if (!stated.ok()) return stated.status();
  if (news && (stated->seen > stated_.seen || stated->committed > stated_.committed))
    progressed_ = true;
  stated_.seen = std::max(stated_.seen, stated->seen);
  stated_.committed = std::max(stated_.committed, stated->committed);
  return absl::OkStatus();
}

// True: there is a newer history, and the reader goes on in it.
absl::StatusOr<bool> Follower::EnterNewerHistory() {
  const Epoch present =
      place_.history.ranges.empty() ? Epoch{} : place_.history.ranges.back().epoch;
  const bool told = job_epoch_ > present;
  if (!read_claims_ && !told) return false;
  auto newest = log::NewestClaim(disk_, place_.dir, newest_claim_);
  if (!newest.ok()) return newest.status();
  newest_claim_ = *newest;
  if (newest_claim_ <= present) return false;
  auto history = log::ResolveCommitted(disk_, place_.dir, newest_claim_ + 1, job_epoch_);
  if (!history.ok()) return history.status();
  if (!*history || (*history)->ranges.back().epoch <= present) return false;
  progressed_ = true;
  place_.history = **std::move(history);
  lookout_.reset();
  if (reader_ && reader_->Continue(place_.history).ok()) return true;
  // The epoch that was read is void now, and what of it was committed is in the newer one's copies.
  if (has_chain_ && Raw(reader_at_) != 0) {
    auto chain = log::ChainAt(disk_, place_.dir, place_.history, reader_at_);
    if (!chain.ok() && !absl::IsNotFound(chain.status())) return chain.status();
    if (chain.ok() && *chain != applied_chain_) {
      return absl::AbortedError(absl::StrCat("epoch ", Raw(place_.history.ranges.back().epoch),
                                             " has another history before index ", Raw(reader_at_),
                                             " than this standby applied"));
    }
  }
  reader_.reset();
  held_back_.reset();
  return true;
}

// For a service that takes nothing now: does the log move, and has somebody claimed?
absl::Status Follower::LookOnly() {
  at_end_ = true;
  if (!place_.history.ranges.empty()) {
    if (!reader_ || reader_at_ != read_after_) {
      if (absl::Status s = OpenReader(); !s.ok()) return s;
    }
    if (absl::Status s = LearnCommitted(); !s.ok()) return s;
  }
  return EnterNewerHistory().status();
}

absl::Status Follower::ReadSome() {
  if (!feeds_) return LookOnly();
  while (true) {
    if (!place_.history.ranges.empty()) {
      if (!reader_ || reader_at_ != read_after_) {
        if (fed_.empty()) {
          if (absl::Status s = OpenReader(); !s.ok()) return s;
        }
      }
      if (held_back_) {
        if (!Take(*held_back_)) return absl::OkStatus();
        held_back_.reset();
        wanted_bytes_ = 0;
      }
      if (absl::Status s = LearnCommitted(); !s.ok()) return s;
      reader_->StopAt(stated_.committed);
      while (used_ < read_bytes_) {
        auto record = reader_->Next();
        if (!record.ok()) return record.status();
        if (!*record) {
          const bool is_missing = reader_->next_batch() < stated_.committed;
          if (reader_->in_newest_range() && is_missing) ahead_ = true;
          break;
        }
        // What the lookout has seen before is no news, though the reader comes to it only now.
        if (!lookout_) progressed_ = true;
        if ((*record)->entry_count() == 0) continue;
        if (!Take(**record)) {
          held_back_ = **record;
          return absl::OkStatus();
        }
      }
      if (used_ >= read_bytes_) return absl::OkStatus();
    }
    read_after_ = std::max(read_after_, reader_at_);
    auto entered = EnterNewerHistory();
    if (!entered.ok()) return entered.status();
    if (!*entered) break;
    if (!fed_.empty() && !reader_) return absl::OkStatus();  // hand over first
  }
  at_end_ = true;
  return absl::OkStatus();
}

void Follower::Work() {
  status_ = ReadSome();
  if (!absl::IsDataLoss(status_)) {
    odd_looks_ = 0;
  } else if (++odd_looks_ < kOddLooksMax) {
    reader_.reset();
    lookout_.reset();
    held_back_.reset();
    status_ = absl::OkStatus();
    at_end_ = true;
  }
}

// What was read, in a chunk of its size: a service that is behind would else keep a whole one for
// every few bytes.
Chunk* Follower::FittingChunk() {
  Chunk* const chunk = std::exchange(chunk_, nullptr);
  if (used_ > chunk->capacity / 4) return chunk;
  Chunk* const fitting = pool_.Take(used_);
  std::memcpy(fitting->data(), chunk->data(), used_);
  BufferPool::Drop(chunk);
  return fitting;
}

void Follower::Done() {
  running_ = false;
  Chunk* chunk = FittingChunk();
  for (size_t i = 0; i < fed_.size() && wanted_; ++i) {
    const Fed& fed = fed_[i];
    after_ = Index{fed.entry.index + fed.entry.count - 1};
    handler_.OnFed(fed.entry,
                   fed.entry.bytes == 0 ? Buffer() : Buffer(chunk, fed.offset, fed.entry.bytes));
    if (fed.ends_record && wanted_) handler_.OnRecordFollowed(fed.epoch, fed.batch, fed.chain);
  }
  BufferPool::Drop(chunk);
  if (!wanted_) return;
  if (!status_.ok()) {
    wanted_ = false;
    return handler_.OnFollowFailed(status_);
  }
  // A leader that commits is one, also where this member's view of the files is old.
  const bool progressed = progressed_ || told_progress_;
  if (paused_) {
    progressed_ = told_progress_ = false;
    return handler_.OnFollowPaused(progressed);
  }
  if (!at_end_) return RunWhenIdle();
  // What looks odd is looked at again after a while, not as fast as the disk allows.
  const bool told_more = again_ && odd_looks_ == 0;
  if (!told_more) LookLater();
  // A look from before the stream broke stopped at what the leader had said. The next one, which
  // begins now, finds more in the files; that is no sign that the leader lives.
  if (!outdated_) {
    progressed_ = told_progress_ = false;
    handler_.OnFollowed(newest_claim_, progressed);
  }
  if (told_more) RunWhenIdle();
}

log::LogPlace Follower::KnownPlace() const {
  return reader_ && reader_->in_newest_range() ? reader_->place() : log::LogPlace{};
}

absl::StatusOr<uint64_t> Follower::ReadToEnd(const log::History& history,
                                             core::ReplicatedState& state) {
  lookout_.reset();
  uint64_t inputs = 0;
  if (held_back_) {  // committed, and its bytes are the reader's until it moves
    auto applied = ApplyRecord(*held_back_, state);
    if (!applied.ok()) return applied;
    inputs = *applied;
    reader_at_ = state.index();
    applied_chain_ = held_back_->header.chain;
    has_chain_ = true;
    held_back_.reset();
  }
  if (!reader_ || reader_at_ != state.index() || !reader_->Continue(history).ok()) {
    if (has_chain_ && Raw(state.index()) != 0 && reader_at_ == state.index()) {
      auto chain = log::ChainAt(disk_, place_.dir, history, state.index());
      if (!chain.ok()) return chain.status();
      if (*chain != applied_chain_) {
        return absl::FailedPreconditionError(
            absl::StrCat("the log's history before index ", Raw(state.index()),
                         " is another one than this standby applied"));
      }
    }
    auto reader = log::HistoryReader::Open(disk_, place_.dir, history, state.index(), place_.mode);
    if (!reader.ok()) return reader.status();
    reader_ = *std::move(reader);
  }
  auto applied = ApplyToEnd(*reader_, state);
  if (!applied.ok()) return applied;
  reader_.reset();
  return inputs + *applied;
}

}  // namespace semper::runtime
