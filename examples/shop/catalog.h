// Catalog: what can be ordered, one line each: package, section and size, separated by tabs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace shop {

class Catalog {
 public:
  struct Line {
    std::string_view package;
    std::string_view section;
    uint64_t size = 0;
  };

  // Reads the file. False, with a sentence on stderr, if it cannot be read, is empty, or has a line
  // of another form.
  bool Read(const std::string& path);

  // Line number % lines: after the last line another round begins.
  const Line& At(uint64_t number) const { return lines_[number % lines_.size()]; }
  size_t size() const { return lines_.size(); }

 private:
  bool ParseLine(std::string_view text);

  std::string text_;  // the lines point into it
  std::vector<Line> lines_;
};

}  // namespace shop
