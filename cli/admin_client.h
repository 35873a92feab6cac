// How verbs reach a running coordinator: gRPC on its admin socket. Include only in verbs' .cc
// files.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <vector>

#include "cli/invocation.h"
#include "semper/v1/admin.grpc.pb.h"

namespace semper::cli {

inline constexpr std::chrono::seconds kStatusWait{5};

// --admin-socket.
std::vector<Option> SocketOptions();

// Connects when it is used, and again soon after it failed.
std::unique_ptr<v1::Admin::Stub> Connect(const Invocation& call);

// UNAVAILABLE names the socket; everything else is a problem of the request, not of the command
// line.
absl::Status FromGrpc(const Invocation& call, const grpc::Status& status);

// Waits at most `wait`.
grpc::Status GetStatus(v1::Admin::Stub& stub, std::chrono::milliseconds wait, v1::Status& to);

// The value of --timeout in seconds; INVALID_ARGUMENT if it is not in 1 ... `most`.
absl::StatusOr<std::chrono::seconds> TimeoutOf(const Invocation& call, uint64_t most);

}  // namespace semper::cli
