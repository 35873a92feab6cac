#include "examples/shop/demo/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace shop::demo {

namespace {

constexpr size_t kBarWidth = 24;
constexpr std::chrono::milliseconds kTerminalEvery{100};
constexpr std::chrono::seconds kFileEvery{3};

}  // namespace

Progress::Progress() : terminal_(isatty(STDERR_FILENO) == 1) {}

bool Progress::Due() const { return std::chrono::steady_clock::now() >= next_; }

void Progress::Show(double share, const std::string& text) {
  next_ = std::chrono::steady_clock::now();
  if (terminal_) {
    next_ += kTerminalEvery;
  } else {
    next_ += kFileEvery;
  }
  const auto full = static_cast<size_t>(std::clamp(share, 0.0, 1.0) * kBarWidth);
  const std::string bar = "[" + std::string(full, '#') + std::string(kBarWidth - full, '.') + "] ";
  // "erase to the end of the line" comes last, so that the line never flickers.
  std::fprintf(stderr, terminal_ ? "\r%s%s\x1b[K" : "%s%s\n", bar.c_str(), text.c_str());
  std::fflush(stderr);
  open_ = terminal_;
}

void Progress::Say(const std::string& line) {
  End();
  std::fprintf(stderr, "%s\n", line.c_str());
}

void Progress::End() {
  if (open_) std::fputc('\n', stderr);
  open_ = false;
}

std::string Grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

}  // namespace shop::demo
