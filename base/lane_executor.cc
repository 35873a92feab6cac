#include "base/lane_executor.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/job_queue.h"

namespace semper {
namespace {

constexpr std::array<const char*, kLaneCount> kLaneNames = {"log-writer", "lookup", "reader",
                                                            "checkpoint", "housekeeping"};

}  // namespace

const char* NameOfLane(Lane lane) { return kLaneNames.at(static_cast<size_t>(lane)); }

struct LaneExecutor::LaneThread {
  std::mutex mutex;
  std::condition_variable wake;
  JobQueue queue;        // guarded by mutex
  bool stop = false;     // guarded by mutex
  bool ended = false;    // guarded by Shared::mutex
  bool started = false;  // loop's thread
  std::jthread thread;
};

// Outlives the executor while a thread is stuck or the loop still has a posted call of it.
struct LaneExecutor::Shared {
  std::array<LaneThread, kLaneCount> lanes;
  std::mutex mutex;
  std::condition_variable lane_ended;
  Loop* loop = nullptr;  // guarded by mutex; null after Stop
  JobQueue done;         // guarded by mutex
  bool posted = false;   // guarded by mutex

  void Work(LaneThread& lane);
  void Finished(Job& job);
  void RunDone();
};

void LaneExecutor::Shared::Work(LaneThread& lane) {
  std::unique_lock lock(lane.mutex);
  while (true) {
    lane.wake.wait(lock, [&] { return lane.stop || !lane.queue.empty(); });
    if (lane.stop) break;
    Job* const job = lane.queue.Pop();
    lock.unlock();
    job->Work();
    Finished(*job);
    lock.lock();
  }
  lock.unlock();
  const std::lock_guard ended_lock(mutex);
  lane.ended = true;
  lane_ended.notify_all();
}

void LaneExecutor::Shared::Finished(Job& job) {
  const std::lock_guard lock(mutex);
  if (loop == nullptr) return;
  done.Push(job);
  // Under the lock, so that the loop cannot go meanwhile. A pointer fits into std::function without
  // an allocation.
  if (!std::exchange(posted, true)) loop->Post([this] { RunDone(); });
}

void LaneExecutor::Shared::RunDone() {
  JobQueue jobs;
  {
    const std::lock_guard lock(mutex);
    posted = false;
    jobs = std::move(done);
  }
  while (Job* const job = jobs.Pop()) {
    job->Done();
    // Done may have stopped the executor: then the rest hears nothing.
    const std::lock_guard lock(mutex);
    if (loop == nullptr) return;
  }
}

LaneExecutor::LaneExecutor(Loop& loop) : shared_(std::make_shared<Shared>()) {
  shared_->loop = &loop;
}

LaneExecutor::~LaneExecutor() { Stop(std::chrono::seconds(1)); }

void LaneExecutor::Run(Lane lane_id, Job& job) {
  LaneThread& lane = shared_->lanes[static_cast<size_t>(lane_id)];
  {
    const std::lock_guard lock(lane.mutex);
    if (lane.stop) return;
    lane.queue.Push(job);
  }
  if (lane.thread.joinable()) {
    lane.wake.notify_one();
    return;
  }
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  lane.started = true;
  lane.thread = std::jthread([shared = shared_, &lane] { shared->Work(lane); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(lane.thread.native_handle(), NameOfLane(lane_id));
}

std::vector<Lane> LaneExecutor::Stop(std::chrono::nanoseconds grace) {
  for (LaneThread& lane : shared_->lanes) {
    const std::lock_guard lock(lane.mutex);
    lane.stop = true;
    lane.queue = JobQueue();
    lane.wake.notify_one();
  }
  std::vector<Lane> stuck;
  std::unique_lock lock(shared_->mutex);
  const auto all_ended = [this] {
    for (const LaneThread& lane : shared_->lanes) {
      if (lane.thread.joinable() && !lane.ended) return false;
    }
    return true;
  };
  shared_->lane_ended.wait_for(lock, grace, all_ended);
  shared_->loop = nullptr;
  shared_->done = JobQueue();
  if (shared_->posted) {
    // The loop's call finds nothing to do, but it must find it.
    static std::mutex& kept_mutex = *new std::mutex;
    static auto& kept = *new std::vector<std::shared_ptr<Shared>>;
    const std::lock_guard kept_lock(kept_mutex);
    kept.push_back(shared_);
  }
  for (size_t i = 0; i < shared_->lanes.size(); ++i) {
    LaneThread& lane = shared_->lanes[i];
    if (lane.thread.joinable() && !lane.ended) {
      stuck.push_back(static_cast<Lane>(i));
      lane.thread.detach();
    }
  }
  lock.unlock();
  for (LaneThread& lane : shared_->lanes) {
    if (lane.thread.joinable()) lane.thread.join();
  }
  return stuck;
}

bool LaneExecutor::Ended() const {
  const std::lock_guard lock(shared_->mutex);
  return std::none_of(shared_->lanes.begin(), shared_->lanes.end(),
                      [](const LaneThread& lane) { return lane.started && !lane.ended; });
}

}  // namespace semper
