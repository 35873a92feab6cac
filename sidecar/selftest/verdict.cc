#include "sidecar/selftest/verdict.h"

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace semper::selftest {
namespace {

struct Texts {
  const char* what;
  const char* remedy;
};

constexpr char kRemedyForReads[] =
    "Have reads ask the storage (GlusterFS: performance.quick-read, stat-prefetch, io-cache, "
    "read-ahead, open-behind and write-behind off, mounted with direct-io-mode=enable, "
    "attribute-timeout=0; NFS: without nocto; SMB: cache=none)";

Texts TextsOf(Broken broken) {
  switch (broken) {
    case Broken::kListing:
      return {
          "was created and synced by a fellow, and the first listing of its directory "
          "afterwards does not show it: listings come from a cache, and a claim of another "
          "leader would stay unseen",
          "Have listings ask the storage (NFS: without nocto, with lookupcache=none; GlusterFS: "
          "performance.readdir-ahead, stat-prefetch and nl-cache off; SMB: nohandlecache, "
          "actimeo=0)"};
    case Broken::kName:
      return {
          "was created and synced by a fellow but cannot be opened: this node "
          "remembers that the name was absent",
          "Have look-ups ask the storage (NFS: lookupcache=none; GlusterFS: "
          "negative-timeout=0, entry-timeout=0, performance.nl-cache off; SMB: actimeo=0)"};
    case Broken::kContents:
      return {
          "was created and synced by a fellow, and the first read of it does not show its "
          "bytes: reads come from a cache, and records of the log would be missed",
          kRemedyForReads};
    case Broken::kAppend:
      return {
          "was appended to and synced by a fellow, and the first read afterwards does not show "
          "what was appended: reads come from a cache, and records of the log would be missed",
          kRemedyForReads};
    case Broken::kOverwrite:
      return {
          "was overwritten and synced by a fellow, and the first read afterwards shows older "
          "bytes: reads come from a cache",
          kRemedyForReads};
    case Broken::kExclusive:
      return {
          "was created exclusively by two members: a name that one of them had created and "
          "synced was created once more by the other, and so could be a claim",
          "No option is known to help; use a file system whose exclusive create is exclusive "
          "across nodes (CephFS, GlusterFS, NFS 4.1)"};
  }
  SEMPER_CHECK(false, "verdict", static_cast<int>(broken));
  return {};
}

}  // namespace

std::string VerdictText(Broken broken, const std::string& dir, uint64_t round,
                        const std::string& file) {
  const Texts texts = TextsOf(broken);
  return absl::StrCat("in round ", round, " of the self-test ", dir, "/", file, " ", texts.what,
                      ". ", texts.remedy, "; docs/volumes.md says more");
}

}  // namespace semper::selftest
