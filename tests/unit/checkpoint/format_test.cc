#include "sidecar/checkpoint/format.h"

#include <fstream>
#include <sstream>

#include "absl/strings/str_format.h"
#include "tests/unit/checkpoint/checkpoint_fixture.h"

namespace semper::checkpoint {
namespace {

// Golden files: hexadecimal digits, white space, and comments from '#' to the end of the line.
std::vector<std::byte> ReadGolden(const std::string& name) {
  std::ifstream file(std::string(SEMPER_GOLDEN_DIR) + "/" + name);
  EXPECT_TRUE(file.good()) << name;
  std::vector<std::byte> bytes;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    for (std::string word; words >> word;) {
      for (size_t i = 0; i + 1 < word.size(); i += 2) {
        bytes.push_back(static_cast<std::byte>(std::stoi(word.substr(i, 2), nullptr, 16)));
      }
    }
  }
  return bytes;
}

std::string Hex(std::span<const std::byte> bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    text += absl::StrFormat("%02x%s", static_cast<int>(bytes[i]), i % 16 == 15 ? "\n" : " ");
  }
  return text;
}

using CheckpointFormat = CheckpointTest;

TEST_F(CheckpointFormat, WritesTheGoldenBytes) {
  Publish(Id(3, 0x1f), "the state");
  const auto bytes = volume_.Contents(CheckpointPath(kDir, Id(3, 0x1f)));
  ASSERT_TRUE(bytes.has_value());
  EXPECT_EQ(Hex(*bytes), Hex(ReadGolden("small.hex")));
}

TEST_F(CheckpointFormat, NamesAreSixteenDigitsEach) {
  EXPECT_EQ(PublishedName(Id(3, 0x1f)), "0000000000000003-000000000000001f.ckpt");
  EXPECT_EQ(TemporaryName(Id(3, 0x1f), 0xabc),
            "0000000000000003-000000000000001f.ckpt.tmp-0000000000000abc");
}

TEST_F(CheckpointFormat, ParsesOnlyItsOwnNames) {
  EXPECT_EQ(ParsePublishedName("0000000000000003-000000000000001f.ckpt"), Id(3, 0x1f));
  for (const char* name :
       {"", ".ckpt", "3-1f.ckpt", "0000000000000003-000000000000001F.ckpt",
        "0000000000000003_000000000000001f.ckpt", "0000000000000003-000000000000001f.ckpt.bak",
        "0000000000000003-000000000000001f.ckpt.tmp-0000000000000abc"}) {
    EXPECT_FALSE(ParsePublishedName(name).has_value()) << name;
  }
}

TEST_F(CheckpointFormat, TellsTemporaryNamesFromOthers) {
  EXPECT_TRUE(IsTemporaryName(TemporaryName(Id(3, 4), 5)));
  EXPECT_FALSE(IsTemporaryName(PublishedName(Id(3, 4))));
  EXPECT_FALSE(IsTemporaryName("notes.tmp-0000000000000abc"));
  EXPECT_FALSE(IsTemporaryName("0000000000000003-000000000000001f.ckpt.tmp-"));
}

TEST_F(CheckpointFormat, RefusesANewerVersionByName) {
  auto bytes = EncodeHeader(Header(Id(1, 2)));
  ASSERT_TRUE(bytes.ok());
  StoreLittle((*bytes).data() + 10, uint16_t{2});
  const auto parsed = ParseHeader(*bytes, "file");
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kFailedPrecondition) << parsed.status();
}

TEST_F(CheckpointFormat, RefusesUnknownFeatures) {
  auto bytes = EncodeHeader(Header(Id(1, 2)));
  ASSERT_TRUE(bytes.ok());
  StoreLittle((*bytes).data() + 16, uint64_t{1} << 40);
  EXPECT_EQ(ParseHeader(*bytes, "file").status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(CheckpointFormat, RefusesAHeaderWithAnyBitFlipped) {
  const auto bytes = EncodeHeader(Header(Id(1, 2)));
  ASSERT_TRUE(bytes.ok());
  for (size_t bit = 0; bit < bytes->size() * 8; ++bit) {
    auto flipped = *bytes;
    flipped[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(ParseHeader(flipped, "file").ok()) << "bit " << bit;
  }
}

TEST_F(CheckpointFormat, KeepsAllFieldsOfTheHeader) {
  const CheckpointHeader header = Header(Id(9, 10));
  const auto bytes = EncodeHeader(header);
  ASSERT_TRUE(bytes.ok());
  const auto parsed = ParseHeader(*bytes, "file");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->id, header.id);
  EXPECT_EQ(parsed->name, header.name);
  EXPECT_EQ(parsed->incarnation, header.incarnation);
  EXPECT_EQ(parsed->batches, header.batches);
  EXPECT_EQ(parsed->chain, header.chain);
  EXPECT_EQ(parsed->state.SerializeAsString(), header.state.SerializeAsString());
}

}  // namespace
}  // namespace semper::checkpoint
