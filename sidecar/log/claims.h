// Claims: the files that take an epoch. Their existence decides; nothing here is ever deleted
// (core.md, 4.1).
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/disk.h"
#include "sidecar/core/types.h"

namespace semper::log {

struct ClaimInfo {
  std::string member;
  uint64_t nonce = 0;
  uint64_t time = 0;  // UnixNanos, information only
};

// The newest claimed epoch, Epoch{0} if none, from fresh listings of every bucket needed. `known`:
// a claim seen earlier, which saves a listing.
absl::StatusOr<core::Epoch> NewestClaim(Disk& disk, const std::string& dir,
                                        core::Epoch known = core::Epoch{});

// Takes `epoch` (the newest + 1): makes durable what it stands on (the claim before it; the genesis
// before the first), creates the claim, syncs it and its directory; makes the next bucket if this
// is the bucket's last. A storage server that restarts may forget what nobody synced, while its
// clients live on: so both claims are looked at again after their sync. ALREADY_EXISTS: somebody
// else has it. ABORTED: one of the two was lost. After any other error the claim may or may not
// exist: the caller gives this epoch up.
absl::Status CreateClaim(Disk& disk, const std::string& dir, core::Epoch epoch,
                         const ClaimInfo& info);

// What a claim says of its owner; for people, and for "the last epoch was my own". A torn claim
// gives an empty info.
absl::StatusOr<ClaimInfo> ReadClaim(Disk& disk, const std::string& dir, core::Epoch epoch);

// The look-up: opens the claims of `own` epoch's bucket afresh and reads them to the end; gives the
// newest claim found, at least `own`. An error, or a listing without `own` itself, is a lost lock,
// never "no claim". It allocates nothing. Any thread.
class LookUp {
 public:
  LookUp(const std::string& dir, core::Epoch own);
  absl::StatusOr<core::Epoch> operator()(Disk& disk) const;

 private:
  const core::Epoch own_;
  const std::string bucket_;
  const std::string next_bucket_;  // where the claim after ours lies; empty: in the same one
};

}  // namespace semper::log
