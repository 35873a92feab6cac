// Edge: the ledger's front for clients, on TCP; lines as in operation.h. It takes connections only
// while the ledger is live, and is no part of the replicated state.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "campaign.semper.h"
#include "tests/campaign/operation.h"

namespace campaign {

// Lives as long as the process. Thread-safe.
class Edge {
 public:
  explicit Edge(std::string address) : address_(std::move(address)) {}  // "IP:PORT"
  Edge(const Edge&) = delete;
  Edge& operator=(const Edge&) = delete;

  // Takes connections from now on, on a thread that ends with the process. Once.
  void Open(const BooksImpulses& impulses);

  // To who asked on this edge, if anybody did; never waits.
  void Tell(const Answer& answer);

 private:
  class Connection;

  void Serve(const BooksImpulses& impulses);
  void Submit(const BooksImpulses& impulses, const std::shared_ptr<Connection>& connection,
              const Operation& operation);
  int Listen() const;  // -1 with errno

  const std::string address_;
  std::mutex mutex_;
  std::unordered_map<uint64_t, std::shared_ptr<Connection>> waiting_;  // by operation
};

}  // namespace campaign
