#include "sidecar/member/links.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "sidecar/peer/dialled_connection.h"

namespace semper::member {

using core::FrameHeader;
using core::FrameKind;

namespace {
constexpr std::chrono::seconds kResolveEvery{10};
constexpr std::chrono::milliseconds kRedialFirst{20};
constexpr std::chrono::milliseconds kRedialMost{500};
}  // namespace

class Links::Link final : public peer::DialledConnection {
 public:
  Link(Links& owner, std::string address)
      : DialledConnection(owner.loop_, owner.arena_, std::move(address)), owner_(owner) {}

  // Closes it, and dials no more.
  void Leave() {
    left_ = true;
    Close();
    redial_.reset();
  }

  const std::string& member() const { return member_; }
  uint64_t process() const { return process_; }
  // Forget what the address was: the list was read again.
  void TryAgain() {
    if (std::exchange(is_known_, false) && !left_) Dial();
  }

 private:
  std::pair<FrameKind, std::string> MakeGreeting() override {
    return {FrameKind::kMemberHello, owner_.handler_.MakeMemberHello().SerializeAsString()};
  }

  std::string Take(const FrameHeader& header, const Buffer& payload) override {
    const auto parse = [&](auto& message) {
      return message.ParseFromArray(payload.data(), static_cast<int>(payload.size()));
    };
    switch (header.kind) {
      case FrameKind::kMemberWelcome:
        if (v1::MemberWelcome welcome; !welcomed() && parse(welcome)) return TakeWelcome(welcome);
        break;
      case FrameKind::kMemberRefused:
        if (v1::MemberRefused refused; parse(refused)) {
          is_known_ = refused.reason() == v1::MemberRefused::SELF;
          if (!is_known_) owner_.handler_.OnFellowRefused(refused);
          return "refused";
        }
        break;
      case FrameKind::kMemberState:
        if (v1::MemberState state; welcomed() && parse(state)) {
          owner_.handler_.OnFellowState(member_, state);
          return "";
        }
        break;
      case FrameKind::kMemberTest:
        if (v1::MemberTest test; welcomed() && parse(test)) {
          owner_.handler_.OnFellowTest(member_, test);
          return "";
        }
        break;
      default:
        break;
    }
    return "a frame that is not expected";
  }

  std::string TakeWelcome(const v1::MemberWelcome& welcome) {
    if (const auto older = owner_.Find(welcome.from().member())) {
      // A second address of one process; or of another, whose turn comes when the older connection
      // turns out to be dead.
      is_known_ = older->process() == welcome.from().process();
      return "it is connected already";
    }
    if (std::string why = owner_.handler_.OnFellowFound(welcome.from()); !why.empty()) {
      SEMPER_LOG(kWarning, "{} is no fellow: {}", address(), why);
      return why;
    }
    member_ = welcome.from().member();
    process_ = welcome.from().process();
    pause_ = kRedialFirst;
    SetWelcomed();
    return "";
  }

  void OnEnded(const std::string&) override {
    const std::string member = std::exchange(member_, "");
    if (!left_ && !is_known_) {
      redial_ = owner_.loop_.After(pause_, [this] { Dial(); });
      pause_ = std::min<std::chrono::nanoseconds>(pause_ * 2, kRedialMost);
    }
    if (!member.empty()) owner_.handler_.OnFellowLost(member);
  }

  Links& owner_;
  std::string member_;  // not empty: welcomed by this fellow
  uint64_t process_ = 0;
  std::unique_ptr<Timer> redial_;
  std::chrono::nanoseconds pause_ = kRedialFirst;
  bool left_ = false;
  bool is_known_ = false;  // the address of this process itself, or of a fellow that has a link
};

Links::Links(Loop& loop, wire::ReadArena& arena, peer::Resolver& resolver, std::string name,
             FellowHandler& handler)
    : loop_(loop), arena_(arena), resolver_(resolver), name_(std::move(name)), handler_(handler) {}

Links::~Links() { CloseAll(); }

void Links::Begin() { Resolve(); }

void Links::Resolve() {
  if (closed_) return;
  resolve_ = loop_.After(kResolveEvery, [this] { Resolve(); });
  resolver_.Resolve(name_, [this, alive = std::weak_ptr<bool>(alive_)](
                               absl::StatusOr<std::vector<std::string>> found) {
    if (alive.expired() || closed_ || !found.ok()) return;
    for (auto link = links_.begin(); link != links_.end();) {
      // One that left may still be connected; it goes when the connection does.
      const bool listed = std::find(found->begin(), found->end(), link->first) != found->end();
      if (!listed && link->second->member().empty()) {
        link->second->Leave();
        link = links_.erase(link);
      } else {
        link->second->TryAgain();
        ++link;
      }
    }
    for (const std::string& address : *found) {
      auto& link = links_[address];
      if (link) continue;
      link = std::make_shared<Link>(*this, address);
      link->Dial();
    }
  });
}

std::shared_ptr<Links::Link> Links::Find(const std::string& member) const {
  const auto found = std::find_if(links_.begin(), links_.end(), [&](const auto& link) {
    return link.second->member() == member;
  });
  return found == links_.end() ? nullptr : found->second;
}

void Links::SendTest(const std::string& member, const v1::MemberTest& test) {
  if (const auto link = Find(member)) link->Push(FrameKind::kMemberTest, test.SerializeAsString());
}

bool Links::Connected(const std::string& member) const { return Find(member) != nullptr; }

void Links::CloseAll() {
  closed_ = true;
  resolve_.reset();
  for (auto& [address, link] : links_) link->Leave();
}

}  // namespace semper::member
