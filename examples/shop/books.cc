#include "examples/shop/books.h"

namespace shop {

namespace {

// Spreads the bits of a number (the finalizer of splitmix64).
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

uint64_t HashOf(std::string_view text) {
  uint64_t hash = text.size();
  for (const char c : text) hash = Mix(hash ^ static_cast<unsigned char>(c));
  return hash;
}

}  // namespace

uint64_t Books::Add(uint64_t number, std::string_view section, uint64_t size) {
  auto found = sections_.find(section);
  if (found == sections_.end()) found = sections_.emplace(std::string(section), Tally()).first;
  found->second.bytes += size;
  ++count_;
  checksum_ += Mix(Mix(number) ^ HashOf(section) ^ Mix(~size));
  return ++found->second.count;
}

std::string Books::Lines(std::string_view name) const {
  const std::string prefix = std::string(name) + " ";
  std::string text =
      prefix + "= " + std::to_string(count_) + " " + std::to_string(checksum_) + "\n";
  for (const auto& [section, tally] : sections_) {
    text += prefix + section + " " + std::to_string(tally.count) + " " +
            std::to_string(tally.bytes) + "\n";
  }
  return text;
}

void Books::Save(semper::StateWriter& writer) const {
  writer.WriteVarint(sections_.size());
  for (const auto& [section, tally] : sections_) {
    writer.WriteString(section);
    writer.WriteVarint(tally.count);
    writer.WriteVarint(tally.bytes);
  }
  writer.WriteUint64(count_);
  writer.WriteUint64(checksum_);
}

void Books::Load(semper::StateReader& reader) {
  for (uint64_t left = reader.ReadVarint(); left > 0 && reader.ok(); --left) {
    const std::string section = reader.ReadString();
    Tally& tally = sections_[section];
    tally.count = reader.ReadVarint();
    tally.bytes = reader.ReadVarint();
  }
  count_ = reader.ReadUint64();
  checksum_ = reader.ReadUint64();
}

}  // namespace shop
