// Ledger: the service of each immortal of the campaign.
#pragma once

#include <array>
#include <string>

#include "campaign.semper.h"
#include "tests/campaign/edge.h"
#include "tests/campaign/ledger_state.h"

namespace campaign {

struct LedgerOptions {
  std::string clients;     // IP:PORT for clients, while live
  std::string report_dir;  // where this copy writes its states, as <report_dir>/<id of the report>
};

class Ledger final : public BooksService {
 public:
  Ledger(const LedgerOptions& options, Edge& edge) : options_(options), edge_(edge) {}

  void Take(semper::Context& context, const Order& order) override;
  semper::Result<Deposited> Deposit(semper::Context& context, const Order& order) override;

  void Save(semper::StateWriter& writer) const override;
  semper::Status Load(semper::StateReader& reader, uint32_t version) override;
  void OnLive(const semper::Impulses& impulses) override { edge_.Open(BooksImpulses(impulses)); }

 private:
  void OnDeposited(semper::Context& context, const semper::Result<Deposited>& answer,
                   const Order& order);
  void Transfer(semper::Context& context, const Order& order);
  void Report(semper::Context& context, const Order& order);
  // Tells the client, when it can no longer be undone.
  void Tell(semper::Context& context, uint64_t id, uint64_t first, uint64_t second = 0);

  const LedgerOptions options_;
  Edge& edge_;
  std::array<BooksClient, kImmortals> books_{
      BooksClient(ImmortalName(0)), BooksClient(ImmortalName(1)), BooksClient(ImmortalName(2))};
  semper::ReplyHandler<Deposited, Order> deposited_{this, "deposited", &Ledger::OnDeposited};

  LedgerState state_;
};

}  // namespace campaign
