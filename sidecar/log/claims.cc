#include "sidecar/log/claims.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "sidecar/log/genesis.h"
#include "sidecar/log/text_file.h"

namespace semper::log {
namespace {

constexpr uint64_t kBucketEpochs = 256;

uint64_t BucketOf(core::Epoch epoch) { return Raw(epoch) / kBucketEpochs; }
bool IsLastOfBucket(core::Epoch epoch) { return Raw(epoch) % kBucketEpochs == kBucketEpochs - 1; }

std::string ClaimsDir(const std::string& dir) { return absl::StrCat(dir, "/claims"); }
std::string BucketDir(const std::string& dir, uint64_t bucket) {
  return absl::StrCat(dir, "/claims/", bucket);
}
std::string ClaimPath(const std::string& dir, core::Epoch epoch) {
  return absl::StrCat(BucketDir(dir, BucketOf(epoch)), "/", Raw(epoch));
}

// The names in a directory that are numbers; others are not ours.
struct Numbers {
  uint64_t count = 0;
  uint64_t first = UINT64_MAX;
  uint64_t last = 0;
  // Names are different from each other.
  bool HaveNoGaps() const { return last - first == count - 1; }
};

absl::StatusOr<Numbers> ListNumbers(Disk& disk, const std::string& path) {
  Numbers numbers;
  const absl::Status listed = disk.ForEachName(path, [&](std::string_view name) {
    uint64_t number = 0;
    const char* const end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data(), end, number);
    const bool is_plain = parsed.ec == std::errc() && parsed.ptr == end;
    if (!is_plain || (name.size() > 1 && name.front() == '0')) return;
    ++numbers.count;
    numbers.first = std::min(numbers.first, number);
    numbers.last = std::max(numbers.last, number);
  });
  if (!listed.ok()) return listed;
  return numbers;
}

// The newest claim in a bucket, nothing if it is empty; `path` is the bucket's. DATA_LOSS: the
// claims have gaps or are not of this bucket, which no contender makes: the listing is incomplete.
absl::StatusOr<std::optional<core::Epoch>> NewestIn(Disk& disk, const std::string& path,
                                                    uint64_t bucket) {
  const auto epochs = ListNumbers(disk, path);
  if (!epochs.ok()) return epochs.status();
  if (epochs->count == 0) return std::nullopt;
  const uint64_t first = bucket == 0 ? 1 : bucket * kBucketEpochs;
  if (epochs->first != first || !epochs->HaveNoGaps() || epochs->last / kBucketEpochs != bucket) {
    return absl::DataLossError(
        absl::StrCat(path, " lists ", epochs->count, " claims from ", epochs->first, " to ",
                     epochs->last, ", but claims have no gaps and begin with ", first,
                     "; the listing is incomplete, or claims were deleted or made by "
                     "hand. Put an empty file in the place of each that "
                     "is missing"));
  }
  return core::Epoch{epochs->last};
}
absl::StatusOr<std::optional<core::Epoch>> NewestInBucket(Disk& disk, const std::string& dir,
                                                          uint64_t bucket) {
  return NewestIn(disk, BucketDir(dir, bucket), bucket);
}

absl::Status MakeBucket(Disk& disk, const std::string& dir, uint64_t bucket) {
  absl::Status made = disk.MakeDir(BucketDir(dir, bucket));
  if (!made.ok() && !absl::IsAlreadyExists(made)) return made;
  return disk.SyncDir(ClaimsDir(dir));
}

// A directory that was synced keeps what it has, but not what it lost before: is the newest claim
// in it still the one before `epoch`?
absl::Status CheckClaimBefore(Disk& disk, const std::string& dir, core::Epoch epoch) {
  const core::Epoch before{Raw(epoch) - 1};
  auto newest = NewestInBucket(disk, dir, BucketOf(before));
  if (!newest.ok()) return newest.status();
  if (*newest == before) return absl::OkStatus();
  if (newest->has_value() && **newest > before) {
    return absl::AlreadyExistsError(absl::StrCat("epoch ", Raw(epoch),
                                                 " is claimed: ", BucketDir(dir, BucketOf(before)),
                                                 " lists ", Raw(**newest)));
  }
  return absl::AbortedError(absl::StrCat(
      "claim ", Raw(before), " was listed, but is gone after its directory was synced: ",
      BucketDir(dir, BucketOf(before)), " lost it; epoch ", Raw(epoch), " is not claimed"));
}

// The owner alone knows its nonce. What the volume forgot before it was synced may since have been
// claimed by somebody else.
absl::Status CheckOwnClaim(Disk& disk, const std::string& dir, core::Epoch epoch, uint64_t nonce) {
  auto claim = ReadClaim(disk, dir, epoch);
  if (claim.ok() && claim->nonce == nonce) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat(
      "claim ", Raw(epoch), " was made and synced, but ", ClaimPath(dir, epoch),
      claim.ok() ? absl::StrFormat(" has nonce %016x instead of %016x", claim->nonce, nonce)
                 : absl::StrCat(" cannot be read: ", claim.status().message()),
      "; the volume lost it, the epoch is given up"));
}

// Member names come from outside: a line must stay a line.
std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.substr(0, 256);
}

}  // namespace

