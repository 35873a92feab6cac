#include "examples/shop/demo/snapshot.h"

#include <fmt/format.h>

#include <fstream>
#include <string_view>

#include "examples/shop/catalog.h"
#include "examples/shop/demo/process.h"

namespace shop::demo {

namespace {

constexpr std::chrono::seconds kProgramLimit{300};

// A record counts if it has a name and a size. The first `part` of them were ordered once more than
// the others.
constexpr char kAwk[] = R"awk(
function record() {
  if (name && size != "") {
    ++line
    times = full + (line <= part)
    if (times > 0) {
      if (section == "") section = "none"
      count[section] += times
      bytes[section] += times * size
    }
  }
  name = 0; size = ""; section = ""
}
/^Package: / { name = 1 }
/^Size: / { size = $2 }
/^Section: / { section = $2 }
/^$/ { record() }
END { record(); for (s in count) printf "%s %.0f %.0f\n", s, count[s], bytes[s] }
)awk";

// The value of the field if the line is that field.
std::optional<std::string> Field(const std::string& line, std::string_view name) {
  if (std::string_view(line).substr(0, name.size()) != name) return std::nullopt;
  return line.substr(name.size(), line.find(' ', name.size()) - name.size());
}

class CatalogMaker {
 public:
  explicit CatalogMaker(const std::string& path) : out_(path, std::ios::binary) {}

  void Take(const std::string& line) {
    if (line.empty()) return EndRecord();
    if (auto value = Field(line, "Package: ")) package_ = *value;
    if (auto value = Field(line, "Section: ")) section_ = *value;
    if (auto value = Field(line, "Size: ")) size_ = *value;
  }
  void EndRecord() {
    if (!package_.empty() && !size_.empty()) {
      out_ << package_ << '\t' << (section_.empty() ? "none" : section_) << '\t' << size_ << '\n';
      ++lines_;
    }
    package_.clear();
    section_.clear();
    size_.clear();
  }
  bool Finish() {
    EndRecord();
    out_.flush();
    return out_.good();
  }
  uint64_t lines() const { return lines_; }

 private:
  std::ofstream out_;
  std::string package_, section_, size_;
  uint64_t lines_ = 0;
};

}  // namespace

std::optional<Snapshot> Snapshot::Take(const std::string& dir, std::string& why) {
  Snapshot snapshot;
  snapshot.dir_ = dir;
  snapshot.available_ = dir + "/available";
  snapshot.catalog_ = dir + "/catalog";
  if (!RunProgram({"apt-cache", "dumpavail"}, snapshot.available_, kProgramLimit, why)) {
    return std::nullopt;
  }
  std::ifstream in(snapshot.available_, std::ios::binary);
  CatalogMaker maker(snapshot.catalog_);
  for (std::string line; std::getline(in, line);) maker.Take(line);
  if (!maker.Finish()) {
    why = fmt::format("cannot write {}", snapshot.catalog_);
    return std::nullopt;
  }
  snapshot.packages_ = maker.lines();
  if (snapshot.packages_ > 0) return snapshot;
  why = "apt-cache dumpavail knows no package on this machine; run apt-get update";
  return std::nullopt;
}

std::optional<Totals> Snapshot::Expect(uint64_t orders, std::string& why) const {
  const std::string out = dir_ + "/expected";
  if (!RunProgram({"awk", "-v", fmt::format("full={}", orders / packages_), "-v",
                   fmt::format("part={}", orders % packages_), kAwk, available_},
                  out, kProgramLimit, why)) {
    return std::nullopt;
  }
  Totals totals;
  std::ifstream in(out);
  std::string section;
  for (Tally tally; in >> section >> tally.count >> tally.bytes;) totals[section] = tally;
  return totals;
}

std::optional<Books> Snapshot::ExpectBooks(uint64_t orders) const {
  Catalog catalog;
  if (!catalog.Read(catalog_)) return std::nullopt;
  Books books;
  for (uint64_t number = 0; number < orders; ++number) {
    const Catalog::Line& line = catalog.At(number);
    books.Add(number, line.section, line.size);
  }
  return books;
}

}  // namespace shop::demo
