// Demo: the whole of it, from the snapshot to the verdict. One thread.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "examples/shop/demo/audit.h"
#include "examples/shop/demo/drill.h"
#include "examples/shop/demo/killer.h"
#include "examples/shop/demo/options.h"
#include "examples/shop/demo/progress.h"
#include "examples/shop/demo/pulse.h"
#include "examples/shop/demo/snapshot.h"
#include "examples/shop/demo/stack.h"
#include "examples/shop/demo/work_dir.h"

namespace shop::demo {

class Demo {
 public:
  Demo(const Options& options, WorkDir dir) : options_(options), dir_(std::move(dir)) {}

  // The exit status. Prints the last line.
  int Run();

  // May be called by a signal handler.
  static void Interrupt();

 private:
  using Clock = std::chrono::steady_clock;

  bool Prepare();  // snapshot, all processes, first order
  bool FillStackOptions(StackOptions& stack);
  bool Finish();    // the last orders, once all kills are done
  bool LastKill();  // all at once
  bool TakeReports();
  int Conclude(bool ran);
  int Fail(const std::string& figures);

  bool OnIdle();
  void Summarise();
  void SummariseKills() const;
  std::string RecoveryFigures() const;
  const std::vector<double>& recoveries() const {
    return drill_ ? drill_->recoveries() : killer_->recoveries();
  }
  uint64_t kills() const { return drill_ ? drill_->blows() : killer_->counts().kills; }
  double Seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

  const Options options_;
  WorkDir dir_;
  Progress progress_;
  std::optional<Snapshot> snapshot_;
  std::unique_ptr<Stack> stack_;
  std::unique_ptr<Pulse> pulse_;
  // One of them: without standbys the killer.
  std::unique_ptr<Killer> killer_;
  std::unique_ptr<Drill> drill_;
  std::string csv_;
  std::optional<Report> orders_report_;
  std::optional<Report> stock_report_;
  uint64_t placed_ = 0;  // the number of orders that the shop was allowed to take
  Clock::time_point begin_ = Clock::now();
  std::string phase_ = "starting";
  std::string why_;
};

}  // namespace shop::demo
