#include "tests/unit/checkpoint/checkpoint_fixture.h"

namespace semper::checkpoint {
namespace {

using CheckpointFile = CheckpointTest;

std::vector<std::byte> Noise(size_t bytes, uint64_t seed) {
  std::vector<std::byte> noise(bytes);
  sim::SimRandom(seed).Fill(noise);
  return noise;
}

// Reads all; the service's state is joined.
absl::StatusOr<std::vector<std::byte>> ReadState(CheckpointReader& reader) {
  std::vector<std::byte> state;
  while (true) {
    auto section = reader.Next();
    if (!section.ok()) return section.status();
    if (!section->has_value()) return state;
    if ((*section)->kind != CheckpointReader::Section::kChunk) continue;
    state.insert(state.end(), (*section)->bytes.begin(), (*section)->bytes.end());
  }
}

TEST_F(CheckpointFile, GivesBackWhatWasWrittenInOrder) {
  Publish(Id(2, 30));
  auto reader = CheckpointReader::Open(disk_, kDir, Id(2, 30));
  ASSERT_TRUE(reader.ok()) << reader.status();
  auto first = (*reader)->Next();
  ASSERT_TRUE(first.ok() && first->has_value());
  EXPECT_EQ((*first)->kind, CheckpointReader::Section::kOutput);
  EXPECT_EQ((*first)->frame, Output(1, 7, 2, AsBytes("seven")));
  EXPECT_EQ(AsText((*first)->bytes), "seven");
  auto second = (*reader)->Next();
  ASSERT_TRUE(second.ok() && second->has_value());
  EXPECT_EQ((*second)->frame.slot, 2u);
  auto third = (*reader)->Next();
  ASSERT_TRUE(third.ok() && third->has_value());
  EXPECT_EQ((*third)->kind, CheckpointReader::Section::kService);
  EXPECT_EQ((*third)->service.service_name(), "shop.Orders");
  auto fourth = (*reader)->Next();
  ASSERT_TRUE(fourth.ok() && fourth->has_value());
  EXPECT_EQ(AsText((*fourth)->bytes), "state");
  auto end = (*reader)->Next();
  ASSERT_TRUE(end.ok());
  EXPECT_FALSE(end->has_value());
}

TEST_F(CheckpointFile, KeepsAStateOfManySizes) {
  uint64_t index = 1;
  for (size_t size : {size_t{0}, size_t{1}, size_t{4095}, size_t{131072}, kChunkBytesMax - 1,
                      kChunkBytesMax, kChunkBytesMax + 1, 3 * kChunkBytesMax + 12345}) {
    const auto state = Noise(size, size);
    Publish(Id(1, ++index), AsText(state));
    auto reader = CheckpointReader::Open(disk_, kDir, Id(1, index));
    ASSERT_TRUE(reader.ok()) << reader.status();
    const auto read = ReadState(**reader);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(*read == state) << size;
  }
}

TEST_F(CheckpointFile, KeepsTheLargestOutput) {
  auto writer = CheckpointWriter::Create(disk_, kDir, Header(Id(1, 1)), 1);
  ASSERT_TRUE(writer.ok());
  const auto payload = Noise(core::kFramePayloadBytesMax, 5);
  ASSERT_TRUE((*writer)->AddOutput(Output(1, 1, 1, payload), payload).ok());
  ASSERT_TRUE((*writer)->SetService({}).ok());
  const auto finished = (*writer)->Finish();
  EXPECT_TRUE(finished.ok()) << finished;
}

TEST_F(CheckpointFile, ManySmallChunksMakeFewWrites) {
  auto writer = CheckpointWriter::Create(disk_, kDir, Header(Id(1, 1)), 1);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->SetService({}).ok());
  const uint64_t before = volume_.mutations();
  const auto chunk = Noise(1000, 1);
  for (int i = 0; i < 4000; ++i) ASSERT_TRUE((*writer)->AddChunk(chunk).ok());
  EXPECT_LE(volume_.mutations() - before, 4u);
}

TEST_F(CheckpointFile, HasNoPublishedNameBeforePublish) {
  const auto writer = Finished(Id(1, 1));
  const auto ids = ListCheckpoints(disk_, kDir);
  ASSERT_TRUE(ids.ok());
  EXPECT_TRUE(ids->empty());
}

TEST_F(CheckpointFile, SurvivesAPowerLossOncePublished) {
  Publish(Id(1, 1));
  volume_.PowerLoss(sim::Survival::kNothing);
  sim::SimDisk rebooted(volume_, "rebooted");
  const auto verified = VerifyCheckpoint(rebooted, kDir, Id(1, 1));
  EXPECT_TRUE(verified.ok()) << verified;
}

TEST_F(CheckpointFile, FinishFindsAPayloadThatIsNotWhatItsChecksumSays) {
  auto writer = CheckpointWriter::Create(disk_, kDir, Header(Id(1, 1)), 1);
  ASSERT_TRUE(writer.ok());
  auto frame = Output(1, 1, 1, AsBytes("payload"));
  ASSERT_TRUE((*writer)->AddOutput(frame, AsBytes("pAyload")).ok());
  ASSERT_TRUE((*writer)->SetService({}).ok());
  EXPECT_EQ((*writer)->Finish().code(), absl::StatusCode::kDataLoss);
}

TEST_F(CheckpointFile, FinishReportsASyncThatFails) {
  auto writer = CheckpointWriter::Create(disk_, kDir, Header(Id(1, 1)), 1);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->SetService({}).ok());
  volume_.AddFault({.kind = sim::FaultKind::kSyncLies, .times = 1});
  EXPECT_EQ((*writer)->Finish().code(), absl::StatusCode::kUnavailable);
}

