#include "examples/shop/orders.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

namespace shop {

namespace {

constexpr std::chrono::microseconds kLookEvery{200};

// Orders below this number may be placed now: by the clock, or at most `window` of them without
// stock's answer.
uint64_t EndOfDue(const Page& page, uint64_t window) {
  const uint64_t due = OrdersDue(page, MonotonicNanos());
  return std::min(page.limit.load(),
                  due == UINT64_MAX ? page.orders.confirmed.load() + window : due);
}

// Until the next customer comes; not for long, since the watcher may change its mind.
void WaitForDue(const Page& page, uint64_t next) {
  std::chrono::nanoseconds wait = kLookEvery;
  if (const int64_t every = page.clock_every.load(); every != 0 && next < page.limit.load()) {
    const int64_t due = page.clock_begin.load() + static_cast<int64_t>(next) * every;
    wait = std::clamp<std::chrono::nanoseconds>(std::chrono::nanoseconds(due - MonotonicNanos()),
                                                std::chrono::microseconds(20),
                                                std::chrono::milliseconds(2));
  }
  std::this_thread::sleep_for(wait);
}

// The edge: orders line after line. Ends when the link does.
void PlaceOrders(const OrdersImpulses& impulses, const EdgeOptions& options, const Catalog& catalog,
                 uint64_t next) {
  const auto refused = std::make_shared<std::atomic<bool>>(false);
  Page& page = *options.page;
  Order order;
  while (!refused->load(std::memory_order_relaxed)) {
    const uint64_t end = EndOfDue(page, options.window);
    if (next >= end) {
      WaitForDue(page, next);
      continue;
    }
    for (; next < end; ++next) {
      const Catalog::Line& line = catalog.At(next);
      order.set_number(next);
      order.set_package(line.package.data(), line.package.size());
      order.set_section(line.section.data(), line.section.size());
      order.set_size(line.size);
      impulses.Place(order, [refused](const semper::ImpulseResult& result) {
        if (!result.ok()) refused->store(true, std::memory_order_relaxed);
      });
      page.orders.submitted.store(next + 1, std::memory_order_relaxed);
    }
  }
}

}  // namespace

void OrderDesk::Place(semper::Context& context, const Order& order) {
  // A number that was taken comes again when its impulse was logged just before the edge died; a
  // later one cannot come before its turn but by a mistake of the edge.
  if (order.number() != placed_.count()) return;
  placed_.Add(order.number(), order.section(), order.size());
  stock_.Reserve(context, order, reserved_, order);
  if (!context.replaying()) options_.page->orders.taken.store(placed_.count());
}

void OrderDesk::OnReserved(semper::Context& context, const semper::Result<Reserved>& answer,
                           const Order& order) {
  if (!answer.ok()) {
    ++errors_;
    return;
  }
  confirmed_.Add(order.number(), order.section(), order.size());
  if (!context.replaying()) {
    options_.page->orders.confirmed.store(confirmed_.count(), std::memory_order_relaxed);
    PublishSettled(context);
  }
}

// What is on the page as settled is committed. One note at a time is under way, since each costs an
// allocation, but the last order of all gets its own.
void OrderDesk::PublishSettled(semper::Context& context) {
  if (*settling_ && confirmed_.count() < placed_.count()) return;
  *settling_ = true;
  context.AfterCommit([settling = settling_, page = options_.page, count = confirmed_.count()] {
    *settling = false;
    Settle(*page, count);
  });
}

semper::Result<RefillGranted> OrderDesk::Reorder(semper::Context&, const Refill& refill) {
  uint64_t& granted = refills_[refill.section()];
  ++granted;
  RefillGranted answer;
  answer.set_ordinal(granted);
  return answer;
}

void OrderDesk::Report(semper::Context& context, const ReportRequest& request) {
  std::string text = "report = " + std::to_string(request.id()) + " 0\n";
  text += placed_.Lines("placed") + confirmed_.Lines("confirmed");
  text += "errors = " + std::to_string(errors_) + " 0\n";
  for (const auto& [section, count] : refills_) {
    text += "refills " + section + " " + std::to_string(count) + " 0\n";
  }
  context.AfterCommit([path = options_.report, text] { WriteReport(path, text); });
}

void OrderDesk::Save(semper::StateWriter& writer) const {
  placed_.Save(writer);
  confirmed_.Save(writer);
  writer.WriteUint64(errors_);
  writer.WriteVarint(refills_.size());
  for (const auto& [section, count] : refills_) {
    writer.WriteString(section);
    writer.WriteVarint(count);
  }
}

semper::Status OrderDesk::Load(semper::StateReader& reader, uint32_t) {
  placed_.Load(reader);
  confirmed_.Load(reader);
  errors_ = reader.ReadUint64();
  for (uint64_t left = reader.ReadVarint(); left > 0 && reader.ok(); --left) {
    const std::string section = reader.ReadString();
    refills_[section] = reader.ReadVarint();
  }
  return reader.status();
}

void OrderDesk::OnLive(const semper::Impulses& impulses) {
  Page& page = *options_.page;
  page.orders.taken = placed_.count();
  page.orders.confirmed = confirmed_.count();
  page.orders.submitted = placed_.count();
  ++page.orders.lives;
  const OrdersImpulses own(impulses);
  // Both threads touch the catalog and the page only, which live as long as the process.
  if (!options_.catalog.empty()) {
    std::thread([own, options = options_, &catalog = catalog_, next = placed_.count()] {
      PlaceOrders(own, options, catalog, next);
    }).detach();
  }
  WatchReports(page, [own](uint64_t id) {
    ReportRequest request;
    request.set_id(id);
    return own.Report(request).get().ok();
  });
}

}  // namespace shop
