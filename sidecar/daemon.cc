#include "sidecar/daemon.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/check.h"
#include "base/disk.h"
#include "base/epoll_loop.h"
#include "base/lane_executor.h"
#include "base/log.h"
#include "sidecar/admin/control_server.h"
#include "sidecar/admin/http_server.h"
#include "sidecar/admin/loop_backend.h"
#include "sidecar/runtime/coordinator.h"
#include "sidecar/supervise/service_process.h"
#include "sidecar/volume.h"

namespace semper {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// What a process can do about a volume that it was not made for: nothing. A new start would find
// the same.
bool IsRefusal(core::StopReason reason, const absl::Status& why) {
  return reason == core::StopReason::kDamage || absl::IsNotFound(why) || absl::IsDataLoss(why) ||
         absl::IsFailedPrecondition(why) || absl::IsPermissionDenied(why) ||
         absl::IsInvalidArgument(why) || absl::IsUnimplemented(why);
}

// Most texts say themselves what is to be done; the system's do not.
absl::Status WithRemedy(const absl::Status& why) {
  if (!absl::IsPermissionDenied(why)) return why;
  return {why.code(), absl::StrCat(why.message(),
                                   ". A member has to write there: make it writable for this user "
                                   "(a read-only mount: mount it with rw), then start it again")};
}

// How the coordinator ended.
struct Ending {
  core::StopReason reason{};
  absl::Status why;
  bool refused = false;  // trying again is of no use
};

// What the loop's thread and the admin threads tell the main thread. The descriptor becomes
// readable with each.
class Mailbox {
 public:
  Mailbox() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    SEMPER_CHECK(event_ >= 0, "eventfd: ", strerror(errno));
  }
  ~Mailbox() { close(event_); }
  int descriptor() const { return event_; }

  void PostEnding(Ending ending) {
    {
      std::lock_guard lock(mutex_);
      ending_ = std::move(ending);
    }
    Wake();
  }
  void PostDrain() {
    drain_ = true;
    Wake();
  }
  std::optional<Ending> TakeEnding() {
    std::lock_guard lock(mutex_);
    return std::exchange(ending_, std::nullopt);
  }
  bool TakeDrain() { return drain_.exchange(false); }
  void Clear() {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = read(event_, &count, sizeof count);
  }

 private:
  void Wake() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(event_, &one, sizeof one);
  }

  const int event_;
  std::atomic<bool> drain_ = false;
  std::mutex mutex_;
  std::optional<Ending> ending_;
};

// One coordinator from its start to its end, with what it works on.
struct Life {
  Life(runtime::Options options, Loop& loop)
      : disk(MakePosixDisk(absl::StrCat(options.log_dir, "/", options.name))),
        executor(loop),
        coordinator(std::move(options), loop, *disk, executor) {}

  const std::unique_ptr<Disk> disk;
  LaneExecutor executor;
  runtime::Coordinator coordinator;
};

// The coordinators of this process, one after the other, on a loop on a thread of its own. One that
// lost the lock, or its service, is replaced in place: its state is given up, the process stays.
// Never torn down before the process ends: what is stuck stays.
class CoordinatorThread {
 public:
  CoordinatorThread(runtime::Options options, std::chrono::nanoseconds claim_interval,
                    Mailbox& mailbox)
      : mailbox_(mailbox),
        options_(std::move(options)),
        claim_interval_(claim_interval),
        life_(NewLife()),
        backend_(loop_,
                 {.status = [this] { return Status(); },
                  .take_checkpoint =
                      [this](admin::LoopBackend::CheckpointDone done) {
                        life_->coordinator.TakeCheckpoint(std::move(done));
                      },
                  .switchover =
                      [this](const std::string& to) { return life_->coordinator.HandOver(to); },
                  .drain = [this] { mailbox_.PostDrain(); }}),
        thread_([this] { loop_.Run(); }) {
    pthread_setname_np(thread_.native_handle(), "semper-loop");
  }

  admin::Backend& backend() { return backend_; }
  void Start() {
    loop_.Post([this] { life_->coordinator.Start(); });
  }
  void Drain() {
    loop_.Post([this] {
      draining_ = true;
      restart_.reset();
      life_->coordinator.Drain();
      if (stopped_) mailbox_.PostEnding({core::StopReason::kDrained, absl::OkStatus(), false});
    });
  }
  void SetPeers(peer::Addresses peers) {
    loop_.Post([this, peers = std::move(peers)] {
      options_.peers = peers;
      life_->coordinator.SetPeers(peers);
    });
  }

 private:
  static constexpr size_t kStuckLivesMax = 8;

