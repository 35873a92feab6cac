// The disk alone: how long write + fdatasync of the next few bytes of a file takes.
//
//   bench_disk_sync --file PATH [--size BYTES] [--count N] [--prepare written|reserved|none]
//
// `written` (default): the file was filled with zeroes before, as segments of the log are;
// `reserved`: fallocate only; `none`: the file grows. Prints one JSON object.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void Die(const std::string& what) {
  std::perror(("bench_disk_sync: " + what).c_str());
  std::exit(1);
}

void Prepare(int file, const std::string& how, off_t bytes) {
  if (how == "reserved" && posix_fallocate(file, 0, bytes) != 0) Die("posix_fallocate");
  if (how == "written") {
    const std::vector<char> zeroes(1u << 20);
    for (off_t at = 0; at < bytes; at += static_cast<off_t>(zeroes.size())) {
      const auto part = std::min<size_t>(zeroes.size(), static_cast<size_t>(bytes - at));
      if (pwrite(file, zeroes.data(), part, at) != static_cast<ssize_t>(part)) Die("pwrite");
    }
  }
  if (fsync(file) != 0) Die("fsync");
}

}  // namespace

int main(int argc, char** argv) {
  std::string path = "disk_sync.tmp";
  std::string prepare = "written";
  size_t size = 4096;
  size_t count = 2000;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--file") path = argv[i + 1];
    if (flag == "--prepare") prepare = argv[i + 1];
    if (flag == "--size") size = std::strtoull(argv[i + 1], nullptr, 10);
    if (flag == "--count") count = std::strtoull(argv[i + 1], nullptr, 10);
  }
  if (size == 0 || count == 0) return 2;
  const int file = open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644);
  if (file < 0) Die(path);
  Prepare(file, prepare, static_cast<off_t>(size * count));

  const std::vector<char> bytes(size, 7);
  std::vector<double> micros;
  const auto begin = Clock::now();
  for (size_t i = 0; i < count; ++i) {
    const auto before = Clock::now();
    if (pwrite(file, bytes.data(), size, static_cast<off_t>(i * size)) !=
        static_cast<ssize_t>(size))
      Die("pwrite");
    if (fdatasync(file) != 0) Die("fdatasync");
    micros.push_back(std::chrono::duration<double, std::micro>(Clock::now() - before).count());
  }
  const double elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
  std::sort(micros.begin(), micros.end());
  std::printf(
      "{\"size\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, \"mb_per_second\": "
      "%.1f}\n",
      size, micros[count / 2], micros[count * 99 / 100], micros.back(),
      static_cast<double>(size * count) / elapsed / 1e6);
  close(file);
  unlink(path.c_str());
  return 0;
}
