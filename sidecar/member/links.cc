#include "sidecar/member/links.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/log.h"
#include "sidecar/peer/timing.h"

namespace semper::member {

using core::FrameHeader;
using core::FrameKind;

namespace {
constexpr std::chrono::seconds kResolveEvery{10};
constexpr std::chrono::milliseconds kRedialFirst{20};
constexpr std::chrono::milliseconds kRedialMost{500};
}  // namespace

class Links::Link : public Stream::Handler,
                    public wire::FrameReader::Check,
                    public std::enable_shared_from_this<Links::Link> {
 public:
  Link(Links& owner, std::string address) : owner_(owner), address_(std::move(address)) {}

  void Dial() {
    redial_.reset();
    dial_ = owner_.loop_.Dial(address_, peer::kHandshakeLimit,
                              [this](absl::StatusOr<std::unique_ptr<Stream>> stream) {
                                if (closed_) return;
                                if (!stream.ok()) return Redial();
                                Open(*std::move(stream));
                              });
  }

  void OnReadable() override {
    if (!stream_) return;
    heard_ = true;
    const absl::Status s = reader_->Read(*stream_, *this, peer::kReadBudgetBytes,
                                         [&](const FrameHeader& header, const Buffer& payload) {
                                           Take(header, payload);
                                           return stream_ != nullptr;
                                         });
    if (stream_ && !s.ok()) Lost();
  }
  void OnWritable() override {
    if (stream_) writer_.Flush(*stream_);
  }
  void OnClosed(const absl::Status&) override {
    if (stream_) Lost();
  }
  std::string Refusal(const FrameHeader& header, const std::byte* encoded) override {
    if (header.last != wire::PeerHeaderCrc(encoded)) return "a frame header with a wrong CRC32C";
    if (header.bytes > peer::kHandshakeBytesMax)
      return absl::StrCat("a frame of ", header.bytes, " bytes");
    return "";
  }

  void Push(FrameKind kind, const std::string& bytes) {
    if (!stream_) return;
    FrameHeader header;
    header.kind = kind;
    Buffer payload = bytes.empty() ? Buffer() : owner_.arena_.pool().Copy(AsBytes(bytes));
    header.bytes = static_cast<uint32_t>(payload.size());
    if (!payload.empty()) header.crc = Crc32c(0, payload.bytes());
    wire::FinishPeerHeader(header);
    writer_.Push(header, std::move(payload));
    writer_.Flush(*stream_);
  }

  void Close() {
    closed_ = true;
    End();
    redial_.reset();
  }

  const std::string& member() const { return member_; }
  uint64_t process() const { return process_; }
  // Forget what the address was: the list was read again.
  void TryAgain() {
    if (!std::exchange(is_known_, false) || closed_) return;
    Dial();
  }

 private:
  void Open(std::unique_ptr<Stream> stream) {
    stream_ = std::move(stream);
    stream_->SetHandler(this);
    reader_.emplace(owner_.arena_);
    Push(FrameKind::kMemberHello, owner_.handler_.MakeMemberHello().SerializeAsString());
    timer_ = owner_.loop_.After(peer::kHandshakeLimit, [this] { OnTimer(); });
  }

  void Take(const FrameHeader& header, const Buffer& payload) {
    if (header.kind == FrameKind::kPing) return;
    if (header.crc != Crc32c(0, payload.bytes())) return Lost();
    const auto parse = [&](auto& message) {
      return message.ParseFromArray(payload.data(), static_cast<int>(payload.size()));
    };
    switch (header.kind) {
      case FrameKind::kMemberWelcome:
        if (v1::MemberWelcome welcome; member_.empty() && parse(welcome)) return Welcomed(welcome);
        return Lost();
      case FrameKind::kMemberRefused: {
        v1::MemberRefused refused;
        if (!parse(refused)) return Lost();
        is_known_ = refused.reason() == v1::MemberRefused::SELF;
        if (!is_known_) owner_.handler_.OnFellowRefused(refused);
        if (!closed_) Lost();
        return;
      }
      case FrameKind::kMemberState:
        if (v1::MemberState state; !member_.empty() && parse(state))
          return owner_.handler_.OnFellowState(member_, state);
        return Lost();
      case FrameKind::kMemberTest:
        if (v1::MemberTest test; !member_.empty() && parse(test))
          return owner_.handler_.OnFellowTest(member_, test);
        return Lost();
      default:
        return Lost();
    }
  }

  void Welcomed(const v1::MemberWelcome& welcome) {
    if (const auto older = owner_.Find(welcome.from().member())) {
      // A second address of one process; or of another, whose turn comes when the older connection
      // turns out to be dead.
      is_known_ = older->process() == welcome.from().process();
      return Lost();
    }
    if (const std::string why = owner_.handler_.OnFellowFound(welcome.from()); !why.empty()) {
      SEMPER_LOG(kWarning, "{} is no fellow: {}", address_, why);
      return Lost();
    }
    member_ = welcome.from().member();
    process_ = welcome.from().process();
    pause_ = kRedialFirst;
    timer_ = owner_.loop_.After(peer::kPingAfter, [this] { OnTimer(); });
  }

  void Redial() {
    if (closed_ || is_known_) return;
    redial_ = owner_.loop_.After(pause_, [this] { Dial(); });
    pause_ = std::min<std::chrono::nanoseconds>(pause_ * 2, kRedialMost);
  }

  void Lost() {
    const std::string member = std::exchange(member_, "");
    End();
    Redial();
    if (!member.empty()) owner_.handler_.OnFellowLost(member);
  }

  void End() {
    dial_.reset();
    timer_.reset();
    writer_.Clear();
    heard_ = false;
    quiet_ = 0;
    if (!stream_) return;
    std::shared_ptr<Stream> dying =
        std::move(stream_);  // may be on the call stack, as its reader may
    owner_.loop_.AtEndOfRound([dying, self = shared_from_this()] {});
  }

  void OnTimer() {
    if (!stream_) return;
    if (member_.empty()) return Lost();
    quiet_ = heard_ ? 0 : quiet_ + 1;
    heard_ = false;
    if (quiet_ >= peer::kQuietLimit / peer::kPingAfter) return Lost();
    Push(FrameKind::kPing, "");
    timer_ = owner_.loop_.After(peer::kPingAfter, [this] { OnTimer(); });
  }

  Links& owner_;
  const std::string address_;
  std::string member_;  // not empty: welcomed by this fellow
  uint64_t process_ = 0;
  std::unique_ptr<Stream> stream_;
  std::optional<wire::FrameReader> reader_;
  wire::FrameWriter writer_;
  std::unique_ptr<Timer> dial_;
  std::unique_ptr<Timer> timer_;
  std::unique_ptr<Timer> redial_;
  std::chrono::nanoseconds pause_ = kRedialFirst;
  bool closed_ = false;
  bool is_known_ = false;  // the address of this process itself, or of a fellow that has a link
  bool heard_ = false;
  int quiet_ = 0;
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
        link->second->Close();
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
  for (auto& [address, link] : links_) link->Close();
}

}  // namespace semper::member
