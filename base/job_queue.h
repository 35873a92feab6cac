// JobQueue: jobs in a row, linked through themselves, so that queueing allocates nothing.
#pragma once

#include <utility>

#include "base/executor.h"

namespace semper {

// First in, first out. A job is in one queue at most. Not synchronised.
class JobQueue {
 public:
  JobQueue() = default;
  JobQueue(JobQueue&& other) noexcept
      : first_(std::exchange(other.first_, nullptr)), last_(std::exchange(other.last_, nullptr)) {}
  JobQueue& operator=(JobQueue&& other) noexcept {
    first_ = std::exchange(other.first_, nullptr);
    last_ = std::exchange(other.last_, nullptr);
    return *this;
  }

  bool empty() const { return first_ == nullptr; }

  void Push(Job& job) {
    job.next_ = nullptr;
    (first_ == nullptr ? first_ : last_->next_) = &job;
    last_ = &job;
  }

  // The oldest job, or null.
  Job* Pop() {
    Job* const job = first_;
    if (job != nullptr) first_ = std::exchange(job->next_, nullptr);
    return job;
  }

 private:
  Job* first_ = nullptr;
  Job* last_ = nullptr;
};

}  // namespace semper
