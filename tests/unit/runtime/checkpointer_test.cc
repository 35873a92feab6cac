#include "sidecar/runtime/checkpointer.h"

#include "tests/unit/runtime/small_log.h"

namespace semper::runtime {
namespace {

class InlineExecutor : public Executor {
 public:
  void Run(Lane, Job& job) override {
    job.Work();
    job.Done();
  }
};

class IdleHandler : public Checkpointer::Handler {
 public:
  void OnCheckpointReady() override {}
  void OnCheckpointPublished(core::Index, uint64_t) override {}
  void OnCheckpointFailed(const absl::Status& why) override { ADD_FAILURE() << why; }
  void OnCheckpointBacklog() override {}
  bool MayRestore() override { return true; }
  void OnRestoreBegin(const v1::ServiceCheckpoint&) override {}
  void OnRestoreChunk(Buffer) override {}
  void OnRestored(const absl::Status&, uint64_t) override {}
};

class CheckpointerTest : public SmallLog {
 protected:
  log::History ReadHistory() {
    auto history = log::ResolveHistory(disk_, kDir, core::Epoch{Raw(kEpoch) + 1});
    EXPECT_TRUE(history.ok()) << history.status();
    return *std::move(history);
  }
  void Take(uint64_t index) {
    checkpointer_.SetPlace({.dir = kDir, .epoch = kEpoch, .history = ReadHistory(), .reuse = {}});
    checkpointer_.Begin(Header(index), {}, ledger_, index);
    checkpointer_.End();
    checkpointer_.Publish(core::Index{index});
  }
  // Sequences of the outputs in a checkpoint.
  std::vector<uint64_t> OutputsIn(uint64_t index) {
    std::vector<uint64_t> sequences;
    auto reader = checkpoint::CheckpointReader::Open(disk_, kDir, {kEpoch, core::Index{index}});
    EXPECT_TRUE(reader.ok()) << reader.status();
    while (true) {
      auto section = (*reader)->Next();
      EXPECT_TRUE(section.ok()) << section.status();
      if (!section.ok() || !section->has_value()) return sequences;
      if ((*section)->kind == checkpoint::CheckpointReader::Section::kOutput)
        sequences.push_back((*section)->frame.first_sequence);
    }
  }
  void Make(const std::string& message) {
    const Buffer payload = pool_.Copy(AsBytes(message));
    const uint32_t crc = Crc32c(0, payload.bytes());
    ASSERT_TRUE(ledger_.Add(core::Slot{1}, 1, crc, 1, payload).ok());
  }

  InlineExecutor executor_;
  BufferPool pool_{64u << 10, 64u << 20};
  IdleHandler handler_;
  core::Ledger ledger_;
  Checkpointer checkpointer_{disk_, executor_, pool_, handler_};
};

// As the coordinator does: publishes what is ready, from within the callback.
class PublishingHandler : public IdleHandler {
 public:
  void OnCheckpointReady() override { checkpointer_->Publish(core::Index{1}); }
  void OnCheckpointPublished(core::Index index, uint64_t) override { told_.push_back(index); }

  Checkpointer* checkpointer_ = nullptr;
  std::vector<core::Index> told_;
};

TEST_F(CheckpointerTest, TellsOnceWhatIsPublishedFromACallback) {
  Append();
  PublishingHandler handler;
  Checkpointer checkpointer(disk_, executor_, pool_, handler);
  handler.checkpointer_ = &checkpointer;
  checkpointer.SetPlace({.dir = kDir, .epoch = kEpoch, .history = ReadHistory(), .reuse = {}});
  checkpointer.Begin(Header(1), {}, ledger_, 1);
  checkpointer.End();
  EXPECT_EQ(handler.told_, std::vector<core::Index>{core::Index{1}});
}

TEST_F(CheckpointerTest, RemovesNothingBeforeThereAreTwoCheckpoints) {
  for (int i = 0; i < 6; ++i) Append();
  Take(5);
  EXPECT_EQ(ReadHistory().first_index, core::Index{1});
}

TEST_F(CheckpointerTest, KeepsTheLogBehindTheOlderOfTwoCheckpoints) {
  for (int i = 0; i < 6; ++i) Append();
  Take(3);
  Take(5);
  EXPECT_GT(ReadHistory().first_index, core::Index{1});
  EXPECT_LE(ReadHistory().first_index, core::Index{4});
}

TEST_F(CheckpointerTest, SavesOutputsThatWereSentButNotAcknowledged) {
  for (int i = 0; i < 2; ++i) Append();
  ASSERT_TRUE(ledger_.Define(core::Slot{1}, "shop/stock").ok());
  for (const char* message : {"one", "two", "three"}) Make(message);
  ASSERT_TRUE(ledger_.Welcome(core::Slot{1}, {}, {}, false).ok());
  ASSERT_NE(ledger_.NextToSend(core::Slot{1}, core::Index{1}), nullptr);
  Take(2);
  EXPECT_EQ(OutputsIn(2), (std::vector<uint64_t>{1, 2, 3}));
}

}  // namespace
}  // namespace semper::runtime