  std::unique_ptr<Life> NewLife() {
    stopped_ = false;
    began_ = loop_.Monotonic();
    runtime::Options options = options_;
    options.on_stop = [this](core::StopReason reason, const absl::Status& why) {
      OnStop(reason, why);
    };
    return std::make_unique<Life>(std::move(options), loop_);
  }

  admin::StatusSnapshot Status() const {
    admin::StatusSnapshot snapshot = life_->coordinator.Status();
    admin::AddTotals(earlier_lives_, snapshot);
    if (!refusal_.empty()) {
      snapshot.phase = admin::Phase::kRefused;
      snapshot.reason = refusal_;
    }
    return snapshot;
  }

  void OnStop(core::StopReason reason, const absl::Status& why) {
    using core::StopReason;
    stopped_ = true;
    const bool led = life_->coordinator.Status().recovery_seconds > 0;
    const bool moves_on = reason == StopReason::kDrained || reason == StopReason::kHandedOver ||
                          reason == StopReason::kRejoin || reason == StopReason::kLostLock;
    // What was there for an earlier life may be gone for a while: a volume that is mounted again.
    const bool passes = opened_ && (absl::IsNotFound(why) || absl::IsFailedPrecondition(why));
    // A member whose files were replaced must not go on with what is there now.
    const bool refused =
        reason == StopReason::kReplaced || (!moves_on && !led && !passes && IsRefusal(reason, why));
    opened_ = opened_ || life_->coordinator.core() != nullptr;
    options_.known_committed = life_->coordinator.KnownCommitted();
    const absl::Status told = refused ? WithRemedy(why) : why;
    if (refused) refusal_ = std::string(told.message());
    // Most are not stuck, but were in the middle of a write.
    std::erase_if(stuck_, [](const auto& life) { return life->executor.Ended(); });
    if (refused || draining_ || reason == StopReason::kDrained || stuck_.size() >= kStuckLivesMax)
      return mailbox_.PostEnding({reason, told, refused});
    const std::chrono::nanoseconds now = loop_.Monotonic();
    if (reason == StopReason::kHandedOver) {
      // Not before the successor had its chance.
      options_.claim_not_before = now + options_.silence_limit;
    } else if (reason != StopReason::kRejoin) {
      losses_ = now - began_ > 10 * claim_interval_ ? 1 : std::min(losses_ + 1, 6);
      options_.claim_not_before = now + claim_interval_ * (1 << (losses_ - 1)) / 2;
    }
    SEMPER_LOG(kWarning, "begins anew: {}", std::string(why.message()));
    // At once, unless it goes round in circles.
    const bool short_lived = now - began_ < std::chrono::seconds(1);
    pause_ =
        short_lived ? std::min(2 * pause_ + milliseconds(5), milliseconds(1000)) : milliseconds(0);
    restart_ = loop_.After(pause_, [this] { BeginAnew(); });
  }

  void BeginAnew() {
    admin::AddTotals(life_->coordinator.Status(), earlier_lives_);
    if (life_->executor.Stop(milliseconds(20)).empty()) {
      life_.reset();
    } else {
      // A job of it hangs in the volume, and needs it when it comes back.
      stuck_.push_back(std::move(life_));
    }
    life_ = NewLife();
    life_->coordinator.Start();
  }

  Mailbox& mailbox_;
  std::string refusal_;
  admin::StatusSnapshot earlier_lives_;  // their totals
  EpollLoop loop_;
  runtime::Options options_;
  const std::chrono::nanoseconds claim_interval_;
  bool draining_ = false;
  bool stopped_ = false;
  bool opened_ = false;  // an earlier life found its immortal
  std::chrono::nanoseconds began_{};
  milliseconds pause_{0};
  int losses_ = 0;
  std::unique_ptr<Timer> restart_;
  std::vector<std::unique_ptr<Life>> stuck_;
  std::unique_ptr<Life> life_;
  admin::LoopBackend backend_;
  std::thread thread_;
};

// Signals come to the main thread alone, as readable events.
class Signals {
 public:
  Signals() {
    signal(SIGPIPE, SIG_IGN);
    sigset_t wanted;
    sigemptyset(&wanted);
    for (const int one : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&wanted, one);
    pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
    descriptor_ = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    SEMPER_CHECK(descriptor_ >= 0, "signalfd: ", strerror(errno));
  }
  ~Signals() { close(descriptor_); }
  int descriptor() const { return descriptor_; }

  // The next signal, 0 if there is none.
  int Take() {
    signalfd_siginfo info;
    return read(descriptor_, &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo)
                                                                : 0;
  }

 private:
  int descriptor_ = -1;
};

// The main thread's loop.
class Daemon {
 public:
  Daemon(const ParsedCommandLine& parsed, SidecarOptions options)
      : parsed_(parsed), config_(parsed.config), options_(std::move(options)) {}

