#include "sidecar/admin/control_server.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "semper/v1/admin.grpc.pb.h"
#include "sidecar/admin/status_proto.h"

namespace semper::admin {
namespace {

using std::chrono::milliseconds;

constexpr int kMessageBytesMax = 64 << 10;  // of a request; all of them are tiny
constexpr int kThreadsMax = 8;
constexpr uint32_t kCheckpointWaitMs = 60'000;
constexpr uint32_t kCheckpointWaitMsMax = 600'000;
constexpr uint32_t kSwitchoverWaitMs = 5'000;
constexpr uint32_t kSwitchoverWaitMsMax = 60'000;

grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

// Nobody waits beyond the caller's own deadline, and no caller holds a thread for ever.
milliseconds WaitOf(const grpc::ServerContext& context, uint32_t asked_ms, uint32_t usual_ms,
                    uint32_t max_ms) {
  const auto left = std::chrono::duration_cast<milliseconds>(context.deadline() -
                                                             std::chrono::system_clock::now());
  return std::min(std::max(left, milliseconds(0)),
                  milliseconds(std::min(asked_ms == 0 ? usual_ms : asked_ms, max_ms)));
}

class AdminService final : public v1::Admin::Service {
 public:
  explicit AdminService(Backend& backend) : backend_(backend) {}

  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                         v1::GetStatusResponse* response) override {
    *response->mutable_status() = ToProto(backend_.Status());
    return grpc::Status::OK;
  }

  grpc::Status TakeCheckpoint(grpc::ServerContext* context,
                              const v1::TakeCheckpointRequest* request,
                              v1::TakeCheckpointResponse* response) override {
    const absl::StatusOr<CheckpointRef> taken = backend_.TakeCheckpoint(
        WaitOf(*context, request->timeout_ms(), kCheckpointWaitMs, kCheckpointWaitMsMax));
    if (!taken.ok()) return ToGrpc(taken.status());
    response->mutable_checkpoint()->set_epoch(taken->epoch);
    response->mutable_checkpoint()->set_index(taken->index);
    return grpc::Status::OK;
  }

  grpc::Status Switchover(grpc::ServerContext* context, const v1::SwitchoverRequest* request,
                          v1::SwitchoverResponse*) override {
    return ToGrpc(backend_.Switchover(
        request->to(),
        WaitOf(*context, request->timeout_ms(), kSwitchoverWaitMs, kSwitchoverWaitMsMax)));
  }

  grpc::Status Drain(grpc::ServerContext*, const v1::DrainRequest*, v1::DrainResponse*) override {
    backend_.Drain();
    return grpc::Status::OK;
  }

 private:
  Backend& backend_;
};

// A descriptor that is closed when it goes out of scope.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

absl::Status Failed(const std::string& path, std::string_view what, int error) {
  if (error == ENOENT) {
    return absl::UnavailableError(absl::StrCat(
        "cannot serve the admin socket ", path,
        ": its directory does not exist; make it, or choose another path with --admin-socket"));
  }
  return absl::UnavailableError(absl::StrCat("cannot serve the admin socket ", path, ": ",
                                             std::string(what), ": ", std::strerror(error)));
}

// Removes a socket at `address` that nobody listens on. Anything else there is left alone.
absl::Status RemoveStale(const sockaddr_un& address) {
  struct stat found {};
  if (::lstat(address.sun_path, &found) != 0) return absl::OkStatus();
  if (!S_ISSOCK(found.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cannot serve the admin socket ", address.sun_path, ": there is a file of that name"));
  }
  const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno != ECONNREFUSED) {
    return absl::UnavailableError(absl::StrCat("cannot serve the admin socket ", address.sun_path,
                                               ": another process serves it"));
  }
  ::unlink(address.sun_path);
  return absl::OkStatus();
}

absl::StatusOr<Descriptor> ListenOn(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat("cannot serve the admin socket '", path,
                                                   "': a socket's path has 1 to ",
                                                   sizeof address.sun_path - 1, " bytes"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  if (absl::Status status = RemoveStale(address); !status.ok()) return status;
  Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.get() < 0) return Failed(path, "socket", errno);
  // On Linux the mode of the descriptor becomes that of the file: it is never open to others, not
  // even for a moment.
  if (::fchmod(fd.get(), 0600) != 0) return Failed(path, "fchmod", errno);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return Failed(path, "bind", errno);
  }
  if (::listen(fd.get(), 16) != 0) return Failed(path, "listen", errno);
  return fd;
}

class PosixControlServer final : public ControlServer {
 public:
  PosixControlServer(std::string path, Descriptor listener, Descriptor stop, Backend& backend)
      : path_(std::move(path)),
        listener_(std::move(listener)),
        stop_(std::move(stop)),
        service_(backend),
        acceptor_([this] { Accept(); }) {}

  ~PosixControlServer() override {
    const uint64_t one = 1;
    while (::write(stop_.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
    acceptor_.join();
    ::unlink(path_.c_str());
    if (grpc_ != nullptr) grpc_->Shutdown(std::chrono::system_clock::now() + milliseconds(500));
  }

 private:
  void Accept() {
    for (;;) {
      pollfd waits[] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
      if (::poll(waits, 2, -1) < 0) continue;  // EINTR
      if (waits[1].revents != 0) return;
      Descriptor peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (peer.get() < 0) {
        // Out of descriptors: the connection stays in the queue, and asking again at once would
        // only burn the processor.
        if (errno == EMFILE || errno == ENFILE) ::poll(&waits[1], 1, 100);
        continue;
      }
      ucred caller{};
      socklen_t length = sizeof caller;
      if (::getsockopt(peer.get(), SOL_SOCKET, SO_PEERCRED, &caller, &length) != 0 ||
          (caller.uid != 0 && caller.uid != ::geteuid())) {
        continue;
      }
      if (grpc_ == nullptr) StartGrpc();
      if (grpc_ != nullptr) grpc::AddInsecureChannelFromFd(grpc_.get(), peer.release());
    }
  }

  void StartGrpc() {
    grpc::ResourceQuota quota("admin");
    quota.SetMaxThreads(kThreadsMax);
    grpc::ServerBuilder builder;
    builder.SetResourceQuota(quota);
    builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MIN_POLLERS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 1);
    builder.SetMaxReceiveMessageSize(kMessageBytesMax);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kThreadsMax / 2);
    builder.RegisterService(&service_);
    grpc_ = builder.BuildAndStart();
  }

  const std::string path_;
  const Descriptor listener_;
  const Descriptor stop_;
  AdminService service_;
  std::unique_ptr<grpc::Server> grpc_;  // the acceptor's until it has ended
  std::thread acceptor_;                // the last member: it uses the others
};

}  // namespace

absl::StatusOr<std::unique_ptr<ControlServer>> ControlServer::Start(const std::string& path,
                                                                    Backend& backend) {
  absl::StatusOr<Descriptor> listener = ListenOn(path);
  if (!listener.ok()) return listener.status();
  Descriptor stop(::eventfd(0, EFD_CLOEXEC));
  if (stop.get() < 0) return Failed(path, "eventfd", errno);
  return std::make_unique<PosixControlServer>(path, *std::move(listener), std::move(stop), backend);
}

}  // namespace semper::admin
