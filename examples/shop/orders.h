// OrderDesk: the immortal demo/orders. Takes orders one after the other and has stock reserve the
// goods.
//
// Exactly once from a file: an order carries its number, the desk takes number `next` and nothing
// else, and `next` is part of its state. After a restart the edge reads `next` and goes on from
// there, so no order is skipped and none is taken twice, whatever became of the impulses that were
// under way.
#pragma once

#include <memory>
#include <string>

#include "examples/shop/books.h"
#include "examples/shop/catalog.h"
#include "examples/shop/edge.h"
#include "shop.semper.h"

namespace shop {

class OrderDesk final : public OrdersService {
 public:
  // `catalog` and the page live as long as the process.
  OrderDesk(const EdgeOptions& options, const Catalog& catalog)
      : options_(options), catalog_(catalog) {}

  void Place(semper::Context& context, const Order& order) override;
  semper::Result<RefillGranted> Reorder(semper::Context& context, const Refill& refill) override;
  void Report(semper::Context& context, const ReportRequest& request) override;

  void Save(semper::StateWriter& writer) const override;
  semper::Status Load(semper::StateReader& reader, uint32_t version) override;
  void OnLive(const semper::Impulses& impulses) override;

 private:
  void OnReserved(semper::Context& context, const semper::Result<Reserved>& answer,
                  const Order& order);
  void PublishSettled(semper::Context& context);

  const EdgeOptions options_;
  const Catalog& catalog_;
  StockClient stock_{"demo/stock"};
  semper::ReplyHandler<Reserved, Order> reserved_{this, "reserved", &OrderDesk::OnReserved};

  // State. Placed: reservations asked for; the next order's number is its count.
  Books placed_;
  Books confirmed_;
  std::map<std::string, uint64_t> refills_;  // by section
  uint64_t errors_ = 0;                      // answers that were errors

  std::shared_ptr<bool> settling_ = std::make_shared<bool>(false);  // not state: see PublishSettled
};

}  // namespace shop
