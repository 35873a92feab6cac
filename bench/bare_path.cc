// What the machine itself can carry: the yardstick of the one-way benchmark.
//
//   source --Unix socket--> relay --TCP--> recorder --Unix socket--> sink
//                                             `--> file, fdatasync
//
// Four processes move the same bytes in the same way as two immortals do, and nothing else: no
// hashes, acknowledgements, retention, log at the sender or look-up of claims. The recorder hands
// bytes on before they are durable, the sink walks every message.
//
//   bench_bare_path --size BYTES [--seconds S] [--warm-up S] [--file PATH]
//
// Prints one JSON object: messages a second at the sink, payload MB a second, durable MB a second.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr size_t kHeaderBytes = 8;  // length, and a number that stands for a method
constexpr size_t kBatchBytes = 256u << 10;
constexpr size_t kReceiveBytes = 1u << 20;
constexpr size_t kSinkBytes = 2u << 20;
constexpr size_t kRetainedBytes = 64u << 20;  // what the relay keeps in case it had to send again
constexpr int kSocketBytes = 4 << 20;
constexpr int kBlocks = 64;
constexpr off_t kFileBytes = off_t{1} << 30;

struct Totals {
  std::atomic<uint64_t> messages{0};
  std::atomic<uint64_t> checksum{0};  // keeps the walk over the messages from being optimised away
  std::atomic<uint64_t> durable_bytes{0};
};

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::_Exit(1);
}

void EnlargeBuffers(int fd) {
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kSocketBytes, sizeof kSocketBytes);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kSocketBytes, sizeof kSocketBytes);
}

void SendAll(int fd, const char* from, size_t bytes) {
  while (bytes > 0) {
    const ssize_t sent = write(fd, from, bytes);
    if (sent <= 0) Die("bench_bare_path: write");
    from += sent;
    bytes -= static_cast<size_t>(sent);
  }
}

// Bytes that arrived, or the end of this process when the other end is gone.
size_t ReceiveSome(int fd, char* to, size_t room) {
  const ssize_t got = read(fd, to, room);
  if (got <= 0) std::_Exit(0);
  return static_cast<size_t>(got);
}

void RunSource(int to, size_t payload_bytes) {
  const size_t message_bytes = kHeaderBytes + payload_bytes;
  // Messages up to a batch share one; a larger one fills a batch of its own.
  const size_t count = std::max<size_t>(1, kBatchBytes / message_bytes);
  const uint32_t header[2] = {static_cast<uint32_t>(payload_bytes), 7};
  const size_t written = payload_bytes < 64 ? payload_bytes : 8;
  std::vector<char> batch(count * message_bytes);
  for (uint64_t sequence = 0;;) {
    for (char* at = batch.data(); at != batch.data() + batch.size(); at += message_bytes) {
      std::memcpy(at, header, sizeof header);
      std::memset(at + kHeaderBytes, static_cast<int>(sequence++ % 128), written);
    }
    SendAll(to, batch.data(), batch.size());
  }
}

void RunRelay(int from, const sockaddr_in& recorder) {
  const int to = socket(AF_INET, SOCK_STREAM, 0);
  EnlargeBuffers(to);
  if (connect(to, reinterpret_cast<const sockaddr*>(&recorder), sizeof recorder) != 0) {
    Die("bench_bare_path: connect");
  }
  std::vector<char> retained(kRetainedBytes);
  for (size_t at = 0;;) {
    if (at + kBatchBytes > retained.size()) at = 0;
    const size_t got = ReceiveSome(from, retained.data() + at, kBatchBytes);
    SendAll(to, retained.data() + at, got);
    at += got;
  }
}

// The recorder's file: blocks are queued by one thread, written and synced by another, and come
// back.
class GroupCommit {
 public:
  struct Block {
    std::vector<char> bytes = std::vector<char>(kReceiveBytes);
    size_t used = 0;
  };

  GroupCommit(const std::string& path, Totals& totals)
      : file_(open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644)), totals_(totals) {
    if (file_ < 0 || posix_fallocate(file_, 0, kFileBytes) != 0) Die(path.c_str());
    for (int i = 0; i < kBlocks; ++i) idle_.push_back(std::make_unique<Block>());
    writer_ = std::thread([this] { Write(); });
  }

  std::unique_ptr<Block> Take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !idle_.empty(); });
    auto block = std::move(idle_.back());
    idle_.pop_back();
    return block;
  }

  void Put(std::unique_ptr<Block> block) {
    const std::lock_guard lock(mutex_);
    gathered_.push_back(std::move(block));
    changed_.notify_all();
  }

 private:
  [[noreturn]] void Write() {
    off_t end = 0;
    std::deque<std::unique_ptr<Block>> group;
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return !gathered_.empty(); });
        group.swap(gathered_);
      }
      uint64_t bytes = 0;
      for (const auto& block : group) {
        if (end + static_cast<off_t>(block->used) > kFileBytes) end = 0;
        if (pwrite(file_, block->bytes.data(), block->used, end) < 0)
          Die("bench_bare_path: pwrite");
        end += static_cast<off_t>(block->used);
        bytes += block->used;
      }
      if (fdatasync(file_) != 0) Die("bench_bare_path: fdatasync");
      totals_.durable_bytes += bytes;
      const std::lock_guard lock(mutex_);
      for (; !group.empty(); group.pop_front()) idle_.push_back(std::move(group.front()));
      changed_.notify_all();
    }
  }

  const int file_;
  Totals& totals_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Block>> idle_;     // guarded by mutex_
  std::deque<std::unique_ptr<Block>> gathered_;  // guarded by mutex_
  std::thread writer_;                           // ends with the process
};

