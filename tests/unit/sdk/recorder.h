// Recorder: a raw service that remembers everything it was told, and does what the messages say.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "semper/semper.h"

namespace semper::test {

// A message "to NAME TEXT" is sent on, "after NS TEXT" sets a timer, "cancel ID" cancels it,
// "random" remembers a draw, "big NAME BYTES" sends that many bytes, "failbig NAME BYTES" after
// Fail, "throw" and "fail" do that, "commit TEXT" records it after the commit. "echo" answers its
// source.
class Recorder : public Service {
 public:
  std::vector<std::string> seen;       // replicated
  std::vector<std::string> committed;  // not
  std::unique_ptr<Impulses> impulses;
  uint32_t my_version = 1;
  size_t ballast_bytes = 0;  // after `seen` in the saved state

  void OnStart(Context& context, const StartInfo& start) override {
    seen.push_back("start " + start.service_name + " " +
                   std::string(context.configuration("color")));
  }
  void OnMessage(Context& context, const Source& source, std::span<const std::byte> body) override {
    Obey(context, source, std::string(reinterpret_cast<const char*>(body.data()), body.size()));
  }
  void OnImpulse(Context& context, std::span<const std::byte> body) override {
    Obey(context, context.source(),
         std::string(reinterpret_cast<const char*>(body.data()), body.size()), "impulse ");
  }
  void OnLive(const Impulses& handle) override { impulses = std::make_unique<Impulses>(handle); }

  uint32_t version() const override { return my_version; }
  void Save(StateWriter& writer) const override {
    writer.WriteUint64(seen.size());
    for (const std::string& line : seen) writer.WriteString(line);
    writer.WriteVarint(ballast_bytes);
    const std::string piece(1000, 'b');
    for (size_t i = 0; i < ballast_bytes; i += piece.size()) writer.WriteString(piece);
  }
  Status Load(StateReader& reader, uint32_t) override {
    const uint64_t lines = reader.ReadUint64();
    for (uint64_t i = 0; i < lines && reader.ok(); ++i) seen.push_back(reader.ReadString());
    ballast_bytes = reader.ReadVarint();
    for (size_t i = 0; i < ballast_bytes && reader.ok(); i += 1000) (void)reader.ReadString();
    return reader.status();
  }

 private:
  void Obey(Context& context, const Source& source, const std::string& text,
            const std::string& prefix = "") {
    seen.push_back(std::to_string(context.index()) + "@" +
                   std::to_string(context.now().time_since_epoch().count()) + " " + source.name +
                   ": " + prefix + text);
    const size_t space = text.find(' ');
    const std::string verb = text.substr(0, space);
    const std::string rest = space == std::string::npos ? "" : text.substr(space + 1);
    const size_t second = rest.find(' ');
    if (verb == "to")
      context.Send(Destination(rest.substr(0, second)), std::string_view(rest).substr(second + 1));
    if (verb == "failbig") context.Fail("as told");
    if (verb == "big" || verb == "failbig") {
      // In pieces that fill more than one frame, or as one message.
      const size_t bytes = std::stoul(rest.substr(second));
      const size_t piece = verb == "big" ? bytes : 1000;
      for (size_t sent = 0; sent < bytes; sent += piece) {
        context.Send(Destination(rest.substr(0, second)), std::string(piece, 'x'));
      }
    }
    if (verb == "after")
      after_.After(context, std::chrono::nanoseconds(std::stol(rest)), rest.substr(second + 1));
    if (verb == "cancel") {
      seen.push_back(context.CancelTimer(TimerId{std::stoul(rest)}) ? "cancelled"
                                                                    : "nothing to cancel");
    }
    if (verb == "random") {
      const uint64_t draw = context.random();
      seen.push_back(std::to_string(draw) + " " + std::to_string(context.random(10)));
    }
    if (verb == "throw") throw std::runtime_error("as told");
    if (verb == "fail") context.Fail("as told");
    if (verb == "commit") context.AfterCommit([this, rest] { committed.push_back(rest); });
    if (verb == "echo") context.Send(source, text);
  }
  void Fired(Context& context, const std::string& text) {
    seen.push_back(std::to_string(context.index()) + "@" +
                   std::to_string(context.now().time_since_epoch().count()) + " timer: " + text);
    context.Send(Destination("timers"), text);
    if (text == "again") after_.After(context, std::chrono::nanoseconds(0), "again");
  }
  TimerHandler<std::string> after_{this, "after", &Recorder::Fired};
};

}  // namespace semper::test
