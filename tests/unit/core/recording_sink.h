// RecordingSink: the effects of a core as short lines of text, in their order.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sidecar/core/core.h"

namespace semper::core {

// One line an effect: "log peer 3+2" (index, count), "send 1: 4+1" (slot, first sequence, count), …
class RecordingSink : public EffectSink {
 public:
  struct Logged {
    FrameHeader entry;
    Buffer payload;
  };

  // What was done since the last call.
  std::vector<std::string> Take() { return std::exchange(lines_, {}); }
  // What was done since the last call and begins with `word`.
  std::vector<std::string> Take(const std::string& word);
  const std::vector<Logged>& logged() const { return logged_; }
  const v1::CoordinatorState& checkpoint() const { return checkpoint_; }
  void BlockSending(bool blocked) { blocked_ = blocked; }

  void ReadClaims() override { Add("read claims"); }
  void CreateClaim(Epoch epoch) override;
  void TakeOver(Epoch epoch) override;
  void LookUp(bool now) override { Add(now ? "look up now" : "look up"); }
  void Recover(bool hot) override { Add(hot ? "recover what was not followed" : "recover"); }
  void ReportReach(Epoch epoch) override;
  void ReadReports() override { Add("read reports"); }
  void Join() override { Add("join"); }
  void Follow(Index after) override;
  void PauseFollowing() override { Add("pause following"); }
  void CheckAt(uint64_t steady_nanos) override;
  void Log(const FrameHeader& entry, const Buffer& payload) override;
  void WriteUnit(Epoch epoch, Batch batch, uint64_t durable, uint64_t committed, bool cut) override;
  void GreetService(const v1::CoordinatorHello& hello) override;
  void RefuseService(const std::string& why) override;
  void RestoreService(Index checkpoint) override;
  void Feed(Index after) override;
  void StopFeeding() override { Add("stop feeding"); }
  void Deliver(const FrameHeader& entry, const Buffer& payload) override;
  void TellLive(Index index) override;
  void TellCommitted(Index index) override;
  void RequestCheckpoint(Index index) override;
  void WriteCheckpointOutputs(const v1::CoordinatorState& state, const Ledger& ledger) override;
  void PublishCheckpoint(Index index) override;
  void AbandonCheckpoint(const std::string& why) override;
  void Welcome(ConnectionId connection, const v1::PeerWelcome& welcome) override;
  void RefusePeer(ConnectionId connection, const v1::PeerRefused& refused) override;
  void SendAck(ConnectionId connection, const Position& committed) override;
  void Connect(Slot slot, const std::string& name) override;
  void Disconnect(Slot slot, const std::string& why, bool for_good) override;
  bool CanSend(Slot) override { return !blocked_; }
  void SendMessages(Slot slot, const HeldOutput& output) override;
  void WakeAt(uint64_t wall_nanos) override;
  void Report(const std::string& text) override;
  void Stop(StopReason reason, const absl::Status& why) override;

 private:
  void Add(std::string line) { lines_.push_back(std::move(line)); }

  std::vector<std::string> lines_;
  std::vector<Logged> logged_;
  v1::CoordinatorState checkpoint_;
  bool blocked_ = false;
};

}  // namespace semper::core
