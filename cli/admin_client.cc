#include "cli/admin_client.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fmt/format.h"

namespace semper::cli {

std::vector<Option> SocketOptions() {
  return {{"--admin-socket", "PATH", "The coordinator's admin socket.", "SEMPER_ADMIN_SOCKET",
           "/run/semper/admin.sock"}};
}

std::unique_ptr<v1::Admin::Stub> Connect(const Invocation& call) {
  grpc::ChannelArguments arguments;
  // A coordinator that begins its next life is back within milliseconds, not seconds.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 10);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 50);
  return v1::Admin::NewStub(grpc::CreateCustomChannel(
      "unix:" + call.Value("--admin-socket"), grpc::InsecureChannelCredentials(), arguments));
}

absl::Status FromGrpc(const Invocation& call, const grpc::Status& status) {
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    const std::string socket = call.Value("--admin-socket");
    if (access(socket.c_str(), F_OK) != 0) {
      return absl::UnavailableError(absl::StrCat(
          socket, ": ", std::strerror(errno),
          ". No coordinator serves here; name the admin-socket of one with --admin-socket or "
          "SEMPER_ADMIN_SOCKET"));
    }
    return absl::UnavailableError(absl::StrCat(socket, ": ", status.error_message()));
  }
  // The call was understood: what failed is no mistake in this command line.
  return absl::InternalError(status.error_message());
}

grpc::Status GetStatus(v1::Admin::Stub& stub, std::chrono::milliseconds wait, v1::Status& to) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + wait);
  v1::GetStatusResponse response;
  grpc::Status status = stub.GetStatus(&context, {}, &response);
  if (status.ok()) to = std::move(*response.mutable_status());
  return status;
}

absl::StatusOr<std::chrono::seconds> TimeoutOf(const Invocation& call, uint64_t most) {
  const absl::StatusOr<std::optional<uint64_t>> seconds = call.Number("--timeout");
  if (!seconds.ok()) return seconds.status();
  const uint64_t wait = seconds->value_or(0);
  if (wait < 1 || wait > most) {
    return absl::InvalidArgumentError(
        fmt::format("--timeout is 1 to {} seconds, not {}", most, wait));
  }
  return std::chrono::seconds(wait);
}

}  // namespace semper::cli
