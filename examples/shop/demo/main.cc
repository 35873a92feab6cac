// shop_demo: see options.cc for its usage, ../README.md for what it shows.
#include <csignal>
#include <cstdio>
#include <utility>

#include "examples/shop/demo/demo.h"

int main(int argc, char** argv) {
  int status = 0;
  const std::optional<shop::demo::Options> options = shop::demo::ParseOptions(argc, argv, &status);
  if (!options) return status;
  std::string why;
  std::optional<shop::demo::WorkDir> dir = shop::demo::WorkDir::Make(why);
  if (!dir) {
    std::printf("demo: FAILED %s\n", why.c_str());
    return 1;
  }
  for (const int signal : {SIGINT, SIGTERM}) {
    std::signal(signal, [](int) { shop::demo::Demo::Interrupt(); });
  }
  return shop::demo::Demo(*options, *std::move(dir)).Run();
}
