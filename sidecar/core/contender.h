// Contender: when a standby claims. It decides when to try, never what is true: that is the log's
// (core.md, I6 and 4.1).
//
// Three waits: none after a hand-over mark that names this member, or when the last epoch was its
// own; a short one after the leader's stream broke, if the log stands still for that time; the
// silence limit without progress in the log otherwise. The stream alone never deposes a leader that
// still writes. Pure; times are of one steady clock, in nanoseconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace semper::core {

struct ContenderOptions {
  uint64_t silence_nanos = 1'000'000'000;
  uint64_t still_nanos = 30'000'000;
  uint64_t jitter_nanos = 0;      // added to the two waits, so that standbys seldom collide
  uint64_t not_before_nanos = 0;  // back-off that an earlier life of this member left
};

class Contender {
 public:
  explicit Contender(ContenderOptions options) : options_(options) {}

  // The log was looked at: did it show anything new (a record, a claim)?
  void OnLooked(uint64_t now, bool progressed);
  // The stream of the member that leads.
  void OnStreamUp() { broken_ = false; }
  void OnStreamBroken() { broken_ = true, baseline_ = false; }
  // The last input that was applied is a hand-over to this member; anything after it revokes it.
  void OnHandOver() { handed_over_ = true; }
  void OnInput() { handed_over_ = false; }
  // The newest claim is this member's own, of an earlier life, and was sealed; or there is none.
  void OnOwnLast() { own_last_ = true; }
  // Somebody else was faster, or the claim that was about to be made is there: wait for its owner,
  // longer each time that a claim is followed by another one and by nothing else.
  void OnOtherClaim(uint64_t now);

  // Caught up, with a service that is ready; not while joining.
  void SetReady(bool ready) { ready_ = ready; }
  // For good: this member must never lead. The first reason stays.
  void SetUnfit(std::string why) {
    if (unfit_.empty()) unfit_ = std::move(why);
  }
  const std::string& unfit() const { return unfit_; }
  bool ready() const { return ready_ && unfit_.empty(); }

  // The time at which to claim if nothing happens before; nothing: not now.
  std::optional<uint64_t> When() const;
  // Too long since the last look to believe that the log stands still: who slept, or read for long,
  // looks once more before it claims.
  bool MustLook(uint64_t now) const { return now > looked_at_ + options_.still_nanos; }

 private:
  const ContenderOptions options_;
  bool ready_ = false;
  bool handed_over_ = false;
  bool own_last_ = false;
  bool broken_ = false;
  bool baseline_ = false;     // looked at the log since the stream broke
  uint64_t still_since_ = 0;  // that look
  uint64_t progress_ = 0;     // when the log last showed something new
  bool looked_ = false;
  uint64_t looked_at_ = 0;        // the last look
  uint32_t claims_in_a_row_ = 0;  // by others, since the log last showed a record
  std::string unfit_;
};

}  // namespace semper::core
