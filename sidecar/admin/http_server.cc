#include "sidecar/admin/http_server.h"

#include <civetweb.h>

#include <iterator>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "fmt/format.h"
#include "sidecar/admin/metrics.h"

namespace semper::admin {
namespace {

double Seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string StaleText(const StatusSnapshot& s) {
  return fmt::format("the event loop has not answered for {:.1f} s; last known: {}", Seconds(s.age),
                     PhaseText(s));
}

HttpAnswer Probe(bool good, std::string text) {
  return {.code = good ? 200 : 503, .body = std::move(text) + "\n"};
}

HttpAnswer AnswerStartup(const StatusSnapshot& s) {
  // The pod's service is started after this probe, so it must not wait for the service.
  const bool started = s.phase != Phase::kStarting && s.phase != Phase::kRefused;
  return Probe(started, PhaseText(s));
}

HttpAnswer AnswerReady(const StatusSnapshot& s, Readiness& readiness) {
  if (!s.fresh) return Probe(false, StaleText(s));
  Readiness::Verdict verdict =
      readiness.Judge(s, std::chrono::steady_clock::now().time_since_epoch());
  return Probe(verdict.ready, std::move(verdict.why));
}

// Where civetweb reports why it cannot start: it has no other way to say so.
thread_local std::string* start_error = nullptr;

int KeepStartError(const mg_connection*, const char* message) {
  if (start_error != nullptr) *start_error = message;
  return 1;  // never to stderr: a client that hangs up is no news
}

int HandleRequest(mg_connection* connection) {
  const mg_request_info* request = mg_get_request_info(connection);
  auto* site = static_cast<HttpSite*>(request->user_data);
  const char* path = request->local_uri != nullptr ? request->local_uri : "";
  const HttpAnswer answer = AnswerHttp(request->request_method, path, *site);
  const bool head = std::string_view(request->request_method) == "HEAD";
  mg_printf(connection,
            "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
            answer.code, mg_get_response_code_text(connection, answer.code), answer.content_type,
            answer.body.size());
  if (!head) mg_write(connection, answer.body.data(), answer.body.size());
  return answer.code;
}

struct HostPort {
  std::string host;
  int port = 0;
};

absl::StatusOr<HostPort> ParseAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  HostPort result;
  if (colon == std::string::npos || colon == 0 ||
      !absl::SimpleAtoi(address.substr(colon + 1), &result.port) || result.port < 0 ||
      result.port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", address, "' is not host:port, such as 127.0.0.1:7601"));
  }
  result.host = address.substr(0, colon);
  if (result.host == "localhost") result.host = "127.0.0.1";
  return result;
}

}  // namespace

HttpAnswer AnswerHttp(std::string_view method, std::string_view path, HttpSite& site) {
  if (method != "GET" && method != "HEAD") {
    return {.code = 405, .body = "only GET and HEAD\n"};
  }
  if (path == "/livez") {
    const StatusSnapshot s = site.backend.Status();
    return Probe(s.fresh, s.fresh ? "ok" : StaleText(s));
  }
  if (path == "/startupz") return AnswerStartup(site.backend.Status());
  if (path == "/readyz") return AnswerReady(site.backend.Status(), site.readiness);
  if (path == "/metrics") {
    return {.code = 200,
            .content_type = "text/plain; version=0.0.4; charset=utf-8",
            .body = MetricsText(site.backend.Status())};
  }
  return {.code = 404, .body = "there are /livez, /readyz, /startupz and /metrics\n"};
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& address,
                                                              Backend& backend) {
  absl::StatusOr<HostPort> parsed = ParseAddress(address);
  if (!parsed.ok()) return parsed.status();
  const std::string port = absl::StrCat(parsed->host, ":", parsed->port);
  // Three workers: one slow client and one scrape leave one for the probes. No document root:
  // nothing but the handler answers.
  const char* options[] = {
      "listening_ports",   port.c_str(), "num_threads",    "3",  "request_timeout_ms", "5000",
      "enable_keep_alive", "no",         "listen_backlog", "16", "connection_queue",   "8",
      "max_request_size",  "8192",       nullptr};
  mg_callbacks callbacks{};
  callbacks.begin_request = HandleRequest;
  callbacks.log_message = KeepStartError;
  callbacks.log_access = [](const mg_connection*, const char*) { return 1; };

  std::unique_ptr<HttpServer> server(new HttpServer(backend));
  std::string error;
  start_error = &error;
  server->context_ = mg_start(&callbacks, &server->site_, options);
  start_error = nullptr;
  if (server->context_ == nullptr) {
    return absl::UnavailableError(absl::StrCat(
        "cannot serve HTTP on ", address, ": ", error, error.empty() ? "" : ". ",
        "The port may be in use, or the address not one of this machine; choose another "
        "with --admin-http"));
  }
  mg_server_port bound[1];
  const int count = mg_get_server_ports(server->context_, std::size(bound), bound);
  server->address_ = absl::StrCat(parsed->host, ":", count == 1 ? bound[0].port : parsed->port);
  return server;
}

HttpServer::~HttpServer() {
  if (context_ != nullptr) mg_stop(context_);
}

}  // namespace semper::admin
