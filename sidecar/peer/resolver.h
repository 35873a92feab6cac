// Where other immortals are: a static list first, then a name template through the system's
// resolver (DNS).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/executor.h"
#include "sidecar/peer/dialer.h"

namespace semper::peer {

struct ResolverOptions {
  std::map<std::string, std::string> addresses;  // namespace/name -> "host:port" or "unix:/path"
  std::string dns_template;  // "{name}.{namespace}.svc:7600"; empty: only the list
};

// Literal addresses are answered at once (in a later round); host names on the housekeeping lane,
// since a resolver may hang. Loop's thread only.
class NameResolver : public Resolver {
 public:
  NameResolver(ResolverOptions options, Loop& loop, Executor& executor);
  ~NameResolver() override;
  void Resolve(const std::string& name,
               std::function<void(absl::StatusOr<std::string>)> done) override;

 private:
  class LookUpJob;
  absl::StatusOr<std::string> AddressOf(const std::string& name) const;

  const ResolverOptions options_;
  Loop& loop_;
  Executor& executor_;
  std::map<uint64_t, std::unique_ptr<LookUpJob>> jobs_;
  uint64_t next_ = 1;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace semper::peer
