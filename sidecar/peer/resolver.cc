#include "sidecar/peer/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace semper::peer {

namespace {

bool IsLiteral(const std::string& host) {
  in6_addr ignored;
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  return inet_pton(AF_INET, host.c_str(), &ignored) == 1 ||
         (bracketed && inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &ignored) == 1);
}

absl::StatusOr<std::string> AskSystem(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0) {
    return absl::UnavailableError(absl::StrCat("cannot resolve ", host, ": ", gai_strerror(error)));
  }
  char text[NI_MAXHOST];
  const int error =
      getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  const bool six = found->ai_family == AF_INET6;
  freeaddrinfo(found);
  if (error != 0)
    return absl::UnavailableError(absl::StrCat("cannot resolve ", host, ": ", gai_strerror(error)));
  return six ? absl::StrCat("[", text, "]:", port) : absl::StrCat(text, ":", port);
}

}  // namespace

class NameResolver::LookUpJob : public Job {
 public:
  LookUpJob(NameResolver& resolver, uint64_t id, std::string host, std::string port,
            std::function<void(absl::StatusOr<std::string>)> done)
      : resolver_(resolver),
        id_(id),
        host_(std::move(host)),
        port_(std::move(port)),
        done_(std::move(done)) {}
  void Work() override { answer_ = AskSystem(host_, port_); }
  void Done() override {
    const auto done = std::move(done_);
    absl::StatusOr<std::string> answer = std::move(answer_);
    resolver_.jobs_.erase(id_);  // deletes this
    done(std::move(answer));
  }

 private:
  NameResolver& resolver_;
  const uint64_t id_;
  const std::string host_;
  const std::string port_;
  std::function<void(absl::StatusOr<std::string>)> done_;
  absl::StatusOr<std::string> answer_ = absl::UnknownError("");
};

NameResolver::NameResolver(ResolverOptions options, Loop& loop, Executor& executor)
    : options_(std::move(options)), loop_(loop), executor_(executor) {}

NameResolver::~NameResolver() = default;

absl::StatusOr<std::string> NameResolver::AddressOf(const std::string& name) const {
  if (const auto found = options_.addresses.find(name); found != options_.addresses.end())
    return found->second;
  if (options_.dns_template.empty()) {
    return absl::NotFoundError(absl::StrCat("no address is known for ", name,
                                            "; give --peer=", name, "=HOST:PORT or --peer-dns"));
  }
  const size_t slash = name.find('/');
  return absl::StrReplaceAll(
      options_.dns_template,
      {{"{namespace}", name.substr(0, slash)},
       {"{name}", slash == std::string::npos ? name : name.substr(slash + 1)}});
}

void NameResolver::Resolve(const std::string& name,
                           std::function<void(absl::StatusOr<std::string>)> done) {
  absl::StatusOr<std::string> address = AddressOf(name);
  const size_t colon = address.ok() ? address->rfind(':') : std::string::npos;
  if (!address.ok() || absl::StartsWith(*address, "unix:") || colon == std::string::npos ||
      IsLiteral(address->substr(0, colon))) {
    loop_.Post([alive = std::weak_ptr<bool>(alive_), done = std::move(done),
                address = std::move(address)] {
      if (!alive.expired()) done(address);
    });
    return;
  }
  const uint64_t id = next_++;
  auto& job = jobs_[id];
  job = std::make_unique<LookUpJob>(*this, id, address->substr(0, colon),
                                    address->substr(colon + 1), std::move(done));
  executor_.Run(Lane::kHousekeeping, *job);
}

}  // namespace semper::peer
