// LaneExecutor: one thread for each lane, started when the lane gets its first job.
//
// A hand-over costs a few microseconds and allocates nothing. Lane threads take no signals. Jobs
// whose Work returned while the loop was busy share one wake-up. Run, Stop and the destructor are
// called on the loop's thread.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/loop.h"

namespace semper {

class LaneExecutor final : public Executor {
 public:
  // Borrows `loop`, which must live until Stop returned.
  explicit LaneExecutor(Loop& loop);

  // Stops with a grace of a second.
  ~LaneExecutor() override;
  LaneExecutor(const LaneExecutor&) = delete;
  LaneExecutor& operator=(const LaneExecutor&) = delete;

  void Run(Lane lane, Job& job) override;

  // Ends the lanes: jobs that did not begin are dropped, and no Done is called any more. Waits up
  // to `grace` for those in their Work. Returns the lanes that are stuck in it (a dead volume can
  // hold a thread for minutes, beyond kill -9): their jobs must stay alive, and the process should
  // end with _exit.
  std::vector<Lane> Stop(std::chrono::nanoseconds grace);

  // After Stop: have the lanes that were stuck ended by now? Then their jobs may go.
  bool Ended() const;

 private:
  struct Shared;
  struct LaneThread;

  std::shared_ptr<Shared> shared_;
};

// "log-writer", "lookup", "reader", "checkpoint", "housekeeping".
const char* NameOfLane(Lane lane);

}  // namespace semper
