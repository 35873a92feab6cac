// CoreTest: a core and what happens to it, in words that read as a script.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/core/recording_sink.h"

namespace semper::core {

inline constexpr ConnectionId kOrders{7};  // the connection of the one peer that sends to us
inline constexpr Slot kStock{1};           // the one peer that we send to

// Messages as they stand in a frame, and where a stream is after them.
std::string Messages(const std::vector<std::string>& bodies);
Position After(const Position& before, const std::vector<std::string>& bodies);

// Of a member that is alone, without checkpoints by policy.
CoreOptions TestOptions();
// A frame for this payload.
FrameHeader FrameOf(const std::string& payload, size_t count);

class CoreTest : public ::testing::Test {
 protected:
  explicit CoreTest(CoreOptions options = TestOptions());

  // ---- the lock and the log ----
  void Lead(Epoch epoch = Epoch{1});  // an empty history, no service
  void LeadWithService();             // as above, and a service that is live
  void WriteIsDurable() { core_.OnUnitDurable(absl::OkStatus()); }
  void NoNewerClaim() { core_.OnLookedUp(core_.epoch()); }
  void CommitAll();

  // ---- the service ----
  void ServiceGreets();
  void FeedAll();  // everything logged so far, and then nothing more
  void SendsTo(Slot slot, const std::string& name);
  absl::Status Outputs(Slot slot, uint64_t cause, const std::vector<std::string>& bodies);
  absl::Status SubmitsImpulse(const std::string& body);

  // ---- peers ----
  void OrdersGreets(uint64_t epoch = 1, ConnectionId connection = kOrders);
  void OrdersSends(uint64_t first_sequence, const std::vector<std::string>& bodies);
  // The receiver tells where it is.
  void StockWelcomes(const Position& resume, const Position& committed = {});

  std::vector<std::string> Effects() { return sink_.Take(); }
  std::vector<std::string> Effects(const std::string& word) { return sink_.Take(word); }

  BufferPool pool_{64u << 10, 64u << 20};
  RecordingSink sink_;
  Core core_;
};

}  // namespace semper::core
