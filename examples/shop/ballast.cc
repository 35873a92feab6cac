#include "examples/shop/ballast.h"

#include <algorithm>
#include <cstring>
#include <span>

namespace shop {

namespace {

constexpr size_t kPieceBytes = 1 << 20;

}  // namespace

void Ballast::Touch(uint64_t number) {
  if (wanted_ < sizeof number) return;
  // Not zeroes: those would be one page of memory for all.
  if (bytes_.empty()) bytes_.assign(wanted_, std::byte{0x5a});
  const uint64_t places = bytes_.size() / sizeof number;
  const uint64_t place = number * 2654435761 % places;
  std::memcpy(bytes_.data() + place * sizeof number, &number, sizeof number);
}

void Ballast::Save(semper::StateWriter& writer) const {
  writer.WriteVarint(bytes_.size());
  const std::span<const std::byte> all(bytes_);
  for (size_t at = 0; at < all.size(); at += kPieceBytes) {
    writer.WriteBytes(all.subspan(at, std::min(kPieceBytes, all.size() - at)));
  }
}

void Ballast::Load(semper::StateReader& reader) {
  uint64_t left = reader.ReadVarint();
  bytes_.reserve(std::min(left, wanted_));
  while (left > 0 && reader.ok()) {
    const size_t piece = std::min<uint64_t>(left, kPieceBytes);
    const size_t before = bytes_.size();
    bytes_.resize(before + piece);
    reader.ReadBytes(std::span(bytes_).subspan(before));
    left -= piece;
  }
}

}  // namespace shop
