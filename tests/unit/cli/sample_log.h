// A small log in a temporary directory, written by the log room itself: epoch 1, a start, a batch
// of two frames, a note.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>

#include "base/disk.h"
#include "cli/invocation.h"
#include "semper/v1/log.pb.h"
#include "sidecar/checkpoint/checkpoint.h"
#include "sidecar/log/claims.h"
#include "sidecar/log/genesis.h"
#include "sidecar/log/writer.h"

namespace semper::cli {

// What a call of semperctl printed and returned.
struct Result {
  int code = 0;
  std::string out;
  std::string err;
};

inline Result Semperctl(const std::vector<std::string>& arguments) {
  std::ostringstream out, err;
  Result result;
  result.code =
      RunSemperctl(arguments, out, err, [](const char*) -> const char* { return nullptr; });
  result.out = out.str();
  result.err = err.str();
  return result;
}

class SampleLog : public testing::Test {
 protected:
  static constexpr uint64_t kTime = 1'700'000'000'000'000'000;

  SampleLog() {
    std::string pattern = testing::TempDir() + "semper-cli-XXXXXX";
    root_ = mkdtemp(pattern.data());
    dir_ = root_ + "/shop/orders";
    genesis_.cluster = "test";
    genesis_.name = "shop/orders";
    genesis_.incarnation.fill(std::byte{0xab});
    genesis_.created = kTime;
    EXPECT_TRUE(log::CreateGenesis(*disk_, dir_, genesis_).ok());
    Write();
  }
  ~SampleLog() override { std::filesystem::remove_all(root_); }

  // semperctl VERB... for this log.
  Result Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--log-dir", root_, "--name", "shop/orders"});
    return Semperctl(arguments);
  }

  std::string SegmentPath() {
    for (const auto& entry : std::filesystem::directory_iterator(dir_ + "/log"))
      return entry.path();
    return "";
  }

  // Changes the byte of the segment at `offset`.
  void Flip(uint64_t offset) {
    std::FILE* file = std::fopen(SegmentPath().c_str(), "r+b");
    std::fseek(file, static_cast<long>(offset), SEEK_SET);
    const int byte = std::fgetc(file);
    std::fseek(file, static_cast<long>(offset), SEEK_SET);
    std::fputc(byte ^ 0x40, file);
    std::fclose(file);
  }

  void WriteCheckpoint(const Chain& chain) {
    checkpoint::CheckpointHeader header;
    header.id = {core::Epoch{1}, core::Index{4}};
    header.name = genesis_.name;
    header.incarnation = genesis_.incarnation;
    header.batches = 3;
    header.chain = chain;
    auto writer = checkpoint::CheckpointWriter::Create(*disk_, dir_, header, 7);
    ASSERT_TRUE(writer.ok()) << writer.status();
    v1::ServiceCheckpoint service;
    service.set_service_name("shop.Orders");
    service.set_service_version(3);
    service.set_index(4);
    ASSERT_TRUE((*writer)->SetService(service).ok());
    ASSERT_TRUE((*writer)->AddChunk(AsBytes("state")).ok());
    ASSERT_TRUE((*writer)->Finish().ok());
    ASSERT_TRUE((*writer)->Publish().ok());
  }

  std::unique_ptr<Disk> disk_ = MakePosixDisk();
  std::string root_;
  std::string dir_;
  log::Genesis genesis_;
  Chain chain_{};             // after the last record
  Chain inputs_chain_{};      // after the batch that ends with index 4
  uint64_t body_offset_ = 0;  // of the payload of the second batch in the segment

 private:
  void Write() {
    const core::Epoch epoch{1};
    constexpr uint64_t kNonce = 5;
    ASSERT_TRUE(log::CreateClaim(*disk_, dir_, epoch, {"orders-0", kNonce, kTime}).ok());
    log::LogOptions options{.dir = dir_,
                            .name = genesis_.name,
                            .incarnation = genesis_.incarnation,
                            .profile = log::Profile::kShared};
    auto writer = log::LogWriter::Start(*disk_, options, epoch, kNonce, core::Index{1}, Chain{}, 9);
    ASSERT_TRUE(writer.ok()) << writer.status();
    log::Seal seal{.epoch = epoch, .nonce = kNonce, .first_void = epoch};
    auto sealed = (*writer)->WriteSeal(seal);
    ASSERT_TRUE(sealed.ok()) << sealed.status();
    chain_ = sealed->chain;

    v1::Control control;
    control.mutable_start()->set_service_name("shop.Orders");
    control.mutable_start()->set_service_version(3);
    const std::string start = control.SerializeAsString();
    log::Unit unit;
    unit.Begin(core::Index{1});
    Add(unit, core::FrameKind::kControl, 1, 1, 0, start);
    Append(**writer, unit, 1);
    unit.Begin(core::Index{2});
    Add(unit, core::FrameKind::kPeer, 2, 2, 17, "two messages");
    Add(unit, core::FrameKind::kImpulse, 4, 1, 1, "impulse");
    Append(**writer, unit, 2);
    inputs_chain_ = chain_;
    unit.Begin(core::Index{5});
    Append(**writer, unit, 3);
    // Header, seal, start, each aligned to 4096 by the shared profile.
    body_offset_ = 3 * 4096 + log::kRecordHeaderBytes + 2 * core::kFrameHeaderBytes;
  }

  static void Add(log::Unit& unit, core::FrameKind kind, uint64_t index, uint32_t count,
                  uint64_t sequence, std::string_view payload) {
    core::FrameHeader frame;
    frame.kind = kind;
    frame.index = index;
    frame.count = count;
    frame.first_sequence = sequence;
    frame.slot = kind == core::FrameKind::kPeer ? 1 : 0;
    frame.bytes = static_cast<uint32_t>(payload.size());
    frame.crc = Crc32c(0, AsBytes(payload));
    frame.time = kTime + index;
    unit.Add(frame, AsBytes(payload));
  }

  void Append(log::LogWriter& writer, log::Unit& unit, uint64_t batch) {
    chain_ = unit.Close(core::Epoch{1}, core::Batch{batch}, batch, batch, chain_).chain;
    ASSERT_TRUE(writer.Append(unit).ok());
    ASSERT_TRUE(writer.Sync().ok());
  }
};

}  // namespace semper::cli
