#include "sidecar/core/messages.h"

namespace semper::core {

std::optional<size_t> BytesOfMessages(std::span<const std::byte> payload, uint64_t count) {
  size_t at = 0;
  for (uint64_t i = 0; i < count; ++i) {
    if (payload.size() - at < kMessageHeaderBytes) return std::nullopt;
    const uint32_t header = LoadLittle<uint32_t>(payload.data() + at);
    at += kMessageHeaderBytes;
    if ((header & kMessageExtensionBit) != 0) {
      if (payload.size() - at < 2) return std::nullopt;
      const size_t extension = 2u + LoadLittle<uint16_t>(payload.data() + at);
      if (payload.size() - at < extension) return std::nullopt;
      at += extension;
    }
    const size_t body = MessageBodyBytes(header);
    if (body > kMessageBytesMax || payload.size() - at < body) return std::nullopt;
    at += body;
  }
  return at;
}

}  // namespace semper::core
