#include "cli/text.h"

#include <gtest/gtest.h>

namespace semper::cli {
namespace {

TEST(Text, BytesHaveTheUnitThatFits) {
  EXPECT_EQ(BytesText(0), "0 B");
  EXPECT_EQ(BytesText(1023), "1023 B");
  EXPECT_EQ(BytesText(1024), "1.0 KiB");
  EXPECT_EQ(BytesText(64u << 20), "64.0 MiB");
  EXPECT_EQ(BytesText(uint64_t{5} << 42), "20.0 TiB");
}

TEST(Text, TimesAreUtcToTheNanosecond) {
  EXPECT_EQ(TimeText(0), "-");
  EXPECT_EQ(TimeText(1'700'000'000'000'000'123), "2023-11-14T22:13:20.000000123Z");
}

TEST(Text, TablesAlignTheirColumns) {
  EXPECT_EQ(TableText({{"NAME", "SIZE>", "WHAT"}, {"a", "1", "x"}, {"long", "12345", "y"}}),
            "NAME   SIZE  WHAT\n"
            "a         1  x\n"
            "long  12345  y\n");
}

TEST(Nearest, FindsSwapsAndTyposButNothingFar) {
  EXPECT_EQ(Nearest("stauts", {"status", "log"}), "status");
  EXPECT_EQ(Nearest("lgo", {"status", "log"}), "log");
  EXPECT_EQ(Nearest("elephant", {"status", "log"}), "");
}

TEST(EnumWord, IsLowerCaseWithHyphens) {
  EXPECT_EQ(EnumWord("WAITING_FOR_SERVICE"), "waiting-for-service");
}

}  // namespace
}  // namespace semper::cli
