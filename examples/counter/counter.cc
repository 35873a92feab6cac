// Adds what it is told, by other immortals and by lines of numbers on standard input.
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include "counter.semper.h"

namespace {

class Counter final : public counter::CounterService {
 public:
  semper::Result<counter::Total> Add(semper::Context&, const counter::Amount& request) override {
    total_ += request.amount();
    counter::Total answer;
    answer.set_total(total_);
    return answer;
  }

  void Bump(semper::Context& context, const counter::Amount& request) override {
    total_ += request.amount();
    // Printed when it can no longer be undone; not printed again when the log is replayed.
    context.AfterCommit([index = context.index(), total = total_] {
      std::printf("input %llu: total %lld\n", static_cast<unsigned long long>(index),
                  static_cast<long long>(total));
      std::fflush(stdout);
    });
  }

  void Save(semper::StateWriter& writer) const override { writer.WriteInt64(total_); }
  semper::Status Load(semper::StateReader& reader, uint32_t) override {
    total_ = reader.ReadInt64();
    return reader.status();
  }

  // The edge: a thread that is not replicated, and dies with this process.
  void OnLive(const semper::Impulses& impulses) override {
    std::thread([counter = counter::CounterImpulses(impulses)] {
      for (counter::Amount amount; std::cin.good();) {
        int64_t number = 0;
        if (!(std::cin >> number)) break;
        amount.set_amount(number);
        const semper::ImpulseResult placed = counter.Bump(amount).get();
        if (!placed.ok()) std::cerr << placed.status().ToString() << "\n";
      }
    }).detach();
  }

 private:
  int64_t total_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  return semper::Main(argc, argv, {}, [] { return std::make_unique<Counter>(); });
}
