// HttpServer: probes and metrics over HTTP, on threads of its own that touch neither the volume nor
// the event loop.
//
// - /livez: 200 while the event loop answers within a deadline; 503 if it hangs.
// - /startupz: 200 once the coordinator has read its volume and waits for its service; 503 with the
//   reason.
// - /readyz: 200 while it leads, or follows closely (Readiness); 503 with phase and reason.
// - /metrics: Prometheus text format.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "sidecar/admin/backend.h"
#include "sidecar/admin/readiness.h"

struct mg_context;

namespace semper::admin {

struct HttpAnswer {
  int code = 0;
  const char* content_type = "text/plain; charset=utf-8";
  std::string body;
};

// What answers come from.
struct HttpSite {
  Backend& backend;
  Readiness readiness = {};
};

// What the server answers to a request; `path` is without query. Asks the backend only for paths
// that need it.
HttpAnswer AnswerHttp(std::string_view method, std::string_view path, HttpSite& site);

class HttpServer {
 public:
  // Listens on `address`, "host:port": a literal address or "localhost", port 0 for any free one.
  // INVALID_ARGUMENT if it is no such address, UNAVAILABLE if it cannot be bound. `backend` must
  // outlive the server.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& address,
                                                           Backend& backend);

  // Ends the requests that are under way (each within a few seconds) and closes.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // "host:port" with the port that was really bound.
  const std::string& address() const { return address_; }

 private:
  explicit HttpServer(Backend& backend) : site_{backend} {}

  HttpSite site_;
  mg_context* context_ = nullptr;
  std::string address_;
};

}  // namespace semper::admin