void RunRecorder(int listener, int to, const std::string& path, Totals& totals) {
  const int from = accept(listener, nullptr, nullptr);
  EnlargeBuffers(from);
  GroupCommit file(path, totals);
  for (;;) {
    auto block = file.Take();
    block->used = ReceiveSome(from, block->bytes.data(), block->bytes.size());
    SendAll(to, block->bytes.data(),
            block->used);  // speculation: the sink need not wait for the disk
    file.Put(std::move(block));
  }
}

void RunSink(int from, Totals& totals) {
  std::vector<char> received(kSinkBytes);
  size_t end = 0;
  for (;;) {
    end += ReceiveSome(from, received.data() + end, received.size() - end);
    uint64_t messages = 0;
    uint64_t checksum = 0;
    size_t at = 0;
    while (end - at >= kHeaderBytes) {
      uint32_t payload_bytes;
      std::memcpy(&payload_bytes, received.data() + at, sizeof payload_bytes);
      if (end - at < kHeaderBytes + payload_bytes) break;
      checksum += static_cast<unsigned char>(received[at + kHeaderBytes]);
      ++messages;
      at += kHeaderBytes + payload_bytes;
    }
    end -= at;
    std::memmove(received.data(), received.data() + at, end);
    totals.messages += messages;
    totals.checksum += checksum;
  }
}

struct Arguments {
  size_t size = 16;
  double seconds = 2;
  double warm_up = 0.5;
  std::string file = "bare_path.log";
};

Arguments Parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const char* const value = argv[i + 1];
    if (flag == "--size") arguments.size = std::strtoull(value, nullptr, 10);
    if (flag == "--seconds") arguments.seconds = std::strtod(value, nullptr);
    if (flag == "--warm-up") arguments.warm_up = std::strtod(value, nullptr);
    if (flag == "--file") arguments.file = value;
  }
  if (arguments.size < 8 || kHeaderBytes + arguments.size > kSinkBytes) {
    std::fprintf(stderr, "bench_bare_path: --size takes 8 to %zu\n", kSinkBytes - kHeaderBytes);
    std::exit(2);
  }
  return arguments;
}

// Children, ended together.
class Processes {
 public:
  void Start(const std::function<void()>& role) {
    const pid_t pid = fork();
    if (pid < 0) Die("bench_bare_path: fork");
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      role();
      std::_Exit(0);
    }
    pids_.push_back(pid);
  }
  ~Processes() {
    for (const pid_t pid : pids_) kill(pid, SIGKILL);
    for (const pid_t pid : pids_) waitpid(pid, nullptr, 0);
  }

 private:
  std::vector<pid_t> pids_;
};

double Measure(const Arguments& arguments, Totals& totals, uint64_t& messages,
               uint64_t& durable_bytes) {
  using Clock = std::chrono::steady_clock;
  const auto sleep = [](double seconds) {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  };
  // A busy disk takes its time for the file.
  for (int i = 0; i < 3000 && totals.messages == 0; ++i) sleep(0.01);
  sleep(arguments.warm_up);
  const auto begin = Clock::now();
  const uint64_t messages_before = totals.messages;
  const uint64_t durable_before = totals.durable_bytes;
  sleep(arguments.seconds);
  const double elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
  messages = totals.messages - messages_before;
  durable_bytes = totals.durable_bytes - durable_before;
  return elapsed;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = Parse(argc, argv);
  void* const shared =
      mmap(nullptr, sizeof(Totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) Die("bench_bare_path: mmap");
  auto& totals = *new (shared) Totals;

  int first[2];
  int second[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, first) != 0 ||
      socketpair(AF_UNIX, SOCK_STREAM, 0, second) != 0) {
    Die("bench_bare_path: socketpair");
  }
  for (const int fd : {first[0], first[1], second[0], second[1]}) EnlargeBuffers(fd);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener, 1) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    Die("bench_bare_path: listen");
  }

  uint64_t messages = 0;
  uint64_t durable_bytes = 0;
  double elapsed = 0;
  {
    Processes processes;
    processes.Start([&] { RunSink(second[1], totals); });
    processes.Start([&] { RunRecorder(listener, second[0], arguments.file, totals); });
    processes.Start([&] { RunRelay(first[1], address); });
    processes.Start([&] { RunSource(first[0], arguments.size); });
    elapsed = Measure(arguments, totals, messages, durable_bytes);
  }
  std::printf(
      "{\"size\": %zu, \"messages_per_second\": %.0f, \"payload_mb_per_second\": %.1f, "
      "\"durable_mb_per_second\": %.1f}\n",
      arguments.size, messages / elapsed, messages * arguments.size / elapsed / 1e6,
      durable_bytes / elapsed / 1e6);
  return messages > 0 ? 0 : 1;
}
