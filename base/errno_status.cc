#include "base/errno_status.h"

#include <cerrno>
#include <cstring>

namespace semper {

absl::StatusCode CodeOfErrno(int error) {
  switch (error) {
    case ENOENT:
      return absl::StatusCode::kNotFound;
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
      return absl::StatusCode::kResourceExhausted;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case EINVAL:
    case EBADF:
    case EFAULT:
    case ENOTSOCK:
      return absl::StatusCode::kInternal;
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case ENOTDIR:
      return absl::StatusCode::kFailedPrecondition;  // somebody has to change a path
    default:
      return absl::StatusCode::kUnavailable;
  }
}

std::string TextOfErrno(int error) {
  const char* const name = strerrorname_np(error);
  const char* const text = strerrordesc_np(error);
  if (name == nullptr || text == nullptr) return absl::StrCat("error ", error);
  return absl::StrCat(text, " (", name, ")");
}

}  // namespace semper
