#include "examples/shop/demo/demo.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <utility>

namespace shop::demo {

namespace {

using std::chrono::milliseconds;

volatile std::sig_atomic_t interrupted = 0;

constexpr uint64_t kFewPackages = 1000;
constexpr uint64_t kUnknown = UINT64_MAX;  // orders placed, when the shop stood still
constexpr std::chrono::seconds kReportLimit{60};
constexpr std::chrono::seconds kNothingMore{4};
constexpr milliseconds kReportEvery{400};

// Small files and frequent checkpoints, so that kills hit them, and a restart has little to read.
const std::vector<std::string> kCoordinatorFlags = {"--segment-bytes=1MiB",
                                                    "--checkpoint-every-bytes=2MiB"};
// A checkpoint of hundreds of megabytes every few seconds would measure the disk.
const std::vector<std::string> kCoordinatorFlagsOfBallast = {"--segment-bytes=1MiB",
                                                             "--checkpoint-every-bytes=32MiB"};

std::string OwnDirectory() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

double Max(const std::vector<double>& values) { return Quantile(values, 1); }

}  // namespace

void Demo::Interrupt() { interrupted = 1; }

bool Demo::OnIdle() {
  if (interrupted != 0) return false;
  if (killer_) killer_->NoteRecoveries();
  if (!progress_.Due()) return true;
  const uint64_t settled = stack_->page().orders.settled.load();
  const double seconds = Seconds();
  progress_.Show(drill_ ? drill_->progress() : killer_->progress(),
                 fmt::format("{}: {} kills, {} orders, {}/s; recovery {}; last kill: {}", phase_,
                             kills(), Grouped(settled),
                             Grouped(static_cast<uint64_t>(static_cast<double>(settled) / seconds)),
                             RecoveryFigures(), pulse_->last()));
  return true;
}

std::string Demo::RecoveryFigures() const {
  const std::vector<double>& times = recoveries();
  if (times.empty()) return "none yet";
  return fmt::format("p50 {:.0f} ms, max {:.0f} ms", Quantile(times, 0.5), Max(times));
}

bool Demo::FillStackOptions(StackOptions& stack) {
  stack.dir = dir_.path();
  stack.bin = OwnDirectory();
  stack.sidecar = options_.sabotage ? "semper-sidecar-sabotaged" : "semper-sidecar";
  stack.catalog = snapshot_->catalog();
  stack.random =
      options_.seed * 977 + static_cast<uint64_t>(Clock::now().time_since_epoch().count());
  stack.standbys = options_.standbys;
  if (options_.standbys > 0) stack.limit = 0;  // the drill lets customers in
  stack.ballast_mb = options_.ballast_mb;
  stack.coordinator_flags =
      options_.ballast_mb > 0 ? kCoordinatorFlagsOfBallast : kCoordinatorFlags;
  if (options_.log_dirs.empty()) return true;
  const std::string made = dir_.MakeBelow(options_.log_dirs[0], why_);
  if (made.empty()) return false;
  const std::string name = made.substr(options_.log_dirs[0].size());
  for (const std::string& dir : options_.log_dirs) stack.log_dirs.push_back(dir + name);
  return true;
}

bool Demo::Prepare() {
  progress_.Say(fmt::format("demo: working in {}", dir_.path()));
  snapshot_ = Snapshot::Take(dir_.path(), why_);
  if (!snapshot_) return false;
  progress_.Say(fmt::format("demo: one snapshot of the package index: {} packages{}",
                            Grouped(snapshot_->packages()),
                            snapshot_->packages() < kFewPackages
                                ? "; these are few, for this machine knows no more (apt-get update "
                                  "would change that), so there will be many rounds"
                                : ""));
  StackOptions stack;
  if (!FillStackOptions(stack)) return false;
  stack_ = std::make_unique<Stack>(std::move(stack));
  begin_ = Clock::now();
  if (!stack_->Start(why_)) return false;
  const std::chrono::seconds patience(options_.patience);
  pulse_ = std::make_unique<Pulse>(*stack_, patience, dir_.File("kills"));
  if (options_.standbys > 0) {
    csv_ = options_.csv.empty() ? dir_.path() + ".csv" : options_.csv;
    drill_ = std::make_unique<Drill>(*stack_, *pulse_,
                                     DrillOptions{options_.quota.kills, options_.kinds,
                                                  options_.rate, options_.seed, patience, csv_});
  } else {
    killer_ = std::make_unique<Killer>(*stack_, *pulse_, options_.seed, options_.quota);
    if (options_.quota.kills == 0)
      stack_->page().limit = std::max(options_.orders, snapshot_->packages());
  }
  pulse_->set_on_idle([this] { return OnIdle(); });
  return drill_ ? drill_->Begin() : pulse_->WaitForFirst();
}

bool Demo::Finish() {
  phase_ = "finishing";
  // Whole rounds, unless a number was asked for that suffices. The desk may be a window ahead of
  // what is known here.
  ServiceCounts& orders = stack_->page().orders;
  const uint64_t round = snapshot_->packages();
  const uint64_t reached = std::max(orders.submitted.load(), orders.taken.load()) + 100'000;
  placed_ = std::max(options_.orders, round);
  if (drill_) {
    placed_ = std::max(options_.orders, drill_->Due() + options_.rate);  // a second more
  } else if (options_.quota.kills > 0 && placed_ < reached) {
    placed_ = (reached + round - 1) / round * round;
  }
  stack_->page().limit = placed_;
  return pulse_->WaitForSettled(placed_);
}

bool Demo::LastKill() {
  if (options_.quota.kills == 0) return true;
  phase_ = "killing all";
  stack_->KillAll();
  if (!stack_->RestartDead(why_)) return false;
  phase_ = "reading the books";
  return true;
}

// Asks again and again: a request is lost if its process is not live yet, and goods and answers may
// still be on their way.
bool Demo::TakeReports() {
  const auto end = Clock::now() + kReportLimit;
  auto moved = Clock::now();
  uint64_t confirmed = 0;
  for (uint64_t id = 1; Clock::now() < end; ++id) {
    stack_->page().report = id;
    const auto next = Clock::now() + kReportEvery;
    while (Clock::now() < next) {
      if (!pulse_->Idle(milliseconds(5))) return false;
      orders_report_ = Report::Read(stack_->ReportFile(true));
      stock_report_ = Report::Read(stack_->ReportFile(false));
      if (!orders_report_ || !stock_report_ || orders_report_->id() != id ||
          stock_report_->id() != id) {
        continue;
      }
      uint64_t on_the_way = 0;
      for (const auto& [section, tally] : stock_report_->Sections("refills")) {
        on_the_way += tally.count - stock_report_->Of("arrived", section).count;
      }
      const bool unknown = placed_ == kUnknown;
      const uint64_t placed = unknown ? orders_report_->Of("placed", "=").count : placed_;
      const uint64_t before = std::exchange(confirmed, orders_report_->Of("confirmed", "=").count);
      if (confirmed != before) moved = Clock::now();
      if (on_the_way == 0 && confirmed >= placed) return true;
      // A shop that stands still does not bring the rest.
      if (unknown && Clock::now() - moved > kNothingMore) return true;
      break;
    }
  }
  return orders_report_ && stock_report_;
}

void Demo::SummariseKills() const {
  const KillCounts& counts = killer_->counts();
  std::string roles, moments;
  for (const Role role : kRoles) {
    roles += fmt::format(" {}={}", NameOf(role), counts.role[static_cast<size_t>(role)]);
  }
  for (size_t i = 0; i < kMoments; ++i) {
    moments += fmt::format("{} {} {}", i == 0 ? "" : ",", counts.moment[i],
                           NameOf(static_cast<Moment>(i)));
  }
  std::printf("demo: kills%s together=%llu together_gap_max_us=%lld\n", roles.c_str(),
              static_cast<unsigned long long>(counts.together),
              static_cast<long long>(killer_->together_gap_max().count() / 1000));
  std::printf("demo: of them%s\n", moments.c_str());
}

void Demo::Summarise() {
  progress_.End();
  if (killer_) SummariseKills();
  if (drill_) {
    std::printf("demo: longest wait without a kill: %.1f ms\n", drill_->usual_wait_ms());
    for (const std::string& line : drill_->gaps().Lines()) std::printf("demo: %s\n", line.c_str());
    std::printf("demo: every gap is in %s\n", csv_.c_str());
  }
  const uint64_t segments = stack_->watch(true).segments() + stack_->watch(false).segments();
  const uint64_t checkpoints =
      stack_->watch(true).checkpoints() + stack_->watch(false).checkpoints();
  std::printf("%s\n",
              fmt::format("demo: log: {} segments and {} checkpoints begun", segments, checkpoints)
                  .c_str());
}

int Demo::Fail(const std::string& figures) {
  dir_.Keep();
  progress_.End();
  if (!why_.empty()) std::printf("demo: %s\n", why_.c_str());
  std::printf("demo: logs and what the processes wrote are in %s\n", dir_.path().c_str());
  std::printf("demo: FAILED%s\n", figures.c_str());
  return 1;
}

int Demo::Conclude(bool ran) {
  const double seconds = Seconds();
  if (pulse_) Summarise();
  std::optional<Totals> expected;
  std::optional<Books> books;
  if (orders_report_ && stock_report_) {
    // What was not placed, because the shop stood still, is not lost.
    if (!ran) placed_ = std::min(placed_, orders_report_->Of("placed", "=").count);
    expected = snapshot_->Expect(placed_, why_);
    books = snapshot_->ExpectBooks(placed_);
  }
  if (!expected || !books) return Fail(" no books to compare");
  const Verdict verdict = Audit(*orders_report_, *stock_report_, *expected, books->checksum());
  for (const std::string& finding : verdict.findings) std::printf("demo: %s\n", finding.c_str());
  std::string figures = fmt::format(
      " orders={} kills={} lost={} duplicated={} mismatched={} seconds={:.1f} "
      "recovery_p50_ms={:.0f} recovery_max_ms={:.0f}",
      orders_report_->Of("confirmed", "=").count, kills(), verdict.lost, verdict.duplicated,
      verdict.mismatched, seconds, Quantile(recoveries(), 0.5), Max(recoveries()));
  if (drill_) figures += drill_->gaps().Figures();
  if (!ran || !verdict.ok()) return Fail(figures);
  if (options_.keep) dir_.Keep();
  std::printf("demo: ok%s\n", figures.c_str());
  return 0;
}

int Demo::Run() {
  if (!Prepare()) {
    if (why_.empty() && pulse_) why_ = pulse_->why();
    return Fail(" it did not come up");
  }
  phase_ = "killing";
  bool ran = drill_ ? drill_->Run() : killer_->Run();
  phase_ = "finishing";
  ran = ran && Finish();
  if (!ran) {
    why_ = pulse_->why();
    if (interrupted != 0) return Fail(" interrupted");
    stack_->page().limit = 0;
    placed_ = kUnknown;
  }
  // A shop that stands still is asked for its books, too: they say what went wrong.
  const bool reported = LastKill() && TakeReports();
  if (!reported && why_.empty()) why_ = pulse_->why();
  stack_->page().report = 0;
  return Conclude(ran && reported);
}

}  // namespace shop::demo
