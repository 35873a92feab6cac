// The bytes of the link: tests/golden/link, made from the format's pages and not by this code.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/unit/sdk/fake_coordinator.h"
#include "tests/unit/sdk/recorder.h"

namespace semper::test {
namespace {

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::string ToHex(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    hex += kDigits[static_cast<uint8_t>(c) >> 4];
    hex += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return hex;
}

TEST(Golden, ConversationOnTheLinkIsByteForByteAsWritten) {
  const std::string path = SEMPER_GOLDEN_DIR "/conversation.txt";
  std::ifstream file(path);
  ASSERT_TRUE(file.good()) << path;
  FakeCoordinator coordinator(std::make_unique<Recorder>());
  size_t compared = coordinator.Everything().size();
  std::string line;
  std::string comment;
  int frames = 0;
  while (std::getline(file, line)) {
    if (line[0] == '#') {
      comment = line;
    } else if (line[0] == '>') {
      ASSERT_EQ(compared, coordinator.Everything().size())
          << "more was said than written before: " << comment;
      coordinator.Bytes(FromHex(line.substr(2)));
      ASSERT_TRUE(coordinator.status().ok()) << comment << "\n" << coordinator.status().ToString();
    } else {
      const std::string expected = line.substr(2);
      EXPECT_EQ(ToHex(coordinator.Everything().substr(compared, expected.size() / 2)), expected)
          << comment;
      compared += expected.size() / 2;
      ++frames;
    }
  }
  EXPECT_EQ(compared, coordinator.Everything().size());
  EXPECT_GE(frames, 10);
}

}  // namespace
}  // namespace semper::test
