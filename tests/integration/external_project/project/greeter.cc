// Uses every part of the SDK that a project outside of Semper's tree can use, so that it compiles
// and links.
#include <map>
#include <memory>
#include <string>

#include "acme/greeter.semper.h"

namespace {

class Greeter final : public acme::GreeterService {
 public:
  semper::Result<acme::Greeting> Greet(semper::Context& context,
                                       const acme::Guest& guest) override {
    if (guest.name().empty()) return semper::Status(semper::Code::kInvalidArgument, "who is it?");
    const int times = ++visits_[guest.name()];
    if (times == 2) other_.Greet(context, guest, greeted_, guest);
    if (times == 3) forget_.After(context, std::chrono::hours(1), guest.name());
    acme::Greeting greeting;
    greeting.set_text("Hello " + guest.name() + ", visit " + std::to_string(times) + " of " +
                      std::to_string(context.random(10)));
    return greeting;
  }
  void Forget(semper::Context&, const acme::Guest& guest) override { visits_.erase(guest.name()); }
  void Save(semper::StateWriter& writer) const override {
    writer.WriteVarint(visits_.size());
    for (const auto& [name, times] : visits_) {
      writer.WriteString(name);
      writer.WriteVarint(static_cast<uint64_t>(times));
    }
  }
  semper::Status Load(semper::StateReader& reader, uint32_t) override {
    for (uint64_t n = reader.ReadVarint(); n > 0 && reader.ok(); --n) {
      const std::string name = reader.ReadString();
      visits_[name] = static_cast<int>(reader.ReadVarint());
    }
    return reader.status();
  }
  void OnLive(const semper::Impulses& impulses) override {
    acme::GreeterImpulses(impulses).Forget(acme::Guest(), [](const semper::ImpulseResult&) {});
  }

 private:
  void Greeted(semper::Context&, const semper::Result<acme::Greeting>&, const acme::Guest&) {}
  void ForgetLater(semper::Context&, const std::string& name) { visits_.erase(name); }

  std::map<std::string, int> visits_;
  acme::GreeterClient other_{"other"};
  semper::ReplyHandler<acme::Greeting, acme::Guest> greeted_{this, "greeted", &Greeter::Greeted};
  semper::TimerHandler<std::string> forget_{this, "forget", &Greeter::ForgetLater};
};

}  // namespace

int main(int argc, char** argv) {
  return semper::Main(argc, argv, {}, [] { return std::make_unique<Greeter>(); });
}
