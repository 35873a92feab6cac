// volume_self_test: the self-test between two mounts of one volume, once in each direction.
//
//   volume_self_test DIRECTORY DIRECTORY     the same directory, by the mounts of two nodes
//
// Exit status 0: passed; 1: refused; 2: no verdict.
#include <chrono>
#include <cstdio>

#include "tests/volumes/run_self_test.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: volume_self_test DIRECTORY DIRECTORY\n", stderr);
    return 2;
  }
  for (const auto& [asking, answering] : {std::pair{argv[1], argv[2]}, {argv[2], argv[1]}}) {
    const auto begin = std::chrono::steady_clock::now();
    const auto verdict = semper::volumes::RunSelfTest(asking, answering);
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                        std::chrono::steady_clock::now() - begin)
                        .count();
    if (!verdict.ok()) {
      std::printf("no verdict: %s\n", verdict.status().ToString().c_str());
      return 2;
    }
    if (!verdict->empty()) {
      std::printf("refused after %lld ms: %s\n", static_cast<long long>(ms), verdict->c_str());
      return 1;
    }
    std::printf("passed in %lld ms: %s asked, %s answered\n", static_cast<long long>(ms), asking,
                answering);
  }
  return 0;
}
