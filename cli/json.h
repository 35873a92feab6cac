// JSON for programs that read semperctl: numbers are numbers, names are those of the .proto files.
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace semper::cli {

// `text` in quotes, escaped; bytes that are no UTF-8 become U+FFFD.
std::string JsonString(std::string_view text);

// Every field of `message`, also those at their default; absent messages are left out. Bytes are
// hexadecimal, enum values are lower-case words with hyphens ("waiting-for-service").
std::string ToJson(const google::protobuf::Message& message);

// One object, built field by field in the order of the calls.
class JsonObject {
 public:
  JsonObject& Add(std::string_view name, std::string_view text) {
    return AddRaw(name, JsonString(text));
  }
  JsonObject& Add(std::string_view name, const char* text) {
    return Add(name, std::string_view(text));
  }
  JsonObject& Add(std::string_view name, uint64_t number) {
    return AddRaw(name, std::to_string(number));
  }
  JsonObject& Add(std::string_view name, bool value) {
    return AddRaw(name, value ? "true" : "false");
  }
  JsonObject& AddRaw(std::string_view name, std::string_view json);
  std::string Text() const { return "{" + fields_ + "}"; }

 private:
  std::string fields_;
};

}  // namespace semper::cli
