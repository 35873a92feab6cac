#include "tests/simulation/chatter.h"

#include <utility>

#include "base/bytes.h"

namespace semper::sim {

namespace {

// Body of a message: id (8), number within its stream (8), hops left (1), filler that follows from
// the id.
constexpr size_t kHeadBytes = 17;

std::byte Filler(uint64_t id, size_t i) { return static_cast<std::byte>((id * 31 + i * 7) >> 3); }

}  // namespace

void Tally::Add(std::span<const std::byte> body) {
  ++count;
  hash = (hash ^ body.size()) * 0x9fb21c651e98df25u;
  for (size_t i = 0; i < body.size(); i += 61) {
    hash = (hash ^ static_cast<uint64_t>(body[i])) * 0x9fb21c651e98df25u;
    hash ^= hash >> 29;
  }
}

Chatter::Chatter(std::vector<std::string> peers, Violation violation)
    : violation_(std::move(violation)), names_(std::move(peers)) {
  for (const std::string& name : names_) peers_.emplace_back(name);
}

void Chatter::Mix(uint64_t value) {
  digest_ = (digest_ ^ value) * 0x9fb21c651e98df25u;
  digest_ ^= digest_ >> 29;
}

void Chatter::MixContext(Context& context) {
  Mix(context.index());
  Mix(static_cast<uint64_t>(context.now().time_since_epoch().count()));
  Mix(context.random());
}

std::string Chatter::ImpulseBody(uint64_t id, uint8_t messages, uint8_t hops, uint32_t bytes) {
  std::string body(14, '\0');
  StoreLittle(body.data(), id);
  body[8] = static_cast<char>(messages);
  body[9] = static_cast<char>(hops);
  StoreLittle(body.data() + 10, bytes);
  return body;
}

void Chatter::OnImpulse(Context& context, std::span<const std::byte> body) {
  if (body.size() != 14) return violation_("an impulse of the wrong size");
  const auto id = LoadLittle<uint64_t>(body.data());
  const auto messages = static_cast<uint8_t>(body[8]);
  const auto hops = static_cast<uint8_t>(body[9]);
  const auto bytes = LoadLittle<uint32_t>(body.data() + 10);
  MixContext(context);
  Mix(id);
  if (!ids_.insert(id).second)
    return violation_("impulse " + std::to_string(id) + " was consumed twice");
  for (uint8_t i = 0; i < messages; ++i) Say(context, id, hops, bytes);
  if (context.random(8) == 0) {
    timer_.After(context, std::chrono::milliseconds(1 + context.random(50)), std::to_string(id));
  }
}

void Chatter::Say(Context& context, uint64_t id, uint8_t hops, uint32_t bytes) {
  const size_t to = context.random(peers_.size());
  Tally& tally = sent_[names_[to]];
  std::vector<std::byte> body(kHeadBytes + bytes);
  StoreLittle(body.data(), id);
  StoreLittle(body.data() + 8, tally.count + 1);
  body[16] = static_cast<std::byte>(hops);
  for (size_t i = kHeadBytes; i < body.size(); ++i) body[i] = Filler(id, i);
  tally.Add(body);
  context.Send(peers_[to], body);
}

void Chatter::OnMessage(Context& context, const Source& source, std::span<const std::byte> body) {
  if (body.size() < kHeadBytes) return violation_("a message of the wrong size");
  Tally& tally = received_[source.name];
  const auto id = LoadLittle<uint64_t>(body.data());
  const auto number = LoadLittle<uint64_t>(body.data() + 8);
  const auto hops = static_cast<uint8_t>(body[16]);
  if (number != tally.count + 1) {
    return violation_("message " + std::to_string(number) + " of " + source.name + " came after " +
                      std::to_string(tally.count));
  }
  for (size_t i = kHeadBytes; i < body.size(); i += 13) {
    if (body[i] != Filler(id, i)) return violation_("a message with a damaged body");
  }
  tally.Add(body);
  MixContext(context);
  Mix(tally.hash);
  if (hops > 0 && context.random(4) != 0)
    Say(context, id, static_cast<uint8_t>(hops - 1), static_cast<uint32_t>(context.random(200)));
}

void Chatter::OnTimer(Context& context, const std::string& text) {
  ++timers_fired_;
  MixContext(context);
  Mix(text.size());
  Say(context, timers_fired_, 1, 5);
}

void Chatter::Save(StateWriter& writer) const {
  writer.WriteUint64(digest_);
  writer.WriteUint64(timers_fired_);
  for (const auto* tallies : {&sent_, &received_}) {
    writer.WriteVarint(tallies->size());
    for (const auto& [name, tally] : *tallies) {
      writer.WriteString(name);
      writer.WriteUint64(tally.count);
      writer.WriteUint64(tally.hash);
    }
  }
  writer.WriteVarint(ids_.size());
  for (const uint64_t id : ids_) writer.WriteUint64(id);
}

Status Chatter::Load(StateReader& reader, uint32_t) {
  digest_ = reader.ReadUint64();
  timers_fired_ = reader.ReadUint64();
  for (auto* tallies : {&sent_, &received_}) {
    for (uint64_t n = reader.ReadVarint(); n > 0 && reader.ok(); --n) {
      Tally& tally = (*tallies)[reader.ReadString()];
      tally.count = reader.ReadUint64();
      tally.hash = reader.ReadUint64();
    }
  }
  for (uint64_t n = reader.ReadVarint(); n > 0 && reader.ok(); --n)
    ids_.insert(reader.ReadUint64());
  return reader.status();
}

}  // namespace semper::sim
