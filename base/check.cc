#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace semper::internal {

void CheckFailed(const char* file, int line, const char* condition, std::string_view text) {
  std::fprintf(stderr, "%s:%d: check failed: %s%s%.*s\n", file, line, condition,
               text.empty() ? "" : ": ", static_cast<int>(text.size()), text.data());
  std::abort();
}

}  // namespace semper::internal
