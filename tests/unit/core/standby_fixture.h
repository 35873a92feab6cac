// StandbyTest: a core with fellow members, of whom another led epoch 1.
#pragma once

#include <string>
#include <utility>

#include "tests/unit/core/core_fixture.h"

namespace semper::core {

inline constexpr uint64_t kSilence = 900;
inline constexpr uint64_t kStill = 30;

inline CoreOptions MemberOptions(uint64_t checkpoint_every_inputs = 0) {
  CoreOptions options = TestOptions();
  options.alone = false;
  options.member = "one";
  options.contender.silence_nanos = kSilence;
  options.contender.still_nanos = kStill;
  options.checkpoint_every_inputs = checkpoint_every_inputs;
  return options;
}

class StandbyTest : public CoreTest {
 protected:
  explicit StandbyTest(CoreOptions options = MemberOptions()) : CoreTest(std::move(options)) {
    At(1000);
  }

  void At(uint64_t steady) { core_.SetNow(5000 + steady, steady); }

  // Follows epoch 1 of somebody else, from its beginning, with a service.
  void Join(Recovered joined = {}) {
    core_.Start();
    core_.OnClaimsRead(Epoch{1}, false);
    ServiceGreets();
    joined.epoch = Epoch{1};
    core_.OnJoined(std::move(joined));
    Effects();
  }

  void Follows(const FrameHeader& entry, const std::string& payload) {
    core_.OnFed(entry, pool_.Copy(AsBytes(payload)));
  }
  void FollowsInput() {
    const std::string payload = Messages({"x"});
    FrameHeader entry = FrameOf(payload, 1);
    entry.kind = FrameKind::kImpulse;
    entry.index = Raw(core_.delivered()) + 1;
    entry.time = 100 + entry.index;
    Follows(entry, payload);
  }
  void FollowsControl(const v1::Control& control) {
    const std::string payload = control.SerializeAsString();
    FrameHeader entry = FrameOf(payload, 1);
    entry.kind = FrameKind::kControl;
    entry.index = Raw(core_.delivered()) + 1;
    entry.time = 100 + entry.index;
    Follows(entry, payload);
  }
  void FollowsHandOver(const std::string& member, uint64_t epoch = 1) {
    v1::Control control;
    control.mutable_hand_over()->set_member(member);
    control.mutable_hand_over()->set_epoch(epoch);
    FollowsControl(control);
  }
  void FollowsAckNote(const Position& acked) {
    v1::Control control;
    *control.mutable_ack_note() = NoteOf(acked);
    FollowsControl(control);
  }
  // The leader says it, not the log.
  void IsToldAcked(const Position& acked) { core_.OnAcksTold(NoteOf(acked)); }
  static v1::Control::AckNote NoteOf(const Position& acked) {
    v1::Control::AckNote note;
    auto* to = note.add_acked();
    to->set_slot(Raw(kStock));
    to->set_sequence(acked.sequence);
    to->set_hash(acked.hash);
    return note;
  }
  // Was looked at: nothing new.
  void Looked(uint64_t newest = 1) { core_.OnFollowed(Epoch{newest}, false); }

  // To the point where it has paused to claim.
  void WaitsOutTheSilence() {
    Looked();
    At(1000 + kSilence);
    Looked();
  }
  // From the pause to leading epoch 2.
  void TakesOver() {
    core_.OnFollowPaused(false);
    core_.OnClaimsRead(Epoch{1}, false);
    core_.OnClaimed(absl::OkStatus());
    core_.OnSealed(absl::OkStatus());
    core_.OnLookedUp(Epoch{2});
    Recovered recovered;
    recovered.state = core_.state();
    core_.OnRecovered(std::move(recovered));
  }
};

// It followed, and leads epoch 2 since began_; its service is live.
class IdleLeader : public StandbyTest {
 protected:
  IdleLeader() {
    Join();
    v1::Control control;
    control.mutable_start()->set_service_name("books");
    FollowsControl(control);
    WaitsOutTheSilence();
    TakesOver();
    core_.OnFedAll();
  }
  const uint64_t began_ = 1000 + kSilence;
};

}  // namespace semper::core
