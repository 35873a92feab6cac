// Demo: the whole of it, from the snapshot to the verdict. One thread.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "examples/shop/demo/audit.h"
#include "examples/shop/demo/killer.h"
#include "examples/shop/demo/options.h"
#include "examples/shop/demo/progress.h"
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

  bool Prepare();   // snapshot, four processes, first order
  bool Finish();    // the last orders, once all kills are done
  bool LastKill();  // all four at once
  bool TakeReports();
  int Conclude(bool ran);
  int Fail(const std::string& figures);

  bool OnIdle();
  void Summarise();
  std::string RecoveryFigures() const;
  double Seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

  const Options options_;
  WorkDir dir_;
  Progress progress_;
  std::optional<Snapshot> snapshot_;
  std::unique_ptr<Stack> stack_;
  std::unique_ptr<Killer> killer_;
  std::optional<Report> orders_report_;
  std::optional<Report> stock_report_;
  uint64_t placed_ = 0;  // the number of orders that the shop was allowed to take
  Clock::time_point begin_ = Clock::now();
  std::string phase_ = "starting";
  std::string why_;
};

}  // namespace shop::demo