  // Servers, service, coordinator, in this order. An error is one of the configuration.
  absl::Status Start();
  int Run();

 private:
  absl::Status StartAdmin();
  void OnSignal(int number);
  void OnEnding(const Ending& ending);
  void ReapService(Clock::time_point now);
  void Reload();
  void BeginDrain(const char* why);
  void EndService(int code);
  bool Finished(Clock::time_point now);
  int WaitMilliseconds(Clock::time_point now) const;

  const ParsedCommandLine& parsed_;
  Config config_;
  SidecarOptions options_;
  Signals signals_;  // before any thread
  // Neither is destroyed: see CoordinatorThread.
  Mailbox& mailbox_ = *new Mailbox;
  CoordinatorThread* coordinator_ = nullptr;
  std::unique_ptr<admin::ControlServer> control_;
  admin::HttpServer* http_ = nullptr;
  std::unique_ptr<supervise::ServiceProcess> service_;

  bool draining_ = false;
  bool refused_ = false;
  std::optional<int> exit_code_;  // set: only the service is waited for
  std::optional<Clock::time_point> deadline_;
};

absl::Status Daemon::StartAdmin() {
  if (!options_.admin_http.empty()) {
    auto http = admin::HttpServer::Start(options_.admin_http, coordinator_->backend());
    if (!http.ok()) return http.status();
    http_ = http->release();
    SEMPER_LOG(kInfo, "probes and metrics on http://{}", http_->address());
  }
  if (!options_.admin_socket.empty()) {
    auto control = admin::ControlServer::Start(options_.admin_socket, coordinator_->backend());
    if (!control.ok()) return control.status();
    control_ = *std::move(control);
  }
  return absl::OkStatus();
}

absl::Status Daemon::Start() {
  if (options_.profile) {
    options_.runtime.profile = *options_.profile;
  } else {
    const Volume volume = FindVolume(options_.runtime.log_dir);
    options_.runtime.profile = volume.profile;
    SEMPER_LOG(kInfo, "{} lies on {} ({}): profile {}{}", options_.runtime.log_dir,
               volume.mount.point, volume.mount.type,
               volume.profile == log::Profile::kLocal ? "local" : "shared",
               volume.known ? "" : ", for this kind of file system is not known; see log-profile");
    if (volume.memory) {
      SEMPER_LOG(kWarning,
                 "{} is kept in memory ({}): what is acknowledged is gone when this machine ends; "
                 "choose a log-dir on a disk",
                 options_.runtime.log_dir, volume.mount.type);
    }
  }
  if (!options_.runtime.members.empty()) {
    const Volume volume = FindVolume(options_.runtime.log_dir);
    if (absl::Status s = CheckShared(volume, options_.profile.has_value()); !s.ok()) return s;
  }
  coordinator_ = new CoordinatorThread(options_.runtime, options_.claim_interval, mailbox_);
  if (absl::Status status = StartAdmin(); !status.ok()) return status;
  if (parsed_.has_child_command) {
    service_ = std::make_unique<supervise::ServiceProcess>(
        parsed_.child_command,
        supervise::ServiceProcess::Variables{
            {"SEMPER_LINK", absl::StrCat("unix:", options_.service_socket)}});
    if (absl::Status status = service_->Start(Clock::now()); !status.ok()) return status;
    SEMPER_LOG(kInfo, "started the service {}, pid {}", parsed_.child_command[0], service_->pid());
  }
  coordinator_->Start();
  return absl::OkStatus();
}

void Daemon::Reload() {
  absl::StatusOr<ConfigReload> reload = ReloadConfig(parsed_, config_);
  if (!reload.ok()) {
    SEMPER_LOG(kError, "the configuration was not read again, everything stays as it is: {}",
               std::string(reload.status().message()));
    return;
  }
  absl::StatusOr<peer::Addresses> peers = ReadPeers(reload->config);
  if (!peers.ok()) {
    SEMPER_LOG(kError, "the configuration was not read again, everything stays as it is: {}",
               std::string(peers.status().message()));
    return;
  }
  config_ = std::move(reload->config);
  coordinator_->SetPeers(*std::move(peers));
  SetLogLevel(ReadLogLevel(config_));
  SetLogFormat(ReadLogFormat(config_));
  SEMPER_LOG(kInfo, "configuration read again; changed: {}",
             reload->live.empty() ? "nothing" : absl::StrJoin(reload->live, ", "));
  if (!reload->logged.empty()) {
    SEMPER_LOG(kWarning,
               "{} stands in the log since the immortal began; the new value has no effect",
               absl::StrJoin(reload->logged, ", "));
  }
}

