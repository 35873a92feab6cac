// Serialisation of protobuf messages for everything that a replay makes again.
#pragma once

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message_lite.h>

#include <cstddef>

namespace semper::internal {

// Writes exactly `bytes` bytes. Requires that message.ByteSizeLong() gave `bytes` and nothing
// changed since. By default protobuf writes map fields in an order that differs from process to
// process; here they are sorted.
inline void SerializeTo(const google::protobuf::MessageLite& message, std::byte* to, size_t bytes) {
  google::protobuf::io::ArrayOutputStream array(to, static_cast<int>(bytes));
  google::protobuf::io::CodedOutputStream coded(&array);
  coded.SetSerializationDeterministic(true);
  message.SerializeWithCachedSizes(&coded);
}

}  // namespace semper::internal
