#include "examples/shop/stock.h"

namespace shop {

semper::Result<Reserved> StockRoom::Reserve(semper::Context& context, const Order& order) {
  const uint64_t count = reserved_.Add(order.number(), order.section(), order.size());
  ballast_.Touch(order.number());
  if (count % kRefillEvery == 0) {
    Refill refill;
    refill.set_section(order.section());
    refill.set_ordinal(++refills_[order.section()].wanted);
    ++wanted_;
    orders_.Reorder(context, refill, granted_, refill);
    if (!context.replaying()) options_.page->stock.refills = wanted_;
  }
  if (!context.replaying()) options_.page->stock.taken = reserved_.count();
  Reserved answer;
  answer.set_shelf(count);
  return answer;
}

void StockRoom::OnGranted(semper::Context& context, const semper::Result<RefillGranted>& answer,
                          const Refill& refill) {
  if (!answer.ok() || answer->ordinal() != refill.ordinal()) ++errors_;
  delivery_.After(context, kDeliveryTime, refill);
}

void StockRoom::OnDelivery(semper::Context& context, const Refill& refill) {
  ++refills_[refill.section()].arrived;
  ++arrived_;
  if (!context.replaying()) options_.page->stock.refilled = arrived_;
}

void StockRoom::Report(semper::Context& context, const ReportRequest& request) {
  std::string text = "report = " + std::to_string(request.id()) + " 0\n";
  text += reserved_.Lines("reserved");
  text += "errors = " + std::to_string(errors_) + " 0\n";
  for (const auto& [section, refills] : refills_) {
    text += "refills " + section + " " + std::to_string(refills.wanted) + " 0\n";
    text += "arrived " + section + " " + std::to_string(refills.arrived) + " 0\n";
  }
  context.AfterCommit([path = options_.report, text] { WriteReport(path, text); });
}

void StockRoom::Save(semper::StateWriter& writer) const {
  reserved_.Save(writer);
  writer.WriteUint64(errors_);
  writer.WriteVarint(refills_.size());
  for (const auto& [section, refills] : refills_) {
    writer.WriteString(section);
    writer.WriteVarint(refills.wanted);
    writer.WriteVarint(refills.arrived);
  }
  ballast_.Save(writer);
}

semper::Status StockRoom::Load(semper::StateReader& reader, uint32_t) {
  reserved_.Load(reader);
  errors_ = reader.ReadUint64();
  for (uint64_t left = reader.ReadVarint(); left > 0 && reader.ok(); --left) {
    Refills& refills = refills_[reader.ReadString()];
    refills.wanted = reader.ReadVarint();
    refills.arrived = reader.ReadVarint();
    wanted_ += refills.wanted;
    arrived_ += refills.arrived;
  }
  ballast_.Load(reader);
  return reader.status();
}

void StockRoom::OnLive(const semper::Impulses& impulses) {
  ServiceCounts& counts = options_.page->stock;
  counts.taken = reserved_.count();
  counts.refills = wanted_;
  counts.refilled = arrived_;
  ++counts.lives;
  WatchReports(*options_.page, [own = StockImpulses(impulses)](uint64_t id) {
    ReportRequest request;
    request.set_id(id);
    return own.Report(request).get().ok();
  });
}

}  // namespace shop
