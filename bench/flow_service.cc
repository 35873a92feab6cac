// The services of the benchmarks, with raw handlers and with typed ones.
//
//   bench_flow --role ROLE --tally FILE [--size B] [--to NAME] [--outputs N] [--outstanding N]
//              [--state B] [--content random|mixed|typed]
//
// ROLE is one of
// - source: keeps `outstanding` impulses in its log; each makes it send `outputs` messages (at most
//   1,000) to `to`. While the runner sets a rate, it sends by the clock instead.
// - sink: verifies every message and fails at the first gap, repeat or wrong byte; of impulses by
//   the clock it samples how long after they were due all their messages were committed.
// - both: is both.
// - caller: sends one message to `to`, and the next when the answer is there; samples the time
//   between.
// - echo: answers every message with its own bytes.
//
// The link to the coordinator is in SEMPER_LINK. --state makes the state of any of them B bytes
// larger. --content random|mixed is that of Pattern, typed has protobuf messages and handlers.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/pattern.h"
#include "bench/tally.h"
#include "semper/semper.h"
#include "typed.semper.h"

namespace semper::bench {
namespace {

constexpr uint64_t kOutputsMax = 1000;  // of one input: what the comparison with others allows

struct Arguments {
  std::string role;
  std::string tally;
  std::string to = "bench/b";
  size_t size = 16;
  uint64_t outputs = kOutputsMax;
  uint64_t outstanding = 64;
  uint64_t state_bytes = 0;
  Content content = Content::kSame;
  bool typed = false;
};

// What the services below have in common: the file for the runner, messages that are told apart,
// and ballast: a state as large as the runner wants it.
class BenchService : public virtual Service {
 public:
  explicit BenchService(const Arguments& arguments)
      : tally_(arguments.tally),
        pattern_(arguments.size, arguments.content),
        to_(arguments.to),
        ballast_(arguments.state_bytes / sizeof(uint64_t)) {
    for (size_t i = 0; i < ballast_.size(); ++i) ballast_[i] = EndWord(i);
  }

  std::string service_name() const override { return "semper.bench"; }
  void OnLive(const Impulses&) override { tally_.SetLive(); }

  void Save(StateWriter& writer) const final {
    SaveCounts(writer);
    writer.WriteBytes(std::as_bytes(std::span(ballast_)));
  }
  Status Load(StateReader& reader, uint32_t) final {
    LoadCounts(reader);
    reader.ReadBytes(std::as_writable_bytes(std::span(ballast_)));
    for (size_t i = 0; i < ballast_.size(); i += 512) {
      if (ballast_[i] != EndWord(i)) tally_.AddViolation();
    }
    return reader.status();
  }

 protected:
  virtual void SaveCounts(StateWriter& writer) const = 0;
  virtual void LoadCounts(StateReader& reader) = 0;

  Tally tally_;
  Pattern pattern_;
  Destination to_;

 private:
  std::vector<uint64_t> ballast_;
};

// When an impulse was due: its body, and that of the message behind its last one. No pattern has
// this size.
using Stamp = std::array<char, 12>;

// What raw and typed flows have in common: impulses, and where in the flow of each source they are.
class Flow : public BenchService {
 public:
  explicit Flow(const Arguments& arguments)
      : BenchService(arguments),
        sends_(arguments.role != "sink"),
        outputs_(std::min(arguments.outputs, kOutputsMax)),
        outstanding_(arguments.outstanding) {}

  void OnLive(const Impulses& impulses) override {
    BenchService::OnLive(impulses);
    impulses_ = impulses;
    // Ends with the process: each life of a service is one.
    if (sends_) std::thread([this] { Edge(); }).detach();
  }

 protected:
  // The outputs of one impulse: send(number) of each.
  template <typename Send>
  void SendAll(Send send) {
    for (uint64_t i = 0; i < outputs_; ++i) send(sent_++);
  }

