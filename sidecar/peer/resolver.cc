#include "sidecar/peer/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
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

// Nothing to look up in it: a literal, a path, or nothing that a resolver could make sense of.
bool IsFinal(const std::string& address) {
  const size_t colon = address.rfind(':');
  return absl::StartsWith(address, "unix:") || colon == std::string::npos ||
         IsLiteral(address.substr(0, colon));
}

void AddOnce(std::vector<std::string>& addresses, std::string address) {
  if (std::find(addresses.begin(), addresses.end(), address) == addresses.end())
    addresses.push_back(std::move(address));
}

// Appends what the system knows of the host in `entry` ("host:port").
absl::Status AskSystem(const std::string& entry, std::vector<std::string>& addresses) {
  const size_t colon = entry.rfind(':');
  const std::string host = entry.substr(0, colon);
  const std::string port = entry.substr(colon + 1);
  const auto failed = [&](int error) {
    return absl::UnavailableError(absl::StrCat("cannot resolve ", host, ": ", gai_strerror(error)));
  };
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) return failed(error);
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, &freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    char text[NI_MAXHOST];
    error =
        getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
    if (error != 0) return failed(error);
    AddOnce(addresses, one->ai_family == AF_INET6 ? absl::StrCat("[", text, "]:", port)
                                                  : absl::StrCat(text, ":", port));
  }
  return absl::OkStatus();
}

}  // namespace

class NameResolver::LookUpJob : public Job {
 public:
  LookUpJob(NameResolver& resolver, uint64_t id, std::vector<std::string> entries,
            std::function<void(absl::StatusOr<std::vector<std::string>>)> done)
      : resolver_(resolver), id_(id), entries_(std::move(entries)), done_(std::move(done)) {}
  void Work() override {
    for (const std::string& entry : entries_) {
      if (IsFinal(entry)) {
        AddOnce(addresses_, entry);
      } else {
        failure_.Update(AskSystem(entry, addresses_));
      }
    }
  }
  void Done() override {
    const auto done = std::move(done_);
    absl::StatusOr<std::vector<std::string>> answer = std::move(addresses_);
    if (answer->empty()) answer = std::move(failure_);
    resolver_.jobs_.erase(id_);  // deletes this
    done(std::move(answer));
  }

 private:
  NameResolver& resolver_;
  const uint64_t id_;
  const std::vector<std::string> entries_;
  std::function<void(absl::StatusOr<std::vector<std::string>>)> done_;
  std::vector<std::string> addresses_;
  absl::Status failure_;  // the first
};

NameResolver::NameResolver(ResolverOptions options, Loop& loop, Executor& executor)
    : options_(std::move(options)), loop_(loop), executor_(executor) {}

NameResolver::~NameResolver() = default;

absl::StatusOr<std::vector<std::string>> NameResolver::EntriesOf(const std::string& name) const {
  if (const auto found = options_.addresses.find(name);
      found != options_.addresses.end() && !found->second.empty()) {
    return found->second;
  }
  if (options_.dns_template.empty()) {
    return absl::NotFoundError(absl::StrCat("no address is known for ", name,
                                            "; give --peer=", name, "=HOST:PORT or --peer-dns"));
  }
  const size_t slash = name.find('/');
  return std::vector<std::string>{absl::StrReplaceAll(
      options_.dns_template,
      {{"{namespace}", name.substr(0, slash)},
       {"{name}", slash == std::string::npos ? name : name.substr(slash + 1)}})};
}

void NameResolver::Resolve(const std::string& name,
                           std::function<void(absl::StatusOr<std::vector<std::string>>)> done) {
  absl::StatusOr<std::vector<std::string>> entries = EntriesOf(name);
  if (!entries.ok() || std::all_of(entries->begin(), entries->end(), IsFinal)) {
    loop_.Post([alive = std::weak_ptr<bool>(alive_), done = std::move(done),
                entries = std::move(entries)] {
      if (!alive.expired()) done(entries);
    });
    return;
  }
  const uint64_t id = next_++;
  auto& job = jobs_[id];
  job = std::make_unique<LookUpJob>(*this, id, *std::move(entries), std::move(done));
  executor_.Run(Lane::kHousekeeping, *job);
}

}  // namespace semper::peer
