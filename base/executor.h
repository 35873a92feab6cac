// Executor: work that may block, done beside the event loop, one job after the other in each lane.
//
// A Job belongs to its owner and is reused: running it allocates nothing. While it is in a lane the
// owner leaves it alone; Work runs on the lane's thread, then Done on the loop's. The simulator
// runs every job on a fiber, so that other events happen, and crashes strike, between any two disk
// operations of one Work.
#pragma once

namespace semper {

enum class Lane {
  kLogWriter,   // write and fdatasync of the log
  kLookup,      // listing the claims; nothing else, so that a stuck write does not hide a lost lock
  kReader,      // take-over, feeding from files
  kCheckpoint,  // writing and reading checkpoints
  kHousekeeping,  // spare segments, retention, name look-ups
};
inline constexpr int kLaneCount = 5;

class Job {
 public:
  virtual ~Job() = default;
  virtual void Work() = 0;  // on the lane; may block
  virtual void Done() = 0;  // on the loop, after Work

 private:
  friend class JobQueue;
  Job* next_ = nullptr;
};

class Executor {
 public:
  virtual ~Executor() = default;

  // Appends `job` to `lane`. Called on the loop's thread only. Jobs of one lane run in order, one
  // at a time.
  virtual void Run(Lane lane, Job& job) = 0;
};

}  // namespace semper
