// A log directory that a newer version has written, as a member of this version meets it: it names
// both versions, and leaves the leader alone.
#include <gmock/gmock.h>

#include <csignal>

#include "base/bytes.h"
#include "base/hash.h"
#include "tests/integration/members/counter_fixture.h"

namespace shop::demo {
namespace {

using testing::HasSubstr;

class NewerFormatTest : public CounterTest {
 protected:
  void Lead() {
    Start("a");
    ASSERT_TRUE(WaitForStanding("a", Standing::kLeads)) << Log("a");
    ASSERT_TRUE(Add("a")) << Log("a");
  }
  // Of the segments that are there, which `a` goes on writing: format and minimum reader 2.
  void MakeSegmentsNewer() {
    for (const auto& file : std::filesystem::directory_iterator(File("logs/demo/counter/log"))) {
      std::fstream segment(file.path(), std::ios::in | std::ios::out | std::ios::binary);
      std::string header(4096, '\0');
      segment.read(header.data(), 4096);
      if (!header.starts_with("SEMPRSEG")) continue;
      auto* const bytes = reinterpret_cast<std::byte*>(header.data());
      semper::StoreLittle<uint16_t>(bytes + 8, 2);
      semper::StoreLittle<uint16_t>(bytes + 10, 2);
      semper::StoreLittle(bytes + 4092, semper::Crc32c(0, {bytes, 4092}));
      segment.seekp(0);
      segment.write(header.data(), 4096);
    }
  }
  void MakeGenesisNewer() {
    const std::string path = File("logs/demo/counter/genesis");
    std::string text = ContentOf(path);
    for (const std::string key : {"semper-genesis: ", "minimum-reader: "})
      text.replace(text.find(key + "1") + key.size(), 1, "2");
    text.resize(text.find("crc32c: "));
    char crc[9];
    std::snprintf(crc, sizeof crc, "%08x", semper::Crc32c(0, semper::AsBytes(text)));
    std::ofstream(path) << text << "crc32c: " << crc << "\n";
  }
  // Both versions are named, and nobody was disturbed.
  void ExpectThatBRefuses(const std::string& what) {
    EXPECT_TRUE(WaitFor([&] { return ReadyText("b").starts_with("refused: "); })) << Log("b");
    EXPECT_THAT(ReadyText("b"), HasSubstr(what + " has format version 2, minimum reader 2"));
    EXPECT_THAT(ReadyText("b"), HasSubstr("; this program reads version 1 without features: use "
                                          "the newer version that wrote it"));
    EXPECT_TRUE(Add("a")) << Log("a");
    EXPECT_EQ(StandingOf("a"), Standing::kLeads) << ReadyText("a");
    EXPECT_FALSE(std::filesystem::exists(Claim(2)));
  }
};

TEST_F(NewerFormatTest, OfTheGenesisIsRefused) {
  Lead();
  MakeGenesisNewer();
  Start("b");
  ExpectThatBRefuses("/genesis");
}

TEST_F(NewerFormatTest, OfTheSegmentsIsRefused) {
  Lead();
  MakeSegmentsNewer();
  Start("b");
  ExpectThatBRefuses(".seg");
}

// The leader was upgraded before its standby, which has followed until then.
TEST_F(NewerFormatTest, OfTheSegmentsIsRefusedByAStandbyThatIsThereAlready) {
  Lead();
  Start("b");
  ASSERT_TRUE(WaitForStanding("b", Standing::kReady)) << Log("b");
  MakeSegmentsNewer();
  // What it follows in is open already; with its next service it joins anew.
  kill(ServiceOf("b"), SIGKILL);
  ExpectThatBRefuses(".seg");
}

}  // namespace
}  // namespace shop::demo
