// Stack: the shop's four processes, a coordinator and a service for each of its two immortals, on
// one machine. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "examples/shop/demo/log_watch.h"
#include "examples/shop/demo/process.h"
#include "examples/shop/page.h"

namespace shop::demo {

enum class Role { kOrdersCoordinator, kOrdersService, kStockCoordinator, kStockService };
inline constexpr std::array kRoles = {Role::kOrdersCoordinator, Role::kOrdersService,
                                      Role::kStockCoordinator, Role::kStockService};
const char* NameOf(Role role);  // "orders-coordinator"
constexpr bool IsCoordinator(Role role) {
  return role == Role::kOrdersCoordinator || role == Role::kStockCoordinator;
}
constexpr bool IsOrders(Role role) {
  return role == Role::kOrdersCoordinator || role == Role::kOrdersService;
}

struct StackOptions {
  std::string dir;      // an existing directory for logs, sockets and what the processes write
  std::string bin;      // directory of the programs
  std::string sidecar;  // name of the coordinator's program in it
  std::string catalog;
  uint64_t random = 0;  // where to look for free ports
  uint64_t window = 1024;
  std::vector<std::string> coordinator_flags;  // further ones
};

class Stack {
 public:
  explicit Stack(StackOptions options) : options_(std::move(options)) {}

  // Makes the two immortals' identities and starts all four. False with a sentence in `why` if that
  // is not possible.
  bool Start(std::string& why);

  Page& page() { return *page_; }
  Process& process(Role role) { return *processes_[static_cast<size_t>(role)]; }
  LogWatch& watch(bool orders) { return orders ? *orders_watch_ : *stock_watch_; }
  int peer_port(bool orders) const { return orders ? orders_port_ : stock_port_; }
  std::string ReportFile(bool orders) const;
  std::string LogDir(bool orders) const;

  // The process whose death counts: a coordinator; of a service the child of its little parent, if
  // there is one at this moment, and with `whole` the parent, which takes the child with it. 0 if
  // there is none.
  pid_t Victim(Role role, bool whole);

  // SIGKILL for that process; false if there was none. RestartDead starts again what it was.
  bool Kill(Role role, bool whole);
  void KillAll();

  // Starts again whatever was killed. False with a sentence in `why` if a process has ended that
  // nobody killed.
  bool RestartDead(std::string& why);

 private:
  bool CreateImmortal(const std::string& name, std::string& incarnation, std::string& why) const;
  void AddCoordinator(const std::string& name, int port, const std::string& other, int other_port,
                      const std::string& incarnation);
  void AddService(const std::string& name, std::vector<std::string> flags);
  std::string File(const std::string& name) const { return options_.dir + "/" + name; }

  const StackOptions options_;
  Page* page_ = nullptr;
  int orders_port_ = 0;
  int stock_port_ = 0;
  std::vector<std::unique_ptr<Process>> processes_;  // in the order of Role
  std::array<bool, kRoles.size()> killed_{};         // and not yet started again
  std::unique_ptr<LogWatch> orders_watch_;
  std::unique_ptr<LogWatch> stock_watch_;
};

}  // namespace shop::demo
