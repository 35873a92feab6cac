// Where the members of other immortals are: a static list first, then a name template through the
// system's resolver (DNS).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "sidecar/peer/dialer.h"

namespace semper::peer {

// namespace/name -> "host:port" or "unix:/path" of each member.
using Addresses = std::map<std::string, std::vector<std::string>>;

struct ResolverOptions {
  Addresses addresses;
  std::string dns_template;  // "{name}.{namespace}.svc:7600"; empty: only the list
};

// Literal addresses are answered at once (in a later round); host names on the housekeeping lane,
// since a resolver may hang. A host name stands for every address it resolves to, as that of a
// headless service does; names that do not resolve are left out unless nothing else is known.
// Loop's thread only.
class NameResolver : public Resolver {
 public:
  NameResolver(ResolverOptions options, Loop& loop, Executor& executor);
  ~NameResolver() override;
  void Resolve(const std::string& name,
               std::function<void(absl::StatusOr<std::vector<std::string>>)> done) override;

  // Replaces the list. Look-ups that are under way still answer from the former one.
  void SetAddresses(Addresses addresses) { options_.addresses = std::move(addresses); }

 private:
  class LookUpJob;
  absl::StatusOr<std::vector<std::string>> EntriesOf(const std::string& name) const;

  ResolverOptions options_;
  Loop& loop_;
  Executor& executor_;
  std::map<uint64_t, std::unique_ptr<LookUpJob>> jobs_;
  uint64_t next_ = 1;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace semper::peer
