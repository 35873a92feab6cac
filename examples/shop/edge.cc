#include "examples/shop/edge.h"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>

namespace shop {

namespace {

constexpr std::chrono::milliseconds kLookEvery{2};

bool TakeFlag(std::string_view argument, std::string_view flag, std::string& value) {
  if (argument.substr(0, flag.size()) != flag) return false;
  value = argument.substr(flag.size());
  return true;
}

}  // namespace

EdgeOptions ParseEdgeOptions(int argc, char** argv) {
  EdgeOptions options;
  std::string page;
  std::string window;
  std::string ballast;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    (void)(TakeFlag(argument, "--page=", page) || TakeFlag(argument, "--report=", options.report) ||
           TakeFlag(argument, "--catalog=", options.catalog) ||
           TakeFlag(argument, "--window=", window) || TakeFlag(argument, "--ballast-mb=", ballast));
  }
  if (!window.empty()) options.window = std::strtoull(window.c_str(), nullptr, 10);
  if (options.window == 0) {
    std::fprintf(stderr, "shop: --window=%s is no number of orders above 0\n", window.c_str());
    std::exit(64);
  }
  options.ballast = std::strtoull(ballast.c_str(), nullptr, 10) << 20;
  static Page own;
  options.page = page.empty() ? &own : OpenPage(page);
  if (options.page == nullptr) {
    std::fprintf(stderr, "shop: cannot open the page %s: %s\n", page.c_str(), std::strerror(errno));
    std::exit(64);
  }
  return options;
}

void WriteReport(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".new";
  std::FILE* file = path.empty() ? stdout : std::fopen(temporary.c_str(), "we");
  if (file == nullptr) {
    std::fprintf(stderr, "shop: no report in %s: %s\n", temporary.c_str(), std::strerror(errno));
    return;
  }
  std::fwrite(text.data(), 1, text.size(), file);
  if (path.empty()) {
    std::fflush(file);
  } else if (std::fclose(file) != 0 || std::rename(temporary.c_str(), path.c_str()) != 0) {
    std::fprintf(stderr, "shop: no report in %s: %s\n", path.c_str(), std::strerror(errno));
  }
}

void WatchReports(const Page& page, std::function<bool(uint64_t id)> submit) {
  std::thread([&page, submit = std::move(submit)] {
    for (uint64_t done = 0;;) {
      const uint64_t wanted = page.report.load();
      if (wanted > done && !submit(done = wanted)) return;
      std::this_thread::sleep_for(kLookEvery);
    }
  }).detach();
}

}  // namespace shop
