#include "examples/shop/catalog.h"

#include <charconv>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace shop {

bool Catalog::ParseLine(std::string_view text) {
  const size_t first = text.find('\t');
  const size_t second = first == text.npos ? text.npos : text.find('\t', first + 1);
  if (second == text.npos) return false;
  Line line{text.substr(0, first), text.substr(first + 1, second - first - 1), 0};
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data() + second + 1, end, line.size);
  if (error != std::errc() || stopped != end) return false;
  lines_.push_back(line);
  return true;
}

bool Catalog::Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream all;
  if (file) all << file.rdbuf();
  text_ = std::move(all).str();
  const std::string_view text = text_;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    if (end == text.npos || !ParseLine(text.substr(at, end - at))) {
      std::fprintf(stderr, "shop: line %zu of the catalog %s is not package, section, size\n",
                   lines_.size() + 1, path.c_str());
      return false;
    }
    at = end + 1;
  }
  if (lines_.empty()) std::fprintf(stderr, "shop: no catalog in '%s'\n", path.c_str());
  return !lines_.empty();
}

}  // namespace shop
