// A volume with an immortal whose log has a segment for each input.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "gtest/gtest.h"
#include "sidecar/log/record.h"
#include "sidecar/runtime/lock_jobs.h"
#include "tests/support/sim_disk.h"

namespace semper::runtime {

inline constexpr char kDir[] = "/volume/shop/orders";
inline constexpr core::Epoch kEpoch{1};

class SmallLog : public ::testing::Test {
 protected:
  SmallLog() {
    EXPECT_TRUE(disk_.MakeDir("/volume").ok());
    EXPECT_TRUE(log::CreateGenesis(disk_, kDir, {.cluster = "c", .name = "shop/orders"}).ok());
    EXPECT_TRUE(log::CreateClaim(disk_, kDir, kEpoch, {.nonce = 5}).ok());
    auto taken = TakeOverLog(disk_,
                             {.dir = kDir,
                              .name = "shop/orders",
                              .profile = log::Profile::kShared,
                              .segment_bytes = 8192},
                             kEpoch, 5, 77);
    EXPECT_TRUE(taken.ok()) << taken.status();
    writer_ = std::move(taken->writer);
    chains_.push_back(taken->chain);
    history_ = taken->history;
  }

  // One input, one record.
  void Append() {
    const uint64_t index = chains_.size();
    const std::string payload = absl::StrCat("input ", index);
    log::Unit unit;
    unit.Begin(core::Index{index});
    unit.Add({.bytes = static_cast<uint32_t>(payload.size()),
              .count = 1,
              .first_sequence = index,
              .index = index,
              .time = index,
              .crc = Crc32c(0, AsBytes(payload)),
              .kind = core::FrameKind::kImpulse},
             AsBytes(payload));
    chains_.push_back(unit.Close(kEpoch, core::Batch{index}, index, index, chains_.back()).chain);
    ASSERT_TRUE(writer_->Append(unit).ok());
    ASSERT_TRUE(writer_->Sync().ok());
  }

  // Of a checkpoint at this index.
  checkpoint::CheckpointHeader Header(uint64_t index) const {
    return {.id = {kEpoch, core::Index{index}},
            .name = "shop/orders",
            .batches = index + 1,
            .chain = chains_[index]};
  }

  sim::SimScheduler scheduler_{1};
  sim::SimVolume volume_{scheduler_};
  sim::SimDisk disk_{volume_, "test"};
  std::unique_ptr<log::LogWriter> writer_;
  log::History history_;
  std::vector<Chain> chains_;  // after the seal, and after each input
};

}  // namespace semper::runtime
