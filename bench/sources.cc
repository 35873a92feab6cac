// Speaks for any number of immortals that send to one: what a real coordinator does on a connection
// to a peer (docs/formats/peer.md), without logs or services, so that a thousand of them fit on a
// machine.
//
//   bench_sources --port P --sources N [--size B] [--messages N] [--frames N] [--to NAME]
//
// Keeps `frames` frames of `messages` messages unacknowledged, however many the sources are; they
// take turns. Runs until it is killed; ends with 1 when the other side refuses.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "bench/pattern.h"
#include "bench/tally.h"
#include "semper/v1/peer.pb.h"
#include "sidecar/core/types.h"
#include "sidecar/wire/frame_stream.h"

namespace semper::bench {
namespace {

using core::FrameHeader;
using core::FrameKind;

constexpr uint64_t kPingAfterNanos = 1'000'000'000;

struct Arguments {
  uint16_t port = 0;
  size_t sources = 1;
  size_t size = 16;
  uint32_t messages = 1000;
  size_t frames = 256;
  std::string to = "bench/b";
};

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "bench_sources: %s\n", what.c_str());
  std::_Exit(1);
}

class Source {
 public:
  Source(const Arguments& arguments, size_t number) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(arguments.port);
    if (fd_ < 0 || connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      Die("cannot connect");
    }
    v1::PeerHello hello;
    hello.set_protocol_version(1);
    hello.set_minimum_protocol_version(1);
    hello.set_stream_hash_algorithm(kHashCrc32c);
    hello.mutable_sender()->set_cluster("bench");
    hello.mutable_sender()->set_name("bench/source-" + std::to_string(number));
    hello.mutable_sender()->set_incarnation(std::string(16, 's'));
    hello.mutable_sender()->set_epoch(1);
    hello.mutable_receiver()->set_cluster("bench");
    hello.mutable_receiver()->set_name(arguments.to);
    const std::string bytes = hello.SerializeAsString();
    FrameHeader header;
    header.kind = FrameKind::kPeerHello;
    Say(header, std::as_bytes(std::span(bytes)));
    while (!welcomed_) Hear();
  }

  int fd() const { return fd_; }
  uint64_t said_at() const { return said_at_; }

  // The next frame. Blocks while the receiver does not read.
  void Send(Pattern& pattern, uint32_t messages) {
    payload_.clear();
    for (uint32_t i = 0; i < messages; ++i) {
      const auto body = pattern.Make(sent_ + i);
      std::byte length[core::kMessageHeaderBytes];
      StoreLittle(length, static_cast<uint32_t>(body.size()));
      payload_.insert(payload_.end(), std::begin(length), std::end(length));
      payload_.insert(payload_.end(), body.begin(), body.end());
    }
    FrameHeader header;
    header.kind = FrameKind::kMessages;
    header.count = messages;
    header.first_sequence = sent_ + 1;
    sent_ += messages;
    ends_.push_back(sent_);
    Say(header, payload_);
  }

  void Ping() {
    FrameHeader header;
    header.kind = FrameKind::kPing;
    Say(header, {});
  }

  // Reads what is there, or waits for it; frames that became acknowledged.
  size_t Hear() {
    std::byte some[4096];
    const ssize_t got = recv(fd_, some, sizeof some, 0);
    if (got <= 0) Die("the receiver closed a connection");
    received_.insert(received_.end(), some, some + got);
    size_t at = 0;
    size_t acknowledged = 0;
    while (received_.size() - at >= core::kFrameHeaderBytes) {
      const FrameHeader header = FrameHeader::Decode(&received_[at]);
      if (received_.size() - at < core::kFrameHeaderBytes + header.bytes) break;
      acknowledged += Take(header, &received_[at + core::kFrameHeaderBytes]);
      at += core::kFrameHeaderBytes + header.bytes;
    }
    received_.erase(received_.begin(), received_.begin() + static_cast<ptrdiff_t>(at));
    return acknowledged;
  }

 private:
  size_t Take(const FrameHeader& header, const std::byte* payload) {
    switch (header.kind) {
      case FrameKind::kPeerWelcome: {
        v1::PeerWelcome welcome;
        if (!welcome.ParseFromArray(payload, static_cast<int>(header.bytes))) Die("a bad welcome");
        sent_ = welcome.resume().sequence();
        welcomed_ = true;
        return 0;
      }
      case FrameKind::kAck: {
        size_t acknowledged = 0;
        for (; !ends_.empty() && ends_.front() <= header.first_sequence; ends_.pop_front()) {
          ++acknowledged;
        }
        return acknowledged;
      }
      case FrameKind::kPeerRefused: {
        v1::PeerRefused refused;
        refused.ParseFromArray(payload, static_cast<int>(header.bytes));
        Die("refused: " + refused.text());
      }
      default:
        return 0;
    }
  }

  void Say(FrameHeader header, std::span<const std::byte> payload) {
    header.bytes = static_cast<uint32_t>(payload.size());
    header.crc = payload.empty() ? 0 : Crc32c(0, payload);
    wire::FinishPeerHeader(header);
    std::byte encoded[core::kFrameHeaderBytes];
    header.Encode(encoded);
    Write(encoded, payload.empty() ? 0 : MSG_MORE);
    Write(payload, 0);
    said_at_ = MonotonicNanos();
  }

  void Write(std::span<const std::byte> bytes, int flags) {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), flags | MSG_NOSIGNAL);
      if (sent <= 0) Die("the receiver closed a connection");
      bytes = bytes.subspan(static_cast<size_t>(sent));
    }
  }

  const int fd_;
  bool welcomed_ = false;
  uint64_t sent_ = 0;  // messages, in the whole life of this source
  uint64_t said_at_ = 0;
  std::deque<uint64_t> ends_;  // of frames that are not acknowledged: their last sequence
  std::vector<std::byte> payload_;
  std::vector<std::byte> received_;
};

[[noreturn]] void Run(const Arguments& arguments) {
  std::deque<Source> sources;
  std::vector<pollfd> polled;
  for (size_t i = 0; i < arguments.sources; ++i) {
    polled.push_back({sources.emplace_back(arguments, i).fd(), POLLIN, 0});
  }
  Pattern pattern(arguments.size, Content::kSame);
  size_t turn = 0;
  for (size_t unacknowledged = 0;;) {
    for (; unacknowledged < arguments.frames; ++unacknowledged) {
      sources[turn].Send(pattern, arguments.messages);
      turn = (turn + 1) % sources.size();
    }
    if (poll(polled.data(), polled.size(), 1000) < 0) Die("poll");
    const uint64_t now = MonotonicNanos();
    for (size_t i = 0; i < sources.size(); ++i) {
      if (polled[i].revents != 0) unacknowledged -= sources[i].Hear();
      if (now > sources[i].said_at() + kPingAfterNanos) sources[i].Ping();
    }
  }
}

Arguments Parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const uint64_t number = std::strtoull(argv[i + 1], nullptr, 10);
    if (flag == "--port") arguments.port = static_cast<uint16_t>(number);
    if (flag == "--sources") arguments.sources = std::max<uint64_t>(1, number);
    if (flag == "--size") arguments.size = number;
    if (flag == "--messages") arguments.messages = static_cast<uint32_t>(number);
    if (flag == "--frames") arguments.frames = number;
    if (flag == "--to") arguments.to = argv[i + 1];
  }
  return arguments;
}

}  // namespace
}  // namespace semper::bench

int main(int argc, char** argv) { semper::bench::Run(semper::bench::Parse(argc, argv)); }