  // The number of the next message of a source.
  uint64_t& Expected(const Source& source) {
    if (source.slot >= expected_.size()) expected_.resize(source.slot + 1);
    return expected_[source.slot];
  }
  void Received(Context& context, uint64_t messages) {
    received_ += messages;
    tally_.SetReceived(received_);
    context.AfterCommit([this, upto = received_] { tally_.SetCommitted(upto); });
  }
  void Refuse(Context& context, uint64_t number) {
    tally_.AddViolation();
    context.Fail("message " + std::to_string(number) + " is not what was sent");
  }

 private:
  void SaveCounts(StateWriter& writer) const override {
    writer.WriteUint64(sent_);
    writer.WriteUint64(received_);
    writer.WriteUint64(expected_.size());
    for (const uint64_t number : expected_) writer.WriteUint64(number);
  }
  void LoadCounts(StateReader& reader) override {
    sent_ = reader.ReadUint64();
    received_ = reader.ReadUint64();
    expected_.resize(reader.ReadUint64());
    for (uint64_t& number : expected_) number = reader.ReadUint64();
  }

  bool flows() const { return !tally_.held() && tally_.rate() == 0; }

  // Each impulse that is committed makes room for the next, on the service's own thread. While the
  // runner holds the flow (a yardstick has its turn) none is made; Edge goes on afterwards.
  void Submit() {
    impulses_->Submit("go", [this](const ImpulseResult& result) {
      if (!result.ok()) {
        lost_ = true;
        return;
      }
      tally_.AddImpulse();
      if (flows()) {
        Submit();
      } else {
        --submitted_;
      }
    });
  }

  void Edge() {
    for (; !lost_; std::this_thread::sleep_for(std::chrono::milliseconds(1))) {
      while (flows() && submitted_ < outstanding_) {
        ++submitted_;
        Submit();
      }
      if (const uint64_t rate = tally_.rate(); rate != 0) ByClock(rate);
    }
  }

  // What is late is made up for: nobody waits for anybody.
  void ByClock(uint64_t rate) {
    const double period = 1e9 * static_cast<double>(outputs_) / static_cast<double>(rate);
    const uint64_t begin = MonotonicNanos();
    for (uint64_t i = 0; !lost_ && !tally_.held() && tally_.rate() == rate; ++i) {
      const uint64_t due = begin + static_cast<uint64_t>(static_cast<double>(i) * period);
      if (const uint64_t now = MonotonicNanos(); now < due) {
        std::this_thread::sleep_for(std::chrono::nanoseconds(due - now));
      }
      Stamp stamp{};
      std::memcpy(stamp.data(), &due, sizeof due);
      impulses_->Submit(std::string_view(stamp.data(), stamp.size()),
                        [this](const ImpulseResult& result) {
                          if (!result.ok()) lost_ = true;
                        });
    }
  }

  const bool sends_;
  const uint64_t outputs_;
  const uint64_t outstanding_;
  std::optional<Impulses> impulses_;
  std::atomic<uint64_t> submitted_{0};  // and not answered
  std::atomic<bool> lost_{false};       // the link: this life ends
  uint64_t sent_ = 0;
  uint64_t received_ = 0;
  std::vector<uint64_t> expected_;  // by slot
};

class RawFlow final : public Flow {
 public:
  using Flow::Flow;

  void OnMessages(Context& context, const Source& source, Messages& messages) override {
    Message message;
    if (source.slot == 0) {
      while (messages.Next(message)) {
        SendAll([&](uint64_t number) { context.Send(to_, pattern_.Make(number)); });
        if (message.body.size() == sizeof(Stamp)) context.Send(to_, message.body);
      }
      return;
    }
    uint64_t& expected = Expected(source);
    const uint64_t first = expected;
    while (messages.Next(message)) {
      if (pattern_.Is(message.body, expected)) [[likely]] {
        ++expected;
      } else if (message.body.size() == sizeof(Stamp)) {
        uint64_t due;
        std::memcpy(&due, message.body.data(), sizeof due);
        context.AfterCommit([this, due] { tally_.AddSample(MonotonicNanos() - due); });
      } else {
        return Refuse(context, expected);
      }
    }
    Received(context, expected - first);
  }
};

class TypedFlow final : public Flow, public ::bench::TypedService {
 public:
  explicit TypedFlow(const Arguments& arguments) : Flow(arguments), client_(arguments.to) {}

