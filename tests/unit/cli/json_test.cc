#include "cli/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "semper/v1/admin.pb.h"
#include "semper/v1/log.pb.h"

namespace semper::cli {
namespace {

TEST(JsonString, EscapesWhatJsonDoesNotTake) {
  EXPECT_EQ(JsonString("a\"b\\c\nd\x01"), "\"a\\\"b\\\\c\\u000ad\\u0001\"");
}

TEST(JsonString, KeepsUtf8AndReplacesWhatIsNone) {
  EXPECT_EQ(JsonString("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
            "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
  EXPECT_EQ(JsonString("a\xff"
                       "b"),
            "\"a\\ufffdb\"");
  EXPECT_EQ(JsonString("\xc3"), "\"\\ufffd\"");
  EXPECT_EQ(JsonString("\xc0\x80"), "\"\\ufffd\\ufffd\"") << "overlong";
  EXPECT_EQ(JsonString("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"") << "surrogate";
}

TEST(ToJson, WritesNumbersEnumsBytesAndMaps) {
  v1::Control control;
  control.mutable_peer_seen()->set_slot(3);
  control.mutable_peer_seen()->set_incarnation("\x01\xff");
  EXPECT_EQ(ToJson(control), "{\"peer_seen\":{\"slot\":3,\"name\":\"\",\"incarnation\":\"01ff\"}}");

  v1::Control start;
  (*start.mutable_start()->mutable_configuration())["key"] = "value";
  EXPECT_EQ(ToJson(start),
            "{\"start\":{\"service_name\":\"\",\"service_version\":0,\"semper_version\":\"\","
            "\"core_version\":0,\"configuration\":{\"key\":\"value\"},\"message_bytes_max\":0}}");
}

TEST(ToJson, LeavesOutMessagesThatAreAbsent) {
  EXPECT_EQ(ToJson(v1::Status::Checkpoint()),
            "{\"last_unix_nanos\":0,\"last_bytes\":0,\"last_error\":\"\"}");
}

TEST(ToJson, WritesRepeatedFieldsAsLists) {
  v1::CoordinatorState state;
  EXPECT_THAT(ToJson(state), testing::HasSubstr("\"sources\":[],"));
  state.add_sources()->set_sequence(18446744073709551615u);
  state.add_sources()->set_slot(2);
  EXPECT_THAT(ToJson(state), testing::HasSubstr("\"sequence\":18446744073709551615,"));
  EXPECT_THAT(ToJson(state), testing::ContainsRegex("\"sources\":.[{].*[}],[{]\"slot\":2,"));
}

}  // namespace
}  // namespace semper::cli
