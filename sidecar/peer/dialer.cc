#include "sidecar/peer/dialer.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "sidecar/peer/outbound_connection.h"
#include "sidecar/peer/timing.h"

namespace semper::peer {

using core::Slot;
using std::chrono::nanoseconds;

// The way to one destination. A round asks each of its members once whether it leads. Rounds follow
// each other, with pauses, until one does; and while the leader's acknowledgements do not come,
// beside the connection to it.
class Dialer::Link : public OutboundConnection::Owner,
                     public std::enable_shared_from_this<Dialer::Link> {
 public:
  Link(Dialer& dialer, Slot slot, std::string name)
      : dialer_(dialer), slot_(slot), name_(std::move(name)) {}

  void FindLeader() {
    AskForMembers();
    if (!members_.empty()) BeginRound();  // else when there is an answer
  }

  bool CanSend() { return leader_ && leader_->CanSend(); }

  void SendMessages(const core::HeldOutput& output) {
    if (!leader_) return;
    sent_ = std::max(sent_, output.after.sequence);
    if (!watch_) Watch(kAckLimit);
    leader_->SendMessages(output);
  }

  // What the connection led to is not wanted: drops it without telling the handler, and takes its
  // address last from now on.
  void Reject() {
    if (!leader_) return;
    unwanted_ = leader_->address();
    failures_[unwanted_] = "not what was expected there";
    DropLeader();
  }

  void Close() {
    closed_ = true;
    EndRound();
    redial_.reset();
    watch_.reset();
    for (const auto& attempt : std::exchange(attempts_, {})) attempt->Close();
    if (leader_) std::exchange(leader_, nullptr)->Close();
  }

  bool connected() const { return leader_ != nullptr; }
  std::string State() const;

  v1::PeerHello MakeHello() override { return dialer_.handler_.MakeHello(slot_); }
  void OnWelcome(OutboundConnection& connection, const v1::PeerWelcome& welcome) override;
  void OnAck(OutboundConnection& connection, const core::Position& committed) override;
  void OnCanSend(OutboundConnection& connection) override;
  void OnEnded(OutboundConnection& connection, const std::string& why,
               const v1::PeerRefused* refused) override;

 private:
  void AskForMembers();
  void OnMembers(absl::StatusOr<std::vector<std::string>> answer);
  void BeginRound();
  void NextMember();
  void EndRound();
  void PlanRound();
  std::string ReasonAgainst(const v1::PeerIdentity& receiver) const;
  void Adopt(std::shared_ptr<OutboundConnection> connection, const v1::PeerWelcome& welcome);
  void DropLeader();
  void Watch(nanoseconds interval);
  void OnWatch();

  Dialer& dialer_;
  const Slot slot_;
  const std::string name_;
  bool closed_ = false;

  bool asking_ = false;
  std::vector<std::string> members_;             // by the newest answer of the resolver
  std::map<std::string, std::string> failures_;  // why a member is not the leader, for status

  bool in_round_ = false;
  std::deque<std::string> queue_;  // members that this round has not tried yet
  std::vector<std::shared_ptr<OutboundConnection>> attempts_;  // shared: see Close of the type
  std::unique_ptr<Timer> next_;                                // member of the round
  std::unique_ptr<Timer> redial_;
  std::optional<nanoseconds> away_since_;  // without a leader that is wanted

  std::shared_ptr<OutboundConnection> leader_;
  // The newest leadership that welcomed us, and the addresses at which it did.
  std::string incarnation_;
  uint64_t epoch_ = 0;
  std::set<std::string> homes_;
  std::string favourite_;  // welcomed last
  std::string unwanted_;

  uint64_t sent_ = 0;  // sequences, on this connection
  uint64_t acked_ = 0;
  std::unique_ptr<Timer> watch_;  // set while something may be unacknowledged
  nanoseconds watch_interval_{0};
  nanoseconds stalled_{0};     // how long the acknowledgement has not moved
  uint64_t watched_sent_ = 0;  // when the timer was set
  uint64_t watched_acked_ = 0;
};

std::string Dialer::Link::State() const {
  if (leader_) return absl::StrCat("connected to ", leader_->address());
  if (closed_) return "closed";
  if (members_.empty() && failures_.empty()) return "resolving";
  if (failures_.empty() && attempts_.empty()) return "looking for the leader";
  std::string text;
  for (const auto& [member, why] : failures_)
    absl::StrAppend(&text, text.empty() ? "" : "; ", member, " ", why);
  for (const auto& attempt : attempts_) {
    if (failures_.contains(attempt->address())) continue;
    absl::StrAppend(&text, text.empty() ? "" : "; ", attempt->greeted() ? "greeting " : "dialling ",
                    attempt->address());
  }
  return text;
}

// Answers of a resolver that hangs or fails are not waited for: the last one serves until then.
void Dialer::Link::AskForMembers() {
  if (asking_) return;
  asking_ = true;
  dialer_.resolver_.Resolve(
      name_, [self = weak_from_this()](absl::StatusOr<std::vector<std::string>> answer) {
        if (const auto link = self.lock()) link->OnMembers(std::move(answer));
      });
}

void Dialer::Link::OnMembers(absl::StatusOr<std::vector<std::string>> answer) {
  asking_ = false;
  if (closed_) return;
  const bool waited_for = members_.empty();
  if (answer.ok()) {
    members_ = *std::move(answer);
    if (members_.size() > kMembersMax) members_.resize(kMembersMax);
    std::erase_if(failures_, [&](const auto& failure) {
      return std::find(members_.begin(), members_.end(), failure.first) == members_.end();
    });
  } else if (waited_for) {
    failures_[name_] = absl::StrCat("is not found: ", answer.status().message());
  }
  if (waited_for) members_.empty() ? PlanRound() : BeginRound();
}

// Beside a leader only members are asked at which its epoch is not at home: a second connection
// would replace the first.
void Dialer::Link::BeginRound() {
  queue_.clear();
  for (const std::string& member : members_) {
    const bool busy = std::any_of(attempts_.begin(), attempts_.end(), [&](const auto& attempt) {
      return attempt->address() == member;
    });
    if (!busy && !(leader_ && homes_.contains(member))) queue_.push_back(member);
  }
  const auto rank = [this](const std::string& member) {
    return member == unwanted_ ? 2 : member == favourite_ ? 0 : 1;
  };
  std::stable_sort(queue_.begin(), queue_.end(),
                   [&](const std::string& a, const std::string& b) { return rank(a) < rank(b); });
  in_round_ = true;
  NextMember();
}

void Dialer::Link::NextMember() {
  if (queue_.empty()) {
    EndRound();
    if (!leader_) PlanRound();
    return;
  }
  attempts_.push_back(std::make_shared<OutboundConnection>(dialer_.loop_, dialer_.arena_,
                                                           std::move(queue_.front()), *this));
  queue_.pop_front();
  next_ = dialer_.loop_.After(kNextMemberAfter, [this] { NextMember(); });
  attempts_.back()->Dial();
}

void Dialer::Link::EndRound() {
  in_round_ = false;
  queue_.clear();
  next_.reset();
}

void Dialer::Link::PlanRound() {
  const nanoseconds now = dialer_.loop_.Monotonic();
  if (!away_since_) away_since_ = now;
  const auto pause = std::clamp((now - *away_since_) / kRedialShare, kRedialFirst, kRedialMost);
  const auto wait =
      pause / 2 + nanoseconds(dialer_.loop_.Random() % static_cast<uint64_t>(pause.count()));
  redial_ = dialer_.loop_.After(wait, [this] { FindLeader(); });
}

// Epochs do not go back within an incarnation: a lower one than has welcomed before is a leader
// that does not know yet that it was replaced.
std::string Dialer::Link::ReasonAgainst(const v1::PeerIdentity& receiver) const {
  if (receiver.incarnation() != incarnation_)
    return leader_ ? "is another incarnation than the leader in connection" : "";
  if (receiver.epoch() >= epoch_) return "";
  return absl::StrCat("welcomes with epoch ", receiver.epoch(), ", but ", epoch_,
                      " led since: it was replaced, or its log is an older copy");
}

void Dialer::Link::OnWelcome(OutboundConnection& connection, const v1::PeerWelcome& welcome) {
  if (const std::string reason = ReasonAgainst(welcome.receiver()); !reason.empty()) {
    const auto kept = connection.shared_from_this();
    kept->Close();
    return OnEnded(connection, reason, nullptr);
  }
  Adopt(std::static_pointer_cast<OutboundConnection>(connection.shared_from_this()), welcome);
}

void Dialer::Link::Adopt(std::shared_ptr<OutboundConnection> connection,
                         const v1::PeerWelcome& welcome) {
  // Who has had our hello stays until it answers: if it is this leader by another address, that
  // hello replaced the connection in hand, and its welcome replaces it here, too.
  std::erase_if(attempts_, [&](const auto& attempt) {
    if (attempt != connection && !attempt->greeted()) attempt->Close();
    return attempt == connection || !attempt->greeted();
  });
  EndRound();
  redial_.reset();
  if (connection->address() != unwanted_) away_since_.reset();
  failures_.clear();
  const v1::PeerIdentity& receiver = welcome.receiver();
  if (receiver.incarnation() != incarnation_ || receiver.epoch() != epoch_) homes_.clear();
  incarnation_ = receiver.incarnation();
  epoch_ = receiver.epoch();
  favourite_ = connection->address();
  homes_.insert(favourite_);
  sent_ = welcome.resume().sequence();
  acked_ = welcome.committed().sequence();
  watch_.reset();
  stalled_ = nanoseconds(0);
  if (sent_ > acked_) Watch(kAckLimit);
  ++dialer_.reconnects_;
  const auto former = std::exchange(leader_, std::move(connection));
  if (former) {
    SEMPER_LOG(kInfo, "{}: epoch {} at {} replaces the connection to {}", name_, epoch_, favourite_,
               former->address());
    former->Close();
    dialer_.handler_.OnDisconnected(slot_);
  }
  if (!closed_) dialer_.handler_.OnWelcome(slot_, welcome);
}

void Dialer::Link::DropLeader() {
  watch_.reset();
  if (!away_since_) away_since_ = dialer_.loop_.Monotonic();
  std::exchange(leader_, nullptr)->Close();
  if (!in_round_) PlanRound();
}

void Dialer::Link::OnAck(OutboundConnection& connection, const core::Position& committed) {
  if (&connection != leader_.get()) return;
  if (!unwanted_.empty()) {  // whoever acknowledges is wanted
    unwanted_.clear();
    away_since_.reset();
  }
  acked_ = std::max(acked_, committed.sequence);
  dialer_.handler_.OnAck(slot_, committed);
}

void Dialer::Link::OnCanSend(OutboundConnection& connection) {
  if (&connection == leader_.get()) dialer_.handler_.OnCanSend(slot_);
}

void Dialer::Link::OnEnded(OutboundConnection& connection, const std::string& why,
                           const v1::PeerRefused* refused) {
  const bool expected = refused != nullptr && refused->reason() == v1::PeerRefused::NOT_LEADER;
  std::string& known = failures_[connection.address()];
  if (!expected && known != why)
    SEMPER_LOG(kInfo, "{} at {}: {}", name_, connection.address(), why);
  known = why;
  if (&connection == leader_.get()) {
    DropLeader();
    return refused ? dialer_.handler_.OnRefusedByPeer(slot_, *refused)
                   : dialer_.handler_.OnDisconnected(slot_);
  }
  std::erase_if(attempts_, [&](const auto& attempt) { return attempt.get() == &connection; });
  // Beside a leader nobody's refusal counts.
  if (refused != nullptr && !expected && !leader_) {
    dialer_.handler_.OnRefusedByPeer(slot_, *refused);
    if (closed_) return;
  }
  if (in_round_) NextMember();
}

// A timer looks now and then, so that sending and acknowledging cost nothing.
void Dialer::Link::Watch(nanoseconds interval) {
  watch_interval_ = interval;
  watched_sent_ = sent_;
  watched_acked_ = acked_;
  watch_ = dialer_.loop_.After(interval, [this] { OnWatch(); });
}

void Dialer::Link::OnWatch() {
  const bool was_due = watched_sent_ > watched_acked_;
  if (!was_due || acked_ > watched_acked_) {
    stalled_ = nanoseconds(0);
  } else {
    stalled_ += watch_interval_;
  }
  if (sent_ <= acked_) {
    watch_.reset();
    return;
  }
  Watch(std::clamp(stalled_ / kRedialShare, kAckLimit, kRedialMost));
  if (stalled_ > nanoseconds(0) && !in_round_) FindLeader();
}

Dialer::Dialer(Loop& loop, wire::ReadArena& arena, Resolver& resolver, DestinationHandler& handler)
    : loop_(loop), arena_(arena), resolver_(resolver), handler_(handler) {}

Dialer::~Dialer() { CloseAll(); }

void Dialer::Connect(Slot slot, const std::string& name) {
  auto& link = links_[Raw(slot)];
  if (link) return;
  link = std::make_shared<Link>(*this, slot, name);
  link->FindLeader();
}

void Dialer::Disconnect(Slot slot, bool for_good) {
  const auto found = links_.find(Raw(slot));
  if (found == links_.end()) return;
  const std::shared_ptr<Link> link = found->second;
  if (for_good) {
    link->Close();
  } else {
    link->Reject();
  }
}

bool Dialer::CanSend(Slot slot) {
  const auto found = links_.find(Raw(slot));
  return found != links_.end() && found->second->CanSend();
}

void Dialer::SendMessages(Slot slot, const core::HeldOutput& output) {
  const auto found = links_.find(Raw(slot));
  if (found != links_.end()) found->second->SendMessages(output);
}

std::string Dialer::StateOf(Slot slot) const {
  const auto found = links_.find(Raw(slot));
  return found == links_.end() ? "not dialled" : found->second->State();
}

bool Dialer::Connected(Slot slot) const {
  const auto found = links_.find(Raw(slot));
  return found != links_.end() && found->second->connected();
}

void Dialer::CloseAll() {
  for (auto& [slot, link] : links_) link->Close();
}

}  // namespace semper::peer
