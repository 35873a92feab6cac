// StockRoom: the immortal demo/stock. Reserves goods for orders; after every kRefillEvery
// reservations of a section it calls orders for a refill, whose goods arrive a moment after the
// answer.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "examples/shop/ballast.h"
#include "examples/shop/books.h"
#include "examples/shop/edge.h"
#include "shop.semper.h"

namespace shop {

class StockRoom final : public StockService {
 public:
  static constexpr std::chrono::milliseconds kDeliveryTime{2};  // of logged time

  explicit StockRoom(const EdgeOptions& options) : options_(options), ballast_(options.ballast) {}

  semper::Result<Reserved> Reserve(semper::Context& context, const Order& order) override;
  void Report(semper::Context& context, const ReportRequest& request) override;

  void Save(semper::StateWriter& writer) const override;
  semper::Status Load(semper::StateReader& reader, uint32_t version) override;
  void OnLive(const semper::Impulses& impulses) override;

 private:
  struct Refills {
    uint64_t wanted = 0;
    uint64_t arrived = 0;
  };

  void OnGranted(semper::Context& context, const semper::Result<RefillGranted>& answer,
                 const Refill& refill);
  void OnDelivery(semper::Context& context, const Refill& refill);

  const EdgeOptions options_;
  OrdersClient orders_{"demo/orders"};
  semper::ReplyHandler<RefillGranted, Refill> granted_{this, "granted", &StockRoom::OnGranted};
  semper::TimerHandler<Refill> delivery_{this, "delivery", &StockRoom::OnDelivery};

  // State.
  Books reserved_;
  std::map<std::string, Refills> refills_;  // by section
  uint64_t wanted_ = 0;
  uint64_t arrived_ = 0;
  Ballast ballast_;
  uint64_t errors_ = 0;  // refills refused, or granted under another number than was asked
};

}  // namespace shop
