#include "sidecar/admin/switchover.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace semper::admin {
namespace {

bool MayLead(const MemberStatus& member) { return member.role == "standby" && member.ready; }

bool Ends(Phase phase) { return phase == Phase::kDraining || phase == Phase::kStopped; }

// "orders-1 (standby, not ready: a diverged output)".
std::string Describe(const MemberStatus& member) {
  return absl::StrCat(member.name, " (", member.role, MayLead(member) ? ", ready" : ", not ready",
                      member.reason.empty() ? "" : ": ", member.reason, ")");
}

std::string DescribeAll(const StatusSnapshot& s) {
  if (s.members.empty()) return "no fellow member is connected";
  return absl::StrCat("connected: ",
                      absl::StrJoin(s.members, ", ", [](std::string* out, const MemberStatus& one) {
                        out->append(Describe(one));
                      }));
}

}  // namespace

absl::Status WhyNoSwitchover(const StatusSnapshot& s, const std::string& to) {
  // A leader that waits for its service leads still, and has reason to hand over.
  const bool leads = s.phase == Phase::kLeading || (s.role == "leader" && !Ends(s.phase));
  if (!leads) {
    std::string who = "no leader is known at the moment";
    if (!s.leader.empty() && s.leader != s.member)
      who = absl::StrCat("ask ", s.leader, ", it does");
    return absl::FailedPreconditionError(
        absl::StrCat(s.member, " does not lead (", PhaseName(s.phase), "); ", who));
  }
  if (to == s.member) {
    return absl::FailedPreconditionError(absl::StrCat(to, " leads already"));
  }
  if (to.empty()) {
    if (std::ranges::any_of(s.members, MayLead)) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("no fellow member is ready to lead; ", DescribeAll(s)));
  }
  const auto found = std::ranges::find(s.members, to, &MemberStatus::name);
  if (found == s.members.end()) {
    return absl::NotFoundError(
        absl::StrCat("no member ", to, " is connected to ", s.member, "; ", DescribeAll(s)));
  }
  if (MayLead(*found)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("not ready to lead: ", Describe(*found)));
}

}  // namespace semper::admin
