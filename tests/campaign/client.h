// Client: asks one immortal for operations at a fixed rate, whether or not answers come (open
// loop), and writes its history. It finds the leader by trying: only a leader's service takes
// connections. Each operation is sent once; what becomes of it is what the client is told on that
// connection, and unknown if that breaks.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "tests/campaign/history.h"
#include "tests/campaign/operation.h"

namespace campaign {

struct ClientOptions {
  uint32_t number = 0;  // of the client: in its ids
  uint32_t immortal = 0;
  std::vector<std::string> addresses;  // IP of each member
  uint16_t port = 0;
  double rate = 100;  // operations a second
  uint64_t seed = 1;
  std::string history;
};

// What others may look at while it runs.
struct ClientCounts {
  std::atomic<uint64_t> invoked{0};
  std::atomic<uint64_t> ok{0};
  std::atomic<uint64_t> refused{0};
  std::atomic<uint64_t> unknown{0};
  std::atomic<uint64_t> sum_us{0};      // of the waits of those that were ok
  std::atomic<uint64_t> longest_us{0};  // of them
  std::atomic<uint32_t> leader{0};      // the member that answered last
};

class Client {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Client(ClientOptions options);
  ~Client();

  // Runs on the calling thread until stop, then waits a while for what is under way.
  // An error if the history could not be written.
  absl::Status Run(std::stop_token stop);
  const ClientCounts& counts() const { return counts_; }

 private:
  struct Connection;

  Operation Invent();
  void InvokeDue(Clock::time_point now);
  void Attend(Clock::time_point now);  // opens, gives up on, and forgets connections
  void SendWaiting();
  void Exchange(std::chrono::milliseconds limit);
  bool Flush(Connection& connection);
  bool Read(Connection& connection);
  void OnAnswer(Connection& connection, const Answer& answer);
  void Break(Connection& connection);  // what it owes is unknown
  void End(const Answer& answer, Clock::time_point invoked);
  void Dial(Clock::time_point now);
  int64_t Micros(Clock::time_point time) const;

  const ClientOptions options_;
  ClientCounts counts_;
  std::mt19937_64 random_;
  HistoryWriter history_;
  uint64_t next_id_ = 0;
  Clock::time_point next_due_;
  size_t member_ = 0;  // to be tried next

  struct Asked {
    Operation operation;
    Clock::time_point invoked;
  };
  std::deque<Asked> waiting_;                     // not sent
  std::unique_ptr<Connection> current_;           // null: none
  std::vector<std::unique_ptr<Connection>> old_;  // given up, may still answer
  Clock::time_point dial_again_;
};

// Asks whoever answers first for one operation, and waits: for the driver's own queries. False
// when nobody acknowledged it within the limit.
bool AskOnce(const std::vector<std::string>& addresses, uint16_t port, const Operation& operation,
             std::chrono::milliseconds limit, Answer& answer);

}  // namespace campaign
