// Leader: takes over a log and writes to it the way the runtime does, for tests; and small words
// around it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "sidecar/log/claims.h"
#include "sidecar/log/genesis.h"
#include "sidecar/log/history.h"
#include "sidecar/log/writer.h"

namespace semper::log {

inline constexpr char kDir[] = "/data/default/counter";

inline Genesis TestGenesis() {
  Genesis genesis{
      .cluster = "test", .name = "default/counter", .created = 1'700'000'000'000'000'000};
  for (size_t i = 0; i < genesis.incarnation.size(); ++i) genesis.incarnation[i] = std::byte(i + 1);
  return genesis;
}

class Leader {
 public:
  struct Options {
    Profile profile = Profile::kLocal;
    uint64_t segment_bytes = 1u << 20;
    bool seals = true;
  };

  // Claims the next epoch, copies the tail, seals. Errors are returned: crash tests get them.
  static absl::StatusOr<std::unique_ptr<Leader>> TakeOver(Disk& disk, Options options);
  static absl::StatusOr<std::unique_ptr<Leader>> TakeOver(Disk& disk) {
    return TakeOver(disk, Options{});
  }

  // One batch with one message frame per text, appended and synced; states all that is synced as
  // durable and committed.
  absl::Status Write(const std::vector<std::string>& texts);
  absl::Status WriteUnsynced(const std::vector<std::string>& texts);
  absl::Status Sync();
  absl::Status Note() { return Write({}); }
  void Commit() { committed = synced; }

  core::Epoch epoch{};
  uint64_t nonce = 0;
  Tail tail;
  Seal seal;
  std::unique_ptr<LogWriter> writer;
  Chain chain{};
  core::Index next{1};
  uint64_t batches = 0;    // written
  uint64_t synced = 0;     // of them; stated by the next record as durable
  uint64_t committed = 0;  // stated by the next record

 private:
  Unit unit_;
  uint64_t time_ = 1000;
};

// The genesis and its directories.
inline void Create(Disk& disk) { ASSERT_TRUE(CreateGenesis(disk, kDir, TestGenesis()).ok()); }

// The texts of all inputs of the log as it stands, through ResolveHistory and HistoryReader; an
// error as one text.
std::vector<std::string> ReadAll(Disk& disk, core::Index after = core::Index{0});
std::vector<std::string> TextsOf(const Record& record);
// All that is there of a reader, until it has nothing more.
std::vector<std::string> Drain(HistoryReader& reader);

// "<dir>/log/…": the path of a segment.
std::string SegmentPath(const Leader& leader, uint64_t number);

}  // namespace semper::log
