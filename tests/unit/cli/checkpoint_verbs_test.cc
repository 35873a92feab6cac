#include <gmock/gmock.h>

#include "tests/unit/cli/sample_log.h"

namespace semper::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using CheckpointVerbs = SampleLog;

TEST_F(CheckpointVerbs, ListSaysWhenThereAreNone) {
  const Result result = Run({"checkpoint", "list"});
  EXPECT_EQ(result.code, kExitOk) << result.err;
  EXPECT_THAT(result.out, HasSubstr("no checkpoints yet"));
}

TEST_F(CheckpointVerbs, ListComparesWithTheLog) {
  WriteCheckpoint(inputs_chain_);
  const Result result = Run({"checkpoint", "list"});
  EXPECT_EQ(result.code, kExitOk) << result.out << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("1-4"), HasSubstr("shop.Orders v3"), HasSubstr("same")));
}

TEST_F(CheckpointVerbs, ACheckpointOfAnotherHistoryIsAProblem) {
  Chain other{};
  other.fill(std::byte{1});
  WriteCheckpoint(other);
  const Result result = Run({"checkpoint", "list", "-o", "json"});
  EXPECT_EQ(result.code, kExitProblem);
  EXPECT_THAT(result.out, AllOf(HasSubstr("\"chain\":\"different\""), HasSubstr("\"ok\":false")));
}

TEST_F(CheckpointVerbs, VerifyReadsAllOfIt) {
  WriteCheckpoint(inputs_chain_);
  EXPECT_EQ(Run({"checkpoint", "verify", "1-4"}).code, kExitOk);
  const std::string path = checkpoint::CheckpointPath(dir_, {core::Epoch{1}, core::Index{4}});
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  EXPECT_EQ(Run({"checkpoint", "verify"}).code, kExitProblem);
}

TEST_F(CheckpointVerbs, VerifyRefusesWhatIsNoId) {
  const Result result = Run({"checkpoint", "verify", "newest"});
  EXPECT_EQ(result.code, kExitUsage);
  EXPECT_THAT(result.err, HasSubstr("EPOCH-INDEX"));
}

TEST_F(CheckpointVerbs, VerifyOfOneThatIsNotThereIsAProblem) {
  EXPECT_EQ(Run({"checkpoint", "verify", "9-9"}).code, kExitProblem);
}

}  // namespace
}  // namespace semper::cli
