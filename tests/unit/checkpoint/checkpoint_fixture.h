// A volume with the folder of an immortal, and a small checkpoint to write into it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "gtest/gtest.h"
#include "sidecar/checkpoint/checkpoint.h"
#include "sidecar/checkpoint/format.h"
#include "tests/support/sim_disk.h"

namespace semper::checkpoint {

inline constexpr char kDir[] = "/immortal";

inline CheckpointId Id(uint64_t epoch, uint64_t index) {
  return {core::Epoch{epoch}, core::Index{index}};
}

class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest() {
    EXPECT_TRUE(disk_.MakeDir(kDir).ok());
    EXPECT_TRUE(disk_.MakeDir(CheckpointFolder(kDir)).ok());
    EXPECT_TRUE(disk_.SyncDir("/").ok());
    EXPECT_TRUE(disk_.SyncDir(kDir).ok());
  }

  static CheckpointHeader Header(CheckpointId id) {
    CheckpointHeader header{.id = id, .name = "shop/orders", .batches = 17};
    for (size_t i = 0; i < 16; ++i) {
      header.incarnation[i] = static_cast<std::byte>(0xa0 + i);
      header.chain[i] = static_cast<std::byte>(0xc0 + i);
    }
    header.state.set_time(1'700'000'000'000'000'000);
    header.state.set_core_version(1);
    auto* source = header.state.add_sources();
    source->set_slot(1);
    source->set_name("shop/stock");
    source->set_sequence(41);
    return header;
  }

  static core::FrameHeader Output(uint32_t slot, uint64_t first, uint32_t count,
                                  std::span<const std::byte> payload) {
    return {.bytes = static_cast<uint32_t>(payload.size()),
            .count = count,
            .first_sequence = first,
            .slot = slot,
            .crc = Crc32c(0, payload),
            .kind = core::FrameKind::kOutput};
  }

  // Two outputs, a service, and `state` as its state; finished, not published.
  std::unique_ptr<CheckpointWriter> Finished(CheckpointId id, std::string_view state = "state") {
    auto writer = CheckpointWriter::Create(disk_, kDir, Header(id), 0x1234);
    EXPECT_TRUE(writer.ok()) << writer.status();
    EXPECT_TRUE((*writer)->AddOutput(Output(1, 7, 2, AsBytes("seven")), AsBytes("seven")).ok());
    EXPECT_TRUE((*writer)->AddOutput(Output(2, 1, 1, AsBytes("one")), AsBytes("one")).ok());
    v1::ServiceCheckpoint service;
    service.set_index(core::Raw(id.index));
    service.set_service_version(3);
    service.set_service_name("shop.Orders");
    EXPECT_TRUE((*writer)->SetService(service).ok());
    EXPECT_TRUE((*writer)->AddChunk(AsBytes(state)).ok());
    const auto finished = (*writer)->Finish();
    EXPECT_TRUE(finished.ok()) << finished;
    return *std::move(writer);
  }

  void Publish(CheckpointId id, std::string_view state = "state") {
    const auto published = Finished(id, state)->Publish();
    ASSERT_TRUE(published.ok()) << published;
  }

  sim::SimScheduler scheduler_{1};
  sim::SimVolume volume_{scheduler_};
  sim::SimDisk disk_{volume_, "test"};
};

}  // namespace semper::checkpoint