void Daemon::BeginDrain(const char* why) {
  if (draining_ || exit_code_) return;
  draining_ = true;
  deadline_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(options_.drain_timeout);
  SEMPER_LOG(kInfo, "{}: draining", why);
  if (refused_) {
    EndService(kExitRefused);
  } else {
    coordinator_->Drain();
  }
}

void Daemon::OnSignal(int number) {
  if (number == SIGTERM || number == SIGINT) BeginDrain(strsignal(number));
  if (number == SIGHUP) Reload();
}

void Daemon::OnEnding(const Ending& ending) {
  if (exit_code_) return;
  const std::string why(ending.why.message());
  // Asked to stop, a member that led no more, or only followed, has nothing left to finish.
  const bool leads_no_more = ending.reason == core::StopReason::kHandedOver ||
                             ending.reason == core::StopReason::kRejoin ||
                             ending.reason == core::StopReason::kLostLock;
  if (ending.reason == core::StopReason::kDrained || (draining_ && leads_no_more)) {
    SEMPER_LOG(kInfo, "drained");
    return EndService(kExitOk);
  }
  if (!ending.refused) {
    SEMPER_LOG(kError, "gave up for good: {}; the next start recovers from the log", why);
    return EndService(kExitGaveUp);
  }
  const char* const what = ending.reason == core::StopReason::kReplaced ? "go on" : "start";
  if (options_.exit_on_refusal || draining_) {
    SEMPER_LOG(kError, "refused to {}: {}", what, why);
    return EndService(kExitRefused);
  }
  SEMPER_LOG(kError, "refused to {}: {}; serving the status until it is ended", what, why);
  refused_ = true;
  if (service_) service_->Terminate();
}

// From here on the process only waits for the service, which gets what is left of the drain
// timeout, or of a new one.
void Daemon::EndService(int code) {
  exit_code_ = code;
  if (!deadline_) {
    deadline_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(options_.drain_timeout);
  }
  if (service_) service_->Terminate();
}

void Daemon::ReapService(Clock::time_point now) {
  if (!service_) return;
  if (const std::optional<std::string> how = service_->Reap(now)) {
    if (service_->next_start()) {
      SEMPER_LOG(kWarning, "the service {}; it is started again in {} ms", *how,
                 std::chrono::duration_cast<milliseconds>(*service_->next_start() - now).count());
    } else {
      SEMPER_LOG(kInfo, "the service {}", *how);
    }
  }
  if (const absl::Status started = service_->StartIfDue(now); !started.ok()) {
    SEMPER_LOG(kError, "{}", std::string(started.message()));
  }
}

bool Daemon::Finished(Clock::time_point now) {
  const bool service_gone = !service_ || !service_->running();
  if (exit_code_ && service_gone) return true;
  if (!deadline_ || now < *deadline_) return false;
  if (!exit_code_) {
    SEMPER_LOG(kError,
               "not drained within drain-timeout; what is left is recovered at the next start");
    exit_code_ = kExitNotDrained;
  }
  if (!service_gone) service_->Kill();
  return true;
}

int Daemon::WaitMilliseconds(Clock::time_point now) const {
  std::optional<Clock::time_point> until = deadline_;
  if (service_ && service_->next_start()) {
    until = until ? std::min(*until, *service_->next_start()) : *service_->next_start();
  }
  if (!until) return -1;
  const auto wait = std::chrono::ceil<milliseconds>(*until - now).count();
  return static_cast<int>(std::clamp<int64_t>(wait, 0, 60'000));
}

int Daemon::Run() {
  for (;;) {
    const Clock::time_point now = Clock::now();
    ReapService(now);
    if (Finished(now)) break;
    pollfd waits[] = {{signals_.descriptor(), POLLIN, 0}, {mailbox_.descriptor(), POLLIN, 0}};
    if (poll(waits, 2, WaitMilliseconds(now)) < 0 && errno != EINTR) {
      SEMPER_CHECK(false, "poll: ", strerror(errno));
    }
    mailbox_.Clear();
    if (const std::optional<Ending> ending = mailbox_.TakeEnding()) OnEnding(*ending);
    if (mailbox_.TakeDrain()) BeginDrain("asked to");
    while (const int number = signals_.Take()) OnSignal(number);
  }
  control_.reset();  // removes its socket
  return *exit_code_;
}

}  // namespace

int RunDaemon(const ParsedCommandLine& parsed, SidecarOptions options) {
  SetLogLevel(options.log_level);
  SetLogFormat(options.log_format);
  SetProcessLogFields({{"immortal", options.runtime.name}, {"member", options.runtime.member}});
  Daemon daemon(parsed, std::move(options));
  if (const absl::Status status = daemon.Start(); !status.ok()) {
    SEMPER_LOG(kError, "{}", std::string(status.message()));
    return kExitConfiguration;
  }
  return daemon.Run();
}

}  // namespace semper
