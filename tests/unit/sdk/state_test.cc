// StateWriter and StateReader.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "semper/state.h"
#include "shop.pb.h"

namespace semper::test {
namespace {

class StringWriter final : public StateWriter {
 public:
  void WriteBytes(std::span<const std::byte> bytes) override { text += AsText(bytes); }
  std::string text;
};

// Gives `text` in pieces.
class PieceReader final : public StateReader {
 public:
  PieceReader(std::string text, size_t piece) : text_(std::move(text)), piece_(piece) {}

 protected:
  std::span<const std::byte> NextPiece() override {
    const std::string_view piece = std::string_view(text_).substr(at_, piece_);
    at_ += piece.size();
    return AsBytes(piece);
  }

 private:
  const std::string text_;
  const size_t piece_;
  size_t at_ = 0;
};

std::string Sample() {
  StringWriter writer;
  writer.WriteUint64(0x1122334455667788);
  writer.WriteInt64(-5);
  for (const uint64_t value : {uint64_t{0}, uint64_t{127}, uint64_t{128}, UINT64_MAX})
    writer.WriteVarint(value);
  writer.WriteString("text");
  ReserveRequest message;
  message.set_item("pen");
  writer.WriteMessage(message);
  return writer.text;
}

TEST(State, ReadsBackWhatWasWrittenHoweverItIsCut) {
  const std::string bytes = Sample();
  for (const size_t piece : {size_t{1}, size_t{3}, size_t{1000}}) {
    PieceReader reader(bytes, piece);
    EXPECT_EQ(reader.ReadUint64(), 0x1122334455667788u);
    EXPECT_EQ(reader.ReadInt64(), -5);
    for (const uint64_t value : {uint64_t{0}, uint64_t{127}, uint64_t{128}, UINT64_MAX}) {
      EXPECT_EQ(reader.ReadVarint(), value);
    }
    EXPECT_FALSE(reader.AtEnd());
    EXPECT_EQ(reader.ReadString(), "text");
    ReserveRequest message;
    EXPECT_TRUE(reader.ReadMessage(message));
    EXPECT_EQ(message.item(), "pen");
    EXPECT_TRUE(reader.AtEnd());
    EXPECT_TRUE(reader.ok());
    EXPECT_EQ(reader.position(), bytes.size());
  }
}

TEST(State, ErrorsStickAndReadAsZero) {
  PieceReader reader("abc", 2);
  EXPECT_EQ(reader.ReadUint64(), 0u);
  EXPECT_EQ(reader.status().code(), Code::kDataLoss);
  EXPECT_EQ(reader.ReadString(), "");
  EXPECT_EQ(reader.ReadVarint(), 0u);
  EXPECT_TRUE(reader.AtEnd());
}

TEST(State, FailsOnALengthThatIsSenselessBeforeItIsBelieved) {
  StringWriter writer;
  writer.WriteVarint(UINT64_MAX / 2);
  writer.WriteBytes(AsBytes("short"));
  PieceReader reader(writer.text, 1000);
  EXPECT_EQ(reader.ReadString(), "");
  EXPECT_FALSE(reader.ok());
}

TEST(State, NamesTheMessageThatDoesNotParse) {
  StringWriter writer;
  writer.WriteString("\xff\xff");
  PieceReader reader(writer.text, 1000);
  ReserveRequest message;
  EXPECT_FALSE(reader.ReadMessage(message));
  EXPECT_THAT(reader.status().message(),
              ::testing::HasSubstr("semper.test.ReserveRequest at byte 0"));
}

TEST(Result, IsAValueOrTheReasonWhyThereIsNone) {
  EXPECT_EQ(Result<int>(3).value(), 3);
  const Result<int> error = Status(Code::kNotFound, "none");
  EXPECT_FALSE(error.ok());
  EXPECT_EQ(error.status().ToString(), "NOT_FOUND: none");
  EXPECT_FALSE(Result<int>(Status()).ok()) << "an OK status is no value";
  EXPECT_DEATH((void)error.value(), "NOT_FOUND: none");
}

}  // namespace
}  // namespace semper::test
