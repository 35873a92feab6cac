#include "examples/shop/demo/stack.h"

#include <fmt/format.h>
#include <sys/wait.h>

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
constexpr const char* kOrders = "orders";
constexpr const char* kStock = "stock";

}  // namespace

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
  return File(orders ? "orders.report" : "stock.report");
}

std::string Stack::LogDir(bool orders) const {
  return File(orders ? "logs/demo/orders" : "logs/demo/stock");
}

bool Stack::CreateImmortal(const std::string& name, std::string& incarnation,
                           std::string& why) const {
  const std::string out = File(name + ".incarnation");
  if (!RunProgram({options_.bin + "/" + options_.sidecar, "create", "--name", "demo/" + name,
                   "--cluster", "demo", "--log-dir", File("logs")},
                  out, kCreateLimit, why)) {
    return false;
  }
  std::ifstream(out) >> incarnation;
  return true;
}

void Stack::AddCoordinator(const std::string& name, int port, const std::string& other,
                           int other_port, const std::string& incarnation) {
  std::vector<std::string> command = {
      options_.bin + "/" + options_.sidecar,
      "--name=demo/" + name,
      "--cluster=demo",
      "--log-dir=" + File("logs"),
      "--genesis=expect:" + incarnation,
      "--service-socket=" + File(name + ".sock"),
      "--admin-socket=" + File(name + ".admin"),
      "--admin-http=",
      fmt::format("--peer-listen=127.0.0.1:{}", port),
      fmt::format("--peer=demo/{}=127.0.0.1:{}", other, other_port),
  };
  command.insert(command.end(), options_.coordinator_flags.begin(),
                 options_.coordinator_flags.end());
  processes_.push_back(
      std::make_unique<Process>(std::move(command), File(name + "-coordinator.log")));
}

void Stack::AddService(const std::string& name, std::vector<std::string> flags) {
  flags.insert(flags.begin(),
               {options_.bin + "/shop-" + name, "--semper-link=unix:" + File(name + ".sock"),
                "--page=" + File("page"), "--report=" + File(name + ".report")});
  processes_.push_back(std::make_unique<Process>(std::move(flags), File(name + "-service.log")));
}

bool Stack::Start(std::string& why) {
  page_ = CreatePage(File("page"));
  if (page_ == nullptr) {
    why = fmt::format("cannot make {}: {}", File("page"), std::strerror(errno));
    return false;
  }
  std::error_code error;
  std::filesystem::create_directory(File("logs"), error);
  std::string orders, stock;
  if (!CreateImmortal(kOrders, orders, why) || !CreateImmortal(kStock, stock, why)) return false;
  orders_port_ = FindFreePort(options_.random);
  stock_port_ = FindFreePort(options_.random + static_cast<uint64_t>(orders_port_) + 1);
  AddCoordinator(kOrders, orders_port_, kStock, stock_port_, orders);
  AddService(kOrders,
             {"--catalog=" + options_.catalog, fmt::format("--window={}", options_.window)});
  AddCoordinator(kStock, stock_port_, kOrders, orders_port_, stock);
  AddService(kStock, {});
  orders_watch_ = std::make_unique<LogWatch>(LogDir(true));
  stock_watch_ = std::make_unique<LogWatch>(LogDir(false));
  for (const auto& process : processes_) {
    if (process->Start()) continue;
    why = fmt::format("cannot start {}: {}", process->command()[0], std::strerror(errno));
    return false;
  }
  return true;
}

pid_t Stack::Victim(Role role, bool whole) {
  const Process& one = process(role);
  if (!one.running()) return 0;
  return IsCoordinator(role) || whole ? one.pid() : one.Child();
}

bool Stack::Kill(Role role, bool whole) {
  const pid_t victim = Victim(role, whole);
  if (victim <= 0 || kill(victim, SIGKILL) != 0) return false;
  // A service's child is started again by its parent.
  if (victim == process(role).pid()) killed_[static_cast<size_t>(role)] = true;
  return true;
}

void Stack::KillAll() {
  for (const Role role : kRoles) Kill(role, true);
}

bool Stack::RestartDead(std::string& why) {
  for (const Role role : kRoles) {
    Process& one = process(role);
    bool& killed = killed_[static_cast<size_t>(role)];
    if (killed) {
      one.Kill();  // collects it
      killed = false;
    } else if (const std::optional<int> status = one.Reap()) {
      why = fmt::format("{} {} though nobody killed it", NameOf(role), DescribeStatus(*status));
      return false;
    } else {
      continue;
    }
    if (!one.Start()) {
      why = fmt::format("cannot start {} again: {}", NameOf(role), std::strerror(errno));
      return false;
    }
  }
  return true;
}

}  // namespace shop::demo