TEST_F(CheckpointFile, NothingIsWrittenAfterAnError) {
  auto writer = CheckpointWriter::Create(disk_, kDir, Header(Id(1, 1)), 1);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->SetService({}).ok());
  volume_.AddFault({.kind = sim::FaultKind::kNoSpace, .times = 1});
  const auto state = Noise(2 << 20, 1);
  EXPECT_EQ((*writer)->AddChunk(state).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ((*writer)->Finish().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(CheckpointFile, PublishRefusesANameThatIsTaken) {
  Publish(Id(1, 1));
  EXPECT_EQ(Finished(Id(1, 1))->Publish().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(CheckpointFile, ADamagedByteIsFoundWhereverItLies) {
  Publish(Id(1, 1));
  const std::string path = CheckpointPath(kDir, Id(1, 1));
  const size_t bytes = volume_.Contents(path)->size();
  for (size_t offset = 0; offset < bytes; ++offset) {
    ASSERT_TRUE(volume_.FlipBit(path, offset, static_cast<int>(offset % 8)));
    EXPECT_FALSE(VerifyCheckpoint(disk_, kDir, Id(1, 1)).ok()) << "offset " << offset;
    ASSERT_TRUE(volume_.FlipBit(path, offset, static_cast<int>(offset % 8)));
  }
  EXPECT_TRUE(VerifyCheckpoint(disk_, kDir, Id(1, 1)).ok());
}

// Writes the first `length` bytes of the checkpoint (1, 1) as the checkpoint (1, 2), with `more`
// behind them.
void CopyCut(sim::SimDisk& disk, const std::vector<std::byte>& bytes, size_t length,
             CheckpointId as, std::string_view more = {}) {
  auto file = disk.Open(CheckpointPath(kDir, as), OpenMode::kCreateExclusive);
  ASSERT_TRUE(file.ok()) << file.status();
  std::vector<std::byte> copy(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(length));
  copy.insert(copy.end(), AsBytes(more).begin(), AsBytes(more).end());
  iovec piece{copy.data(), copy.size()};
  ASSERT_TRUE((*file)->WriteAt(0, {&piece, 1}).ok());
}

TEST_F(CheckpointFile, AnUnfinishedFileIsFoundWhereverItEnds) {
  Publish(Id(1, 1));
  const std::string path = CheckpointPath(kDir, Id(1, 1));
  const auto bytes = *volume_.Contents(path);
  for (size_t length = 0; length < bytes.size(); ++length) {
    ASSERT_TRUE(disk_.Remove(path).ok());
    CopyCut(disk_, bytes, length, Id(1, 1));
    EXPECT_EQ(VerifyCheckpoint(disk_, kDir, Id(1, 1)).code(), absl::StatusCode::kDataLoss)
        << "length " << length;
  }
}

TEST_F(CheckpointFile, BytesAfterTheTrailerAreDamage) {
  Publish(Id(1, 1));
  const std::string path = CheckpointPath(kDir, Id(1, 1));
  const auto bytes = *volume_.Contents(path);
  ASSERT_TRUE(disk_.Remove(path).ok());
  CopyCut(disk_, bytes, bytes.size(), Id(1, 1), "x");
  EXPECT_EQ(VerifyCheckpoint(disk_, kDir, Id(1, 1)).code(), absl::StatusCode::kDataLoss);
}

TEST_F(CheckpointFile, AFileUnderAnotherNameIsDamage) {
  Publish(Id(1, 1));
  const auto bytes = *volume_.Contents(CheckpointPath(kDir, Id(1, 1)));
  CopyCut(disk_, bytes, bytes.size(), Id(1, 2));
  EXPECT_EQ(VerifyCheckpoint(disk_, kDir, Id(1, 2)).code(), absl::StatusCode::kDataLoss);
}

TEST_F(CheckpointFile, OutputsOutOfOrderAreDamage) {
  auto writer = CheckpointWriter::Create(disk_, kDir, Header(Id(1, 1)), 1);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->AddOutput(Output(1, 7, 2, AsBytes("b")), AsBytes("b")).ok());
  ASSERT_TRUE((*writer)->AddOutput(Output(1, 8, 1, AsBytes("a")), AsBytes("a")).ok());
  ASSERT_TRUE((*writer)->SetService({}).ok());
  EXPECT_EQ((*writer)->Finish().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace semper::checkpoint
