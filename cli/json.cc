#include "cli/json.h"

#include <google/protobuf/descriptor.h>

#include <vector>

#include "cli/text.h"
#include "fmt/format.h"

namespace semper::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Length of the valid UTF-8 sequence at the beginning of `text`, 0 if there is none.
size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and what lies beyond U+10FFFF.
  if ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f)) return 0;
  if ((lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) > 0x8f)) return 0;
  return length;
}

// `index` is the place in a repeated field, -1 for a single one.
std::string FieldValue(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool many = index >= 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return ToJson(many ? reflection.GetRepeatedMessage(message, &field, index)
                         : reflection.GetMessage(message, &field));
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string text = many ? reflection.GetRepeatedString(message, &field, index)
                                    : reflection.GetString(message, &field);
      return field.type() == FieldDescriptor::TYPE_BYTES ? JsonString(Hex(text)) : JsonString(text);
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* value = many ? reflection.GetRepeatedEnum(message, &field, index)
                               : reflection.GetEnum(message, &field);
      return JsonString(EnumWord(value->name()));
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      return (many ? reflection.GetRepeatedBool(message, &field, index)
                   : reflection.GetBool(message, &field))
                 ? "true"
                 : "false";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return fmt::format("{}", many ? reflection.GetRepeatedDouble(message, &field, index)
                                    : reflection.GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return std::to_string(many ? reflection.GetRepeatedUInt32(message, &field, index)
                                 : reflection.GetUInt32(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return std::to_string(many ? reflection.GetRepeatedUInt64(message, &field, index)
                                 : reflection.GetUInt64(message, &field));
    case FieldDescriptor::CPPTYPE_INT32:
      return std::to_string(many ? reflection.GetRepeatedInt32(message, &field, index)
                                 : reflection.GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return std::to_string(many ? reflection.GetRepeatedInt64(message, &field, index)
                                 : reflection.GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return fmt::format("{}", many ? reflection.GetRepeatedFloat(message, &field, index)
                                    : reflection.GetFloat(message, &field));
  }
  return "null";
}

std::string MapValue(const Message& message, const FieldDescriptor& field) {
  const FieldDescriptor& key = *field.message_type()->map_key();
  const FieldDescriptor& value = *field.message_type()->map_value();
  JsonObject object;
  for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
    const Message& entry = message.GetReflection()->GetRepeatedMessage(message, &field, i);
    object.AddRaw(entry.GetReflection()->GetString(entry, &key), FieldValue(entry, value, -1));
  }
  return object.Text();
}

std::string ListValue(const Message& message, const FieldDescriptor& field) {
  std::string list = "[";
  for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
    if (i > 0) list += ",";
    list += FieldValue(message, field, i);
  }
  return list + "]";
}

}  // namespace

std::string JsonString(std::string_view text) {
  std::string quoted = "\"";
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    const unsigned char first = static_cast<unsigned char>(text[0]);
    if (length == 0) {
      quoted += "\\ufffd";
    } else if (first == '"' || first == '\\') {
      quoted += {'\\', text[0]};
    } else if (first < 0x20) {
      quoted += fmt::format("\\u{:04x}", first);
    } else {
      quoted += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return quoted + "\"";
}

std::string ToJson(const Message& message) {
  JsonObject object;
  const auto& descriptor = *message.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    if (field.is_map()) {
      object.AddRaw(field.name(), MapValue(message, field));
    } else if (field.is_repeated()) {
      object.AddRaw(field.name(), ListValue(message, field));
    } else if (!field.has_presence() || message.GetReflection()->HasField(message, &field)) {
      object.AddRaw(field.name(), FieldValue(message, field, -1));
    }
  }
  return object.Text();
}

JsonObject& JsonObject::AddRaw(std::string_view name, std::string_view json) {
  if (!fields_.empty()) fields_ += ",";
  fields_ += JsonString(name);
  fields_ += ":";
  fields_ += json;
  return *this;
}

}  // namespace semper::cli