  std::string service_name() const override { return BenchService::service_name(); }
  void OnImpulse(Context& context, std::span<const std::byte>) override {
    SendAll([&](uint64_t number) {
      item_.set_number(number);
      item_.set_end(EndWord(number));
      client_.Put(context, item_);
    });
  }

  void Put(Context& context, const ::bench::Item& item) override {
    uint64_t& expected = Expected(context.source());
    if (item.number() != expected || item.end() != EndWord(expected)) [[unlikely]] {
      return Refuse(context, expected);
    }
    if (++expected % kOutputsMax == 0) Received(context, kOutputsMax);
  }

 private:
  ::bench::Item item_;
  const ::bench::TypedClient client_;
};

// The clock below feeds the tally only, never the state or an output.
class Caller final : public BenchService {
 public:
  using BenchService::BenchService;

  void OnImpulse(Context& context, std::span<const std::byte>) override { Call(context); }

  void OnMessage(Context& context, const Source&, std::span<const std::byte> body) override {
    if (!pattern_.Is(body, called_ - 1)) {
      tally_.AddViolation();
      return context.Fail("answer " + std::to_string(called_ - 1) + " is not what was sent");
    }
    if (!context.replaying()) tally_.AddSample(MonotonicNanos() - call_began_);
    tally_.SetReceived(called_);
    Call(context);
  }

  void OnLive(const Impulses& impulses) override {
    BenchService::OnLive(impulses);
    if (called_ == 0) impulses.Submit("go", [](const ImpulseResult&) {});
  }

 private:
  void SaveCounts(StateWriter& writer) const override { writer.WriteUint64(called_); }
  void LoadCounts(StateReader& reader) override { called_ = reader.ReadUint64(); }
  void Call(Context& context) {
    call_began_ = MonotonicNanos();
    context.Send(to_, pattern_.Make(called_++));
  }

  uint64_t called_ = 0;
  uint64_t call_began_ = 0;
};

class Echo final : public BenchService {
 public:
  using BenchService::BenchService;
  void OnMessage(Context& context, const Source& source, std::span<const std::byte> body) override {
    tally_.SetReceived(++answered_);
    context.Send(source, body);
  }

 private:
  void SaveCounts(StateWriter& writer) const override { writer.WriteUint64(answered_); }
  void LoadCounts(StateReader& reader) override { answered_ = reader.ReadUint64(); }
  uint64_t answered_ = 0;
};

std::unique_ptr<Service> MakeService(const Arguments& arguments) {
  if (arguments.role == "caller") return std::make_unique<Caller>(arguments);
  if (arguments.role == "echo") return std::make_unique<Echo>(arguments);
  if (arguments.typed) return std::make_unique<TypedFlow>(arguments);
  return std::make_unique<RawFlow>(arguments);
}

Arguments Parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const char* const value = argv[i + 1];
    const auto number = [value] { return std::strtoull(value, nullptr, 10); };
    if (flag == "--role") arguments.role = value;
    if (flag == "--tally") arguments.tally = value;
    if (flag == "--to") arguments.to = value;
    if (flag == "--size") arguments.size = number();
    if (flag == "--outputs") arguments.outputs = number();
    if (flag == "--outstanding") arguments.outstanding = number();
    if (flag == "--state") arguments.state_bytes = number();
    if (flag == "--content") {
      arguments.typed = std::string(value) == "typed";
      if (std::string(value) == "random") arguments.content = Content::kRandom;
      if (std::string(value) == "mixed") arguments.content = Content::kMixed;
    }
  }
  if (arguments.role.empty() || arguments.tally.empty()) {
    std::fprintf(stderr, "bench_flow: --role and --tally are needed; bench/README.md says more\n");
    std::exit(64);
  }
  return arguments;
}

}  // namespace
}  // namespace semper::bench

int main(int argc, char** argv) {
  const semper::bench::Arguments arguments = semper::bench::Parse(argc, argv);
  semper::Options options;
  if (const char* const link = std::getenv("SEMPER_LINK"); link != nullptr) options.link = link;
  return semper::Run(options, [&arguments] { return semper::bench::MakeService(arguments); });
}
