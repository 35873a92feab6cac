#include "examples/shop/demo/audit.h"

#include <fmt/format.h>

#include <fstream>
#include <set>

namespace shop::demo {

namespace {

constexpr size_t kFindingsMax = 12;

class Auditor {
 public:
  void Find(std::string text) {
    if (verdict_.findings.size() < kFindingsMax) verdict_.findings.push_back(std::move(text));
  }

  void CompareBook(const Report& report, const std::string& book, const Totals& expected,
                   uint64_t checksum) {
    const Totals held = report.Sections(book);
    std::set<std::string> sections;
    for (const auto& [section, tally] : expected) sections.insert(section);
    for (const auto& [section, tally] : held) sections.insert(section);
    uint64_t count = 0;
    for (const std::string& section : sections) {
      const Tally is = Get(held, section);
      const Tally wanted = Get(expected, section);
      count += wanted.count;
      if (is.count < wanted.count) verdict_.lost += wanted.count - is.count;
      if (is.count > wanted.count) verdict_.duplicated += is.count - wanted.count;
      if (is.bytes != wanted.bytes) ++verdict_.mismatched;
      if (is.count != wanted.count || is.bytes != wanted.bytes) {
        Find(fmt::format("{}, section {}: {} orders of {} bytes, the snapshot has {} of {}", book,
                         section, is.count, is.bytes, wanted.count, wanted.bytes));
      }
    }
    Same(fmt::format("{}: number of orders", book), report.Of(book, "=").count, count);
    // Of the whole line "<book> = <count> <checksum>".
    Same(fmt::format("{}: checksum over every order", book), report.Of(book, "=").bytes, checksum);
  }

  void Same(const std::string& what, uint64_t is, uint64_t wanted) {
    if (is == wanted) return;
    ++verdict_.mismatched;
    Find(fmt::format("{}: {}, expected {}", what, is, wanted));
  }

  static Tally Get(const Totals& totals, const std::string& section) {
    const auto found = totals.find(section);
    return found == totals.end() ? Tally() : found->second;
  }

  Verdict Take() { return std::move(verdict_); }

 private:
  Verdict verdict_;
};

}  // namespace

std::optional<Report> Report::Read(const std::string& path) {
  std::ifstream in(path);
  Report report;
  std::string book, key;
  for (Tally tally; in >> book >> key >> tally.count >> tally.bytes;) {
    report.books_[book][key] = tally;
  }
  if (!in.eof() || report.id() == 0) return std::nullopt;
  return report;
}

Tally Report::Of(const std::string& book, const std::string& key) const {
  const auto found = books_.find(book);
  return found == books_.end() ? Tally() : Auditor::Get(found->second, key);
}

Totals Report::Sections(const std::string& book) const {
  const auto found = books_.find(book);
  Totals sections = found == books_.end() ? Totals() : found->second;
  sections.erase("=");
  return sections;
}

Verdict Audit(const Report& orders, const Report& stock, const Totals& expected,
              uint64_t checksum) {
  Auditor auditor;
  auditor.CompareBook(orders, "placed", expected, checksum);
  auditor.CompareBook(orders, "confirmed", expected, checksum);
  auditor.CompareBook(stock, "reserved", expected, checksum);
  auditor.Same("orders confirmed, and reservations at stock", orders.Of("confirmed", "=").count,
               stock.Of("reserved", "=").count);
  auditor.Same("answers that were errors, at orders", orders.Of("errors", "=").count, 0);
  auditor.Same("answers that were wrong, at stock", stock.Of("errors", "=").count, 0);
  // Stock asks for a refill after every so many reservations of a section.
  const Totals wanted = stock.Sections("refills");
  for (const auto& [section, tally] : stock.Sections("reserved")) {
    const uint64_t due = tally.count / kRefillEvery;
    auditor.Same("refills asked for, of " + section, Auditor::Get(wanted, section).count, due);
    auditor.Same("refills granted, of " + section, orders.Of("refills", section).count, due);
    auditor.Same("refills arrived, of " + section, stock.Of("arrived", section).count, due);
  }
  return auditor.Take();
}

}  // namespace shop::demo
