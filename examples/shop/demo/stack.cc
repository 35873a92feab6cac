#include "examples/shop/demo/stack.h"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <utility>

#include "examples/shop/demo/work_dir.h"

namespace shop::demo {

namespace {

constexpr std::chrono::seconds kCreateLimit{30};

}  // namespace

const char* ImmortalName(bool orders) { return orders ? "orders" : "stock"; }

const char* NameOf(Role role) {
  switch (role) {
    case Role::kOrdersCoordinator:
      return "orders-coordinator";
    case Role::kOrdersService:
      return "orders-service";
    case Role::kStockCoordinator:
      return "stock-coordinator";
    case Role::kStockService:
      return "stock-service";
  }
  return "";
}

std::string Stack::ReportFile(bool orders) const {
  return File(fmt::format("{}.report", ImmortalName(orders)));
}

std::string Stack::LogRoot(size_t member) const {
  const std::vector<std::string>& dirs = options_.log_dirs;
  return dirs.empty() ? File("logs") : dirs[member % dirs.size()];
}

std::string Stack::LogDir(bool orders) const {
  return LogRoot(0) + "/demo/" + ImmortalName(orders);
}

// One member bears the name of its immortal.
std::string Stack::MemberName(bool orders, size_t member) const {
  return options_.standbys == 0 ? ImmortalName(orders)
                                : fmt::format("{}-{}", ImmortalName(orders), member);
}

std::string Stack::AdminSocket(bool orders, size_t member) const {
  return File(MemberName(orders, member) + ".admin");
}

int Stack::TakePort() {
  int port = 0;
  for (uint64_t more = 0; port == 0 || taken_ports_.count(port) != 0; ++more) {
    port = FindFreePort(options_.random + taken_ports_.size() + more);
  }
  taken_ports_.insert(port);
  return port;
}

std::string Stack::Addresses(bool orders) const {
  std::string all;
  for (const int port : peer_ports_[orders]) {
    all += fmt::format("{}127.0.0.1:{}", all.empty() ? "" : ",", port);
  }
  return all;
}

bool Stack::CreateImmortal(const std::string& name, std::string& incarnation,
                           std::string& why) const {
  const std::string out = File(name + ".incarnation");
  if (!RunProgram({options_.bin + "/" + options_.sidecar, "create", "--name", "demo/" + name,
                   "--cluster", "demo", "--log-dir", LogRoot(0)},
                  out, kCreateLimit, why)) {
    return false;
  }
  std::ifstream(out) >> incarnation;
  return true;
}

void Stack::AddCoordinator(bool orders, size_t member, const std::string& incarnation) {
  const std::string name = MemberName(orders, member);
  std::vector<std::string> command = {
      options_.bin + "/" + options_.sidecar,
      fmt::format("--name=demo/{}", ImmortalName(orders)),
      "--cluster=demo",
      "--log-dir=" + LogRoot(member),
      "--genesis=expect:" + incarnation,
      "--service-socket=" + File(name + ".sock"),
      "--admin-socket=" + AdminSocket(orders, member),
      fmt::format("--peer-listen=127.0.0.1:{}", peer_port(orders, member)),
      fmt::format("--peer=demo/{}={}", ImmortalName(!orders), Addresses(!orders)),
  };
  if (options_.standbys == 0) {
    command.push_back("--admin-http=");
  } else {
    command.insert(command.end(),
                   {"--member=" + name, "--members=" + Addresses(orders),
                    fmt::format("--admin-http=127.0.0.1:{}", http_port(orders, member))});
  }
  command.insert(command.end(), options_.coordinator_flags.begin(),
                 options_.coordinator_flags.end());
  slots_.push_back(
      {name + "'s coordinator",
       std::make_unique<Process>(std::move(command), File(name + "-coordinator.log"))});
}

void Stack::AddService(bool orders, size_t member) {
  const std::string name = MemberName(orders, member);
  std::vector<std::string> command = {fmt::format("{}/shop-{}", options_.bin, ImmortalName(orders)),
                                      "--semper-link=unix:" + File(name + ".sock"),
                                      "--page=" + File("page"), "--report=" + ReportFile(orders)};
  if (orders) {
    command.insert(command.end(),
                   {"--catalog=" + options_.catalog, fmt::format("--window={}", options_.window)});
  } else if (options_.ballast_mb > 0) {
    command.push_back(fmt::format("--ballast-mb={}", options_.ballast_mb));
  }
  slots_.push_back({name + "'s service",
                    std::make_unique<Process>(std::move(command), File(name + "-service.log"))});
}

bool Stack::Start(std::string& why) {
  page_ = CreatePage(File("page"));
  if (page_ == nullptr) {
    why = fmt::format("cannot make {}: {}", File("page"), std::strerror(errno));
    return false;
  }
  page_->limit = options_.limit;
  std::error_code error;
  if (options_.log_dirs.empty()) std::filesystem::create_directory(LogRoot(0), error);
  std::string orders, stock;
  if (!CreateImmortal(ImmortalName(true), orders, why) ||
      !CreateImmortal(ImmortalName(false), stock, why)) {
    return false;
  }
  for (size_t member = 0; member < members(); ++member) {
    for (const bool one : {true, false}) {
      peer_ports_[one].push_back(TakePort());
      http_ports_[one].push_back(options_.standbys == 0 ? 0 : TakePort());
    }
  }
  for (size_t member = 0; member < members(); ++member) {
    AddCoordinator(true, member, orders);
    AddService(true, member);
    AddCoordinator(false, member, stock);
    AddService(false, member);
  }
  orders_watch_ = std::make_unique<LogWatch>(LogDir(true));
  stock_watch_ = std::make_unique<LogWatch>(LogDir(false));
  for (const Slot& one : slots_) {
    if (one.process->Start()) continue;
    why = fmt::format("cannot start {}: {}", one.process->command()[0], std::strerror(errno));
    return false;
  }
  return true;
}

pid_t Stack::Victim(Role role, bool whole, size_t member) {
  const Process& one = process(role, member);
  if (!one.running() || slot(role, member).wish != Wish::kRuns) return 0;
  return IsCoordinator(role) || whole ? one.pid() : one.Child();
}

bool Stack::Kill(Role role, bool whole, size_t member) {
  const pid_t victim = Victim(role, whole, member);
  if (victim <= 0 || kill(victim, SIGKILL) != 0) return false;
  // A service's child is started again by its parent.
  Slot& one = slot(role, member);
  if (victim == one.process->pid()) one.wish = Wish::kKilled;
  return true;
}

void Stack::KillAll() {
  for (size_t member = 0; member < members(); ++member) {
    for (const Role role : kRoles) Kill(role, true, member);
  }
}

void Stack::Terminate(bool orders, size_t member) {
  Slot& one = slot(CoordinatorOf(orders), member);
  if (one.wish != Wish::kRuns) return;
  one.wish = Wish::kTerminated;
  one.process->Signal(SIGTERM);
}

void Stack::SignalMember(bool orders, size_t member, int number) {
  for (const Role role : {CoordinatorOf(orders), ServiceOf(orders)}) {
    const pid_t group = process(role, member).pid();  // a service's child is in its parent's group
    if (group > 0) kill(-group, number);
  }
}

bool Stack::RestartOne(Slot& one, std::string& why) {
  // One that is in the middle of a sync dies when the disk lets it go; nobody waits for that here.
  const std::optional<int> status = one.process->Reap();
  if (!status) return true;
  if (one.wish == Wish::kRuns || (one.wish == Wish::kTerminated && *status != 0)) {
    why = fmt::format("{} {} {}", one.name, DescribeStatus(*status),
                      one.wish == Wish::kRuns ? "though nobody killed it" : "after SIGTERM");
    return false;
  }
  one.wish = Wish::kRuns;
  if (one.process->Start()) return true;
  why = fmt::format("cannot start {} again: {}", one.name, std::strerror(errno));
  return false;
}

bool Stack::RestartDead(std::string& why) {
  for (Slot& one : slots_) {
    if (!RestartOne(one, why)) return false;
  }
  return true;
}

}  // namespace shop::demo
