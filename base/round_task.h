// RoundTask: what its owner does at the end of the current round of the loop, once, however often
// it was planned. Planning allocates nothing, and destroying the task cancels it. Loop's thread
// only.
#pragma once

#include <functional>
#include <utility>

namespace semper {

class RoundTask {
 public:
  explicit RoundTask(std::function<void()> f) : f_(std::move(f)) {}
  ~RoundTask() { Unlink(); }
  RoundTask(const RoundTask&) = delete;
  RoundTask& operator=(const RoundTask&) = delete;

 private:
  friend class RoundTasks;

  void Unlink() {
    if (next_ == nullptr) return;
    prev_->next_ = next_;
    next_->prev_ = prev_;
    next_ = prev_ = nullptr;
  }

  const std::function<void()> f_;
  RoundTask* prev_ = nullptr;
  RoundTask* next_ = nullptr;  // null: not planned
};

// The planned tasks of a loop, in the order in which they were planned.
class RoundTasks {
 public:
  RoundTasks() { head_.prev_ = head_.next_ = &head_; }
  ~RoundTasks() { Clear(); }
  RoundTasks(const RoundTasks&) = delete;
  RoundTasks& operator=(const RoundTasks&) = delete;

  bool empty() const { return head_.next_ == &head_; }

  // Nothing happens to a task that is planned already.
  void Plan(RoundTask& task) {
    if (task.next_ != nullptr) return;
    task.prev_ = head_.prev_;
    task.next_ = &head_;
    head_.prev_->next_ = &task;
    head_.prev_ = &task;
  }

  void Clear() {
    while (!empty()) head_.next_->Unlink();
  }

  // Takes over what `other` has; nothing may be planned here.
  void Take(RoundTasks& other) {
    if (other.empty()) return;
    head_.prev_ = other.head_.prev_;
    head_.next_ = other.head_.next_;
    head_.prev_->next_ = head_.next_->prev_ = &head_;
    other.head_.prev_ = other.head_.next_ = &other.head_;
  }

  // Runs the first one, which may destroy others, plan itself anew, but not destroy itself. False:
  // there was none.
  bool RunOne() {
    if (empty()) return false;
    RoundTask& task = *head_.next_;
    task.Unlink();
    task.f_();
    return true;
  }

 private:
  RoundTask head_{nullptr};  // of a ring
};

}  // namespace semper
