// What gRPC carries between two processes on this machine: nothing durable, no exactly-once. A
// yardstick.
//
//   bench_grpc_echo --mode unary|stream --size BYTES [--window N] [--seconds S]
//
// unary: N calls outstanding with the callback API. stream: one bidirectional stream, the server
// answers every 1,000 messages. Prints one JSON object.
#include <grpcpp/grpcpp.h>
#include <signal.h>
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
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "echo.grpc.pb.h"

namespace {

using Clock = std::chrono::steady_clock;
constexpr uint64_t kAnswerEvery = 1000;

struct Arguments {
  std::string mode = "unary";
  size_t size = 16;
  int window = 64;
  double seconds = 2;
};

// Counts a stream's messages; one read or one write is under way at any time.
class StreamReactor final : public grpc::ServerBidiReactor<bench::Blob, bench::Count> {
 public:
  StreamReactor() { StartRead(&message_); }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    if (++received_ % kAnswerEvery != 0) return StartRead(&message_);
    answer_.set_messages(received_);
    StartWrite(&answer_);
  }
  void OnWriteDone(bool) override { StartRead(&message_); }
  void OnDone() override { delete this; }

 private:
  bench::Blob message_;
  bench::Count answer_;
  uint64_t received_ = 0;
};

class EchoService final : public bench::Echo::CallbackService {
 public:
  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* context, const bench::Blob* blob,
                                  bench::Count* count) override {
    count->set_messages(blob->data().size());
    auto* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  grpc::ServerBidiReactor<bench::Blob, bench::Count>* Stream(
      grpc::CallbackServerContext*) override {
    return new StreamReactor;
  }
};

// Serves on a free port, tells it through `pipe`, until it is killed.
[[noreturn]] void RunServer(int pipe) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  EchoService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (write(pipe, &port, sizeof port) != sizeof port) std::_Exit(1);
  server->Wait();
  std::_Exit(0);
}

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Keeps `window` calls outstanding.
class UnaryLoad {
 public:
  UnaryLoad(bench::Echo::Stub& stub, const Arguments& arguments)
      : stub_(stub), payload_(arguments.size, 'x'), live_(arguments.window) {
    micros_.reserve(1u << 22);
    for (int i = 0; i < arguments.window; ++i) Call();
  }

  std::vector<double> Stop() {
    stopping_ = true;
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return live_ == 0; });
    return std::move(micros_);
  }
  uint64_t done() const { return done_; }

 private:
  struct Pending {
    grpc::ClientContext context;
    bench::Blob blob;
    bench::Count count;
    Clock::time_point begin;
  };

  void Call() {
    auto pending = std::make_shared<Pending>();
    pending->blob.set_data(payload_);
    pending->begin = Clock::now();
    stub_.async()->Unary(
        &pending->context, &pending->blob, &pending->count,
        [this, pending](const grpc::Status& status) { OnAnswer(*pending, status); });
  }

  void OnAnswer(const Pending& pending, const grpc::Status& status) {
    if (!status.ok()) {
      std::fprintf(stderr, "bench_grpc_echo: %s\n", status.error_message().c_str());
      std::_Exit(1);
    }
    const double micros = SecondsSince(pending.begin) * 1e6;
    ++done_;
    {
      const std::lock_guard lock(mutex_);
      micros_.push_back(micros);
      if (stopping_) {
        if (--live_ == 0) ended_.notify_all();
        return;
      }
    }
    Call();
  }

  bench::Echo::Stub& stub_;
  const std::string payload_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> done_{0};
  std::mutex mutex_;
  std::condition_variable ended_;
  int live_;                    // guarded by mutex_
  std::vector<double> micros_;  // guarded by mutex_
};

void MeasureUnary(bench::Echo::Stub& stub, const Arguments& arguments) {
  const auto begin = Clock::now();
  UnaryLoad load(stub, arguments);
  std::this_thread::sleep_for(std::chrono::duration<double>(arguments.seconds));
  const double rate = static_cast<double>(load.done()) / SecondsSince(begin);
  std::vector<double> micros = load.Stop();
  std::sort(micros.begin(), micros.end());
  std::printf(
      "{\"mode\": \"unary\", \"size\": %zu, \"window\": %d, \"messages_per_second\": %.0f, "
      "\"p50_us\": %.1f, \"p99_us\": %.1f}\n",
      arguments.size, arguments.window, rate, micros[micros.size() / 2],
      micros[micros.size() * 99 / 100]);
}

void MeasureStream(bench::Echo::Stub& stub, const Arguments& arguments) {
  grpc::ClientContext context;
  const auto stream = stub.Stream(&context);
  bench::Blob blob;
  blob.set_data(std::string(arguments.size, 'x'));
  std::atomic<uint64_t> answered{0};
  std::thread reader([&] {
    bench::Count count;
    while (stream->Read(&count)) answered = count.messages();
  });
  const auto begin = Clock::now();
  while (SecondsSince(begin) < arguments.seconds) {
    for (int i = 0; i < 100; ++i) stream->Write(blob, grpc::WriteOptions().set_buffer_hint());
  }
  const double rate = static_cast<double>(answered) / SecondsSince(begin);
  stream->WritesDone();
  reader.join();
  (void)stream->Finish();
  std::printf("{\"mode\": \"stream\", \"size\": %zu, \"messages_per_second\": %.0f}\n",
              arguments.size, rate);
}

Arguments Parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const char* const value = argv[i + 1];
    if (flag == "--mode") arguments.mode = value;
    if (flag == "--size") arguments.size = std::strtoull(value, nullptr, 10);
    if (flag == "--window") arguments.window = static_cast<int>(std::strtol(value, nullptr, 10));
    if (flag == "--seconds") arguments.seconds = std::strtod(value, nullptr);
  }
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = Parse(argc, argv);
  int pipes[2];
  if (pipe(pipes) != 0) return 1;
  const pid_t server = fork();  // before gRPC starts threads
  if (server == 0) RunServer(pipes[1]);
  int port = 0;
  if (read(pipes[0], &port, sizeof port) != sizeof port || port == 0) return 1;
  const auto channel =
      grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials());
  const auto stub = bench::Echo::NewStub(channel);
  if (arguments.mode == "unary") {
    MeasureUnary(*stub, arguments);
  } else {
    MeasureStream(*stub, arguments);
  }
  std::fflush(stdout);
  kill(server, SIGKILL);
  waitpid(server, nullptr, 0);
  std::_Exit(0);
}
