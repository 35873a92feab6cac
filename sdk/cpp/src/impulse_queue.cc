#include "sdk/cpp/src/impulse_queue.h"

#include <cstring>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "semper/context.h"
#include "sidecar/core/types.h"

namespace semper {

namespace internal {

ImpulseQueue::ImpulseQueue(size_t outstanding_max, std::function<void()> wake)
    : outstanding_max_(outstanding_max),
      wake_(std::move(wake)),
      engine_thread_(std::this_thread::get_id()) {}

void ImpulseQueue::Adopt() {
  const std::lock_guard lock(mutex_);
  engine_thread_ = std::this_thread::get_id();
}

void ImpulseQueue::Submit(uint32_t kind_word, std::span<const std::byte> prefix,
                          std::span<const std::byte> body, ImpulseCallback done) {
  const size_t bytes = prefix.size() + body.size();
  std::unique_lock lock(mutex_);
  const bool on_engine_thread = std::this_thread::get_id() == engine_thread_;
  if (!on_engine_thread) {
    room_.wait(lock,
               [this] { return phase_ != Phase::kLive || unanswered_.size() < outstanding_max_; });
  }
  Status refusal;
  if (phase_ != Phase::kLive) {
    refusal = Status(Code::kUnavailable,
                     phase_ == Phase::kNotYet
                         ? "impulse refused: the service is not live yet; try again later"
                         : "impulse refused: the link of this service is lost");
  } else if (bytes > message_bytes_max_) {
    refusal =
        Status(Code::kResourceExhausted, "impulse refused: its " + std::to_string(bytes) +
                                             " bytes are above the limit of " +
                                             std::to_string(message_bytes_max_) + " for a message");
  } else if (unanswered_.size() >= outstanding_max_) {
    refusal = Status(Code::kResourceExhausted,
                     "impulse refused: " + std::to_string(unanswered_.size()) +
                         " are unanswered (Options::impulses_outstanding_max), and a "
                         "callback must not wait");
  }
  if (!refusal.ok()) {
    lock.unlock();
    done(refusal);
    return;
  }
  const bool wake = waiting_.empty() && !on_engine_thread;
  Frame& frame = OpenFrame(core::kMessageHeaderBytes + bytes);
  if (frame.count++ == 0) frame.first_token = next_token_;
  ++next_token_;
  const size_t at = frame.payload.size();
  frame.payload.resize(at + core::kMessageHeaderBytes + bytes);
  std::byte* to = frame.payload.data() + at;
  StoreLittle(to, kind_word | static_cast<uint32_t>(bytes));
  to += core::kMessageHeaderBytes;
  if (!prefix.empty()) std::memcpy(to, prefix.data(), prefix.size());
  if (!body.empty()) std::memcpy(to + prefix.size(), body.data(), body.size());
  unanswered_.push_back(std::move(done));
  lock.unlock();
  if (wake) wake_();
}

ImpulseQueue::Frame& ImpulseQueue::OpenFrame(size_t message_bytes) {
  if (waiting_.empty() ||
      waiting_.back().payload.size() + message_bytes > core::kFramePayloadBytesUsual) {
    if (spare_.empty()) {
      waiting_.emplace_back();
    } else {
      waiting_.push_back(std::move(spare_.back()));
      spare_.pop_back();
    }
  }
  return waiting_.back();
}

void ImpulseQueue::Live(uint64_t message_bytes_max) {
  const std::lock_guard lock(mutex_);
  message_bytes_max_ = static_cast<size_t>(message_bytes_max);
  phase_ = Phase::kLive;
}

void ImpulseQueue::Take(const Send& send) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) return;
    std::swap(waiting_, taking_);
    taken_ = next_token_ - 1;
  }
  for (const Frame& frame : taking_) send(frame.first_token, frame.count, frame.payload);
  constexpr size_t kSparesMax = 8;
  const std::lock_guard lock(mutex_);
  for (Frame& frame : taking_) {
    if (spare_.size() == kSparesMax) break;
    if (frame.payload.capacity() > 2 * core::kFramePayloadBytesUsual) continue;
    frame.payload.clear();
    frame.count = 0;
    spare_.push_back(std::move(frame));
  }
  taking_.clear();
}

