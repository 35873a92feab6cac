// ControlServer: the gRPC service semper.v1.Admin on a Unix socket of mode 0600.
//
// Costs one sleeping thread until somebody connects; gRPC itself starts with the first connection
// and stays small. A caller must have this process's uid, or be root.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "sidecar/admin/backend.h"

namespace semper::admin {

class ControlServer {
 public:
  virtual ~ControlServer() =
      default;  // ends what is under way, within a second, and removes the socket

  // Listens on the socket `path`. A socket that nobody serves any more is replaced;
  // INVALID_ARGUMENT: no usable path; UNAVAILABLE: somebody serves it, or the directory cannot be
  // written. `backend` must outlive the server.
  static absl::StatusOr<std::unique_ptr<ControlServer>> Start(const std::string& path,
                                                              Backend& backend);
};

}  // namespace semper::admin