absl::StatusOr<core::Epoch> NewestClaim(Disk& disk, const std::string& dir, core::Epoch known) {
  if (known != core::Epoch{}) {
    auto newest = NewestInBucket(disk, dir, BucketOf(known));
    if (!newest.ok()) return newest.status();
    // A later bucket has claims only if this one is full.
    if (newest->has_value() && **newest >= known && !IsLastOfBucket(**newest)) return **newest;
  }
  auto buckets = ListNumbers(disk, ClaimsDir(dir));
  if (!buckets.ok()) return buckets.status();
  if (buckets->count == 0 || buckets->first != 0 || !buckets->HaveNoGaps()) {
    return absl::DataLossError(
        absl::StrCat(ClaimsDir(dir), " lists ", buckets->count,
                     " buckets, but they have no gaps and bucket 0 is made with the genesis; "
                     "the listing is incomplete or claims were deleted"));
  }
  const uint64_t last = buckets->last;
  auto newest = NewestInBucket(disk, dir, last);
  if (!newest.ok()) return newest.status();
  if (newest->has_value()) return **newest;
  if (last == 0) return core::Epoch{};
  // The newest bucket is made by the owner of the last epoch of the one before.
  newest = NewestInBucket(disk, dir, last - 1);
  if (!newest.ok()) return newest.status();
  if (newest->has_value() && IsLastOfBucket(**newest)) return **newest;
  return absl::DataLossError(
      absl::StrCat(BucketDir(dir, last), " is empty, but ", BucketDir(dir, last - 1),
                   " is not full; the listing is incomplete or claims were deleted"));
}

absl::Status CreateClaim(Disk& disk, const std::string& dir, core::Epoch epoch,
                         const ClaimInfo& info) {
  const uint64_t bucket = BucketOf(epoch);
  // The owner of the last epoch before this bucket may have died before it made it.
  if (bucket > 0 && Raw(epoch) % kBucketEpochs == 0) {
    if (absl::Status s = disk.SyncDir(BucketDir(dir, bucket - 1)); !s.ok()) return s;
    if (absl::Status s = CheckClaimBefore(disk, dir, epoch); !s.ok()) return s;
    if (absl::Status s = MakeBucket(disk, dir, bucket); !s.ok()) return s;
  } else if (Raw(epoch) == 1) {
    // From here on the genesis cannot be made again.
    if (absl::Status s = SettleGenesis(disk, dir).status(); !s.ok()) return s;
  } else {
    // The claim before this one may have been seen in a cache only: should its owner have been
    // killed before the sync, a power loss could leave this claim and take that one, and no epoch
    // could be claimed ever after.
    if (absl::Status s = disk.SyncDir(BucketDir(dir, bucket)); !s.ok()) return s;
    if (absl::Status s = CheckClaimBefore(disk, dir, epoch); !s.ok()) return s;
  }
  auto file = disk.Open(ClaimPath(dir, epoch), OpenMode::kCreateExclusive);
  if (!file.ok()) return file.status();
  const std::string text =
      absl::StrCat("member: ", OneLine(info.member),
                   "\nnonce: ", absl::StrFormat("%016x", info.nonce), "\ntime: ", info.time, "\n");
  if (absl::Status s = WriteTextFile(**file, text); !s.ok()) return s;
  if (absl::Status s = disk.SyncDir(BucketDir(dir, bucket)); !s.ok()) return s;
  if (absl::Status s = CheckOwnClaim(disk, dir, epoch, info.nonce); !s.ok()) return s;
  if (!IsLastOfBucket(epoch)) return absl::OkStatus();
  return MakeBucket(disk, dir, bucket + 1);
}

absl::StatusOr<ClaimInfo> ReadClaim(Disk& disk, const std::string& dir, core::Epoch epoch) {
  auto text = ReadTextFile(disk, ClaimPath(dir, epoch));
  if (!text.ok()) return text.status();
  ClaimInfo info;
  const std::vector<absl::string_view> lines = absl::StrSplit(*text, '\n');
  if (lines.size() != 4 || !lines[3].empty()) return ClaimInfo{};
  absl::string_view member = lines[0];
  absl::string_view nonce = lines[1];
  absl::string_view time = lines[2];
  if (!absl::ConsumePrefix(&member, "member: ") || !absl::ConsumePrefix(&nonce, "nonce: ") ||
      !absl::ConsumePrefix(&time, "time: ") || nonce.size() != 16 ||
      !absl::SimpleHexAtoi(nonce, &info.nonce) || !absl::SimpleAtoi(time, &info.time)) {
    return ClaimInfo{};
  }
  info.member = std::string(member);
  return info;
}

LookUp::LookUp(const std::string& dir, core::Epoch own)
    : own_(own),
      bucket_(BucketDir(dir, BucketOf(own))),
      next_bucket_(IsLastOfBucket(own) ? BucketDir(dir, BucketOf(own) + 1) : "") {}

absl::StatusOr<core::Epoch> LookUp::operator()(Disk& disk) const {
  auto newest = NewestIn(disk, bucket_, BucketOf(own_));
  if (!newest.ok()) return newest.status();
  if (!newest->has_value() || **newest < own_) {
    return absl::DataLossError(
        absl::StrCat("the look-up in ", bucket_, " does not show claim ", Raw(own_),
                     ", which is ours: the listing is not the truth, the lock is lost"));
  }
  if (next_bucket_.empty()) return **newest;
  // The claim after ours lies in the next bucket, which we made.
  auto next = NewestIn(disk, next_bucket_, BucketOf(own_) + 1);
  if (!next.ok()) return next.status();
  return next->value_or(**newest);
}

}  // namespace semper::log
