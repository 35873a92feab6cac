// Stack: the shop's processes on one machine: a coordinator and a service for each member of its
// two immortals. Without standbys an immortal has one member, number 0. One thread.
#pragma once

#include <array>
#include <csignal>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "examples/shop/demo/log_watch.h"
#include "examples/shop/demo/process.h"
#include "examples/shop/page.h"

namespace shop::demo {

enum class Role { kOrdersCoordinator, kOrdersService, kStockCoordinator, kStockService };
inline constexpr std::array kRoles = {Role::kOrdersCoordinator, Role::kOrdersService,
                                      Role::kStockCoordinator, Role::kStockService};
const char* NameOf(Role role);          // "orders-coordinator"
const char* ImmortalName(bool orders);  // "orders"
constexpr bool IsCoordinator(Role role) {
  return role == Role::kOrdersCoordinator || role == Role::kStockCoordinator;
}
constexpr Role CoordinatorOf(bool orders) {
  return orders ? Role::kOrdersCoordinator : Role::kStockCoordinator;
}
constexpr Role ServiceOf(bool orders) {
  return orders ? Role::kOrdersService : Role::kStockService;
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
  uint64_t limit = UINT64_MAX;        // on the page, before anyone reads it
  size_t standbys = 0;                // of each immortal
  uint64_t ballast_mb = 0;            // of stock's state
  std::vector<std::string> log_dirs;  // existing ones, of one volume: one for all members or one
                                      // for each; empty: below `dir`
  std::vector<std::string> coordinator_flags;  // further ones
};

class Stack {
 public:
  explicit Stack(StackOptions options) : options_(std::move(options)) {}

  // Makes the two immortals' identities and starts all processes. False with a sentence in `why` if
  // that is not possible.
  bool Start(std::string& why);

  Page& page() { return *page_; }
  size_t members() const { return options_.standbys + 1; }
  Process& process(Role role, size_t member = 0) { return *slot(role, member).process; }
  LogWatch& watch(bool orders) { return orders ? *orders_watch_ : *stock_watch_; }
  int peer_port(bool orders, size_t member = 0) const { return peer_ports_[orders].at(member); }
  // Of the probes; only with standbys.
  int http_port(bool orders, size_t member) const { return http_ports_[orders].at(member); }
  std::string AdminSocket(bool orders, size_t member) const;
  std::string ReportFile(bool orders) const;
  std::string LogDir(bool orders) const;
  std::string MemberName(bool orders, size_t member) const;  // "orders-1"
  const StackOptions& options() const { return options_; }

  // The process whose death counts: a coordinator; of a service the child of its little parent, if
  // there is one at this moment, and with `whole` the parent, which takes the child with it. 0 if
  // there is none.
  pid_t Victim(Role role, bool whole, size_t member = 0);

  // SIGKILL for that process; false if there was none. RestartDead starts again what it was.
  bool Kill(Role role, bool whole, size_t member = 0);
  void KillAll();

  // SIGTERM for a coordinator, which is expected to end well and is started again by RestartDead.
  void Terminate(bool orders, size_t member);
  // SIGSTOP and SIGCONT for all processes of a member.
  void Freeze(bool orders, size_t member) { SignalMember(orders, member, SIGSTOP); }
  void Thaw(bool orders, size_t member) { SignalMember(orders, member, SIGCONT); }

  // Starts again whatever was killed or terminated and has ended by now; to be called again and
  // again. False with a sentence in `why` if a process has ended that nobody asked to, or not in
  // the way that it should.
  bool RestartDead(std::string& why);

 private:
  enum class Wish { kRuns, kKilled, kTerminated };
  struct Slot {
    std::string name;  // for people
    std::unique_ptr<Process> process;
    Wish wish = Wish::kRuns;  // other than kRuns: it is to be started again
  };

  bool CreateImmortal(const std::string& name, std::string& incarnation, std::string& why) const;
  void AddCoordinator(bool orders, size_t member, const std::string& incarnation);
  void AddService(bool orders, size_t member);
  void SignalMember(bool orders, size_t member, int number);
  // In the order of Role, member after member.
  Slot& slot(Role role, size_t member) {
    return slots_.at(member * kRoles.size() + static_cast<size_t>(role));
  }
  bool RestartOne(Slot& one, std::string& why);
  std::string LogRoot(size_t member) const;
  std::string Addresses(bool orders) const;
  int TakePort();
  std::string File(const std::string& name) const { return options_.dir + "/" + name; }

  const StackOptions options_;
  Page* page_ = nullptr;
  std::array<std::vector<int>, 2> peer_ports_;  // of stock, of orders
  std::array<std::vector<int>, 2> http_ports_;
  std::set<int> taken_ports_;
  std::vector<Slot> slots_;
  std::unique_ptr<LogWatch> orders_watch_;
  std::unique_ptr<LogWatch> stock_watch_;
};

}  // namespace shop::demo
