// What speaks against a switchover, in words for the person who asked for it. Pure.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "sidecar/admin/backend.h"

namespace semper::admin {

// OK if the member of `snapshot` leads and `to` (empty: anybody) is connected and ready. Otherwise
// FAILED_PRECONDITION or NOT_FOUND as Backend::Switchover says, with who leads, who is there and
// why they are not ready.
absl::Status WhyNoSwitchover(const StatusSnapshot& snapshot, const std::string& to);

}  // namespace semper::admin