bool ImpulseQueue::Placed(uint64_t first_token, uint32_t count, uint64_t index) {
  uint64_t taken;
  {
    const std::lock_guard lock(mutex_);
    taken = taken_;
  }
  if (first_token != placed_ + 1 || count > taken - placed_) return false;
  placed_ += count;
  runs_.push_back({count, index});
  return true;
}

void ImpulseQueue::Committed(uint64_t index) {
  if (runs_.empty() || runs_.front().index > index) return;
  {
    const std::lock_guard lock(mutex_);
    while (!runs_.empty() && runs_.front().index <= index) {
      Run& run = runs_.front();
      while (run.count > 0 && run.index <= index) {
        answers_.emplace_back(std::move(unanswered_.front()), run.index);
        unanswered_.pop_front();
        ++run.index;
        --run.count;
      }
      if (run.count > 0) break;
      runs_.pop_front();
    }
  }
  room_.notify_all();
  for (auto& [done, at] : answers_) done(at);
  answers_.clear();
}

void ImpulseQueue::End() {
  std::deque<ImpulseCallback> unanswered;
  size_t sent;
  {
    const std::lock_guard lock(mutex_);
    phase_ = Phase::kEnded;
    std::swap(unanswered, unanswered_);
    sent = unanswered.size() - static_cast<size_t>(next_token_ - 1 - taken_);
    waiting_.clear();
  }
  room_.notify_all();
  const ImpulseResult unknown = Status(
      Code::kUnknown,
      "the link broke before the impulse was known to be committed: it may be in the log or not");
  const ImpulseResult refused =
      Status(Code::kUnavailable, "impulse refused: the link broke before it was sent");
  for (size_t i = 0; i < unanswered.size(); ++i) unanswered[i](i < sent ? unknown : refused);
}

}  // namespace internal

namespace {

constexpr uint32_t kOneWayWord = static_cast<uint32_t>(MessageKind::kOneWay) << 25;

// std::function must be copyable, therefore the promise is shared.
std::pair<std::future<ImpulseResult>, ImpulseCallback> MakeFuture() {
  auto promise = std::make_shared<std::promise<ImpulseResult>>();
  auto future = promise->get_future();
  return {std::move(future),
          [promise](const ImpulseResult& result) { promise->set_value(result); }};
}

}  // namespace

Impulses::Impulses(std::shared_ptr<internal::ImpulseQueue> queue) : queue_(std::move(queue)) {}
Impulses::Impulses(const Impulses&) = default;
Impulses& Impulses::operator=(const Impulses&) = default;
Impulses::~Impulses() = default;

void Impulses::Submit(std::string_view body, ImpulseCallback done) const {
  queue_->Submit(0, {}, AsBytes(body), std::move(done));
}

std::future<ImpulseResult> Impulses::Submit(std::string_view body) const {
  auto [future, done] = MakeFuture();
  Submit(body, std::move(done));
  return std::move(future);
}

void Impulses::SubmitOneWay(uint32_t method_id, const google::protobuf::MessageLite& request,
                            ImpulseCallback done) const {
  std::byte id[4];
  StoreLittle(id, method_id);
  thread_local std::string encoded;
  request.SerializeToString(&encoded);
  queue_->Submit(kOneWayWord, id, AsBytes(encoded), std::move(done));
}

std::future<ImpulseResult> Impulses::SubmitOneWay(
    uint32_t method_id, const google::protobuf::MessageLite& request) const {
  auto [future, done] = MakeFuture();
  SubmitOneWay(method_id, request, std::move(done));
  return std::move(future);
}

}  // namespace semper
