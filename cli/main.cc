#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "cli/invocation.h"

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  return semper::cli::RunSemperctl(
      {argv + 1, argv + argc}, std::cout, std::cerr,
      [](const char* name) -> const char* { return std::getenv(name); });
}
