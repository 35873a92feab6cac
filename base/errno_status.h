// From errno to absl::Status, the same way for files and sockets.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace semper {

// NOT_FOUND (ENOENT), ALREADY_EXISTS (EEXIST), RESOURCE_EXHAUSTED (no space, quota, descriptors or
// memory), PERMISSION_DENIED (EACCES, EPERM, EROFS), INTERNAL (the call itself was wrong: EINVAL,
// EBADF, EFAULT, …), else UNAVAILABLE.
absl::StatusCode CodeOfErrno(int error);

// "No space left on device (ENOSPC)".
std::string TextOfErrno(int error);

// `tried` says what was tried on what: ErrnoStatus(errno, "open ", path).
template <typename... Tried>
absl::Status ErrnoStatus(int error, const Tried&... tried) {
  return absl::Status(CodeOfErrno(error), absl::StrCat(tried..., ": ", TextOfErrno(error)));
}

}  // namespace semper
