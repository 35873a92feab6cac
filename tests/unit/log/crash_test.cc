// A crash at every step of a life: take-over, batches, rolling, spares. What was durable is there
// afterwards, in order, and nothing else than what was written.
#include "tests/unit/log/leader.h"
#include "tests/unit/log/memory_disk.h"

namespace semper::log {
namespace {

struct Life {
  std::vector<std::string> written;  // in order; the last one perhaps not completely
  size_t durable = 0;                // of them
};

// One process: takes over, writes; `life` knows what it did when it is killed.
absl::Status Live(MemoryDisk& disk, Life& life, int number) {
  auto leader = Leader::TakeOver(disk, {.segment_bytes = 8192});
  if (!leader.ok()) return leader.status();
  for (int i = 0; i < 6; ++i) {
    if ((*leader)->writer->WantsSpare()) (*leader)->writer->PrepareSpare().IgnoreError();
    const std::string text = absl::StrCat(number, ".", i, std::string(i % 3 == 0 ? 3000 : 10, 'x'));
    life.written.push_back(text);
    if (absl::Status s = (*leader)->Write({text}); !s.ok()) return s;
    life.durable = life.written.size();
  }
  return absl::OkStatus();
}

// Which prefix of `written`, at least `durable` long, the log holds; what was lost is taken off
// `life`.
void ExpectPrefix(MemoryDisk& disk, Life& life, const std::string& where) {
  const std::vector<std::string> read = ReadAll(disk);
  ASSERT_GE(read.size(), life.durable) << where << (read.empty() ? "" : read.back());
  ASSERT_LE(read.size(), life.written.size()) << where << read.back();
  for (size_t i = 0; i < read.size(); ++i) ASSERT_EQ(read[i], life.written[i]) << where;
}

class CrashTest : public ::testing::TestWithParam<bool> {};

TEST_P(CrashTest, AtEveryStepOfTwoLivesLosesNothingDurable) {
  const bool keep_bytes = GetParam();
  MemoryDisk counted;
  Create(counted);
  counted.ForgetOperations();
  Life complete;
  ASSERT_TRUE(Live(counted, complete, 0).ok());
  const size_t steps = counted.operations().size();
  for (size_t first = 0; first < steps; ++first) {
    for (size_t second = 0; second < steps + 8; second += 1 + first % 3) {
      MemoryDisk disk;
      Create(disk);
      Life life;
      int number = 0;
      for (size_t limit : {first, second, SIZE_MAX}) {
        size_t count = 0;
        disk.before = [&](const std::string& operation, const std::string&) {
          return operation != "read" && count++ >= limit ? absl::AbortedError("killed")
                                                         : absl::OkStatus();
        };
        const size_t before = life.written.size();
        const absl::Status lived = Live(disk, life, number++);
        disk.Crash(keep_bytes);
        const std::string where = absl::StrCat(first, "/", second, " ", lived.ToString(), " ");
        ASSERT_TRUE(lived.ok() || limit != SIZE_MAX) << where;
        // Whether the last input of a killed life survives is open until somebody takes over; then
        // it is decided.
        const std::vector<std::string> read = ReadAll(disk);
        if (life.written.size() > life.durable && life.written.size() > before) {
          ASSERT_NO_FATAL_FAILURE(ExpectPrefix(disk, life, where));
          life.written.resize(read.size());
          life.durable = read.size();
        }
        ASSERT_NO_FATAL_FAILURE(ExpectPrefix(disk, life, where));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(UnsyncedBytes, CrashTest, ::testing::Values(false, true),
                         [](const auto& p) { return p.param ? "Survive" : "AreLost"; });

}  // namespace
}  // namespace semper::log
