// Walking the messages of a payload. Only where a frame is cut or a witness falls into its middle;
// never per message in the normal way of a frame.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "sidecar/core/types.h"

namespace semper::core {

// The number of bytes that the first `count` messages of `payload` take; nothing if the payload
// ends before, or a message is malformed.
std::optional<size_t> BytesOfMessages(std::span<const std::byte> payload, uint64_t count);

}  // namespace semper::core
