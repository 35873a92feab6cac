// Progress: one line that is rewritten on a terminal, a line every few seconds elsewhere. Writes to
// stderr. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace shop::demo {

class Progress {
 public:
  Progress();
  ~Progress() { End(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Shows `share` (0..1) as a bar, then the text, if it is time to show something again.
  bool Due() const;
  void Show(double share, const std::string& text);

  void Say(const std::string& line);  // a whole line of its own
  void End();                         // ends the line that is being rewritten

 private:
  const bool terminal_;
  bool open_ = false;
  std::chrono::steady_clock::time_point next_;
};

// 1234567 as "1,234,567".
std::string Grouped(uint64_t number);

}  // namespace shop::demo
