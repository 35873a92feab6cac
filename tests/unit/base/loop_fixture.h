// What tests of the event loop share: run it until something happened, streams that record.
#pragma once

#include <gtest/gtest.h>
#include <sys/uio.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/epoll_loop.h"

namespace semper {

// The longest that anything here takes; a test that needs it has failed.
inline constexpr std::chrono::seconds kTooLong(20);

// Runs rounds until `condition`; false if it took too long.
inline bool RunUntil(EpollLoop& loop, const std::function<bool()>& condition) {
  const auto end = loop.Monotonic() + kTooLong;
  while (!condition()) {
    if (loop.Monotonic() > end) return false;
    loop.RunOnce(std::chrono::milliseconds(50));
  }
  return true;
}

// Owns a stream, reads all that comes, remembers what happened.
class Recorder : public Stream::Handler {
 public:
  explicit Recorder(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {
    stream_->SetHandler(this);
  }

  void OnReadable() override {
    ++readable;
    if (on_readable) return on_readable();
    ReadAll();
  }
  void OnWritable() override {
    ++writable;
    if (on_writable) on_writable();
  }
  void OnClosed(const absl::Status& status) override {
    ++closed;
    why = status;
    if (on_closed) on_closed();
  }

  void ReadAll() {
    std::vector<char> buffer(100'000);
    ptrdiff_t got;
    while ((got = stream_->Read(std::as_writable_bytes(std::span(buffer)))) > 0) {
      text.append(buffer.data(), static_cast<size_t>(got));
    }
    last_read = got;
  }

  ptrdiff_t Write(std::string piece) {
    const iovec one{.iov_base = piece.data(), .iov_len = piece.size()};
    return stream_->Write({&one, 1});
  }

  Stream& stream() { return *stream_; }
  void Drop() { stream_.reset(); }

  int readable = 0;
  int writable = 0;
  int closed = 0;
  ptrdiff_t last_read = 0;
  std::string text;
  absl::Status why;
  std::function<void()> on_readable;
  std::function<void()> on_writable;
  std::function<void()> on_closed;

 private:
  std::unique_ptr<Stream> stream_;
};

// A listener and one connection through it.
struct Connection {
  Connection(EpollLoop& loop, const std::string& address) {
    auto listening = loop.Listen(address, [this](std::unique_ptr<Stream> stream) {
      server = std::make_unique<Recorder>(std::move(stream));
    });
    EXPECT_TRUE(listening.ok()) << listening.status();
    if (!listening.ok()) return;
    listener = *std::move(listening);
    dial = loop.Dial(listener->Address(), kTooLong,
                     [this](absl::StatusOr<std::unique_ptr<Stream>> stream) {
                       EXPECT_TRUE(stream.ok()) << stream.status();
                       if (stream.ok()) client = std::make_unique<Recorder>(*std::move(stream));
                     });
    EXPECT_TRUE(RunUntil(loop, [this] { return server != nullptr && client != nullptr; }));
  }

  std::unique_ptr<Listener> listener;
  std::unique_ptr<Timer> dial;
  std::unique_ptr<Recorder> server;
  std::unique_ptr<Recorder> client;
};

}  // namespace semper
