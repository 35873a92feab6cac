#include "semper/status.h"

#include <cstdio>
#include <cstdlib>

#include "base/bytes.h"
#include "semper/context.h"

namespace semper {

std::string CodeName(Code code) {
  static constexpr const char* kNames[] = {"OK",
                                           "CANCELLED",
                                           "UNKNOWN",
                                           "INVALID_ARGUMENT",
                                           "DEADLINE_EXCEEDED",
                                           "NOT_FOUND",
                                           "ALREADY_EXISTS",
                                           "PERMISSION_DENIED",
                                           "RESOURCE_EXHAUSTED",
                                           "FAILED_PRECONDITION",
                                           "ABORTED",
                                           "OUT_OF_RANGE",
                                           "UNIMPLEMENTED",
                                           "INTERNAL",
                                           "UNAVAILABLE",
                                           "DATA_LOSS",
                                           "UNAUTHENTICATED"};
  const auto number = static_cast<uint32_t>(code);
  return number < std::size(kNames) ? kNames[number] : "CODE_" + std::to_string(number);
}

namespace internal {

void DieOfMissingValue(const Status& status) {
  std::fprintf(stderr, "semper: the value of a Result was read that is an error: %s\n",
               status.ToString().c_str());
  std::abort();
}

}  // namespace internal

std::string Caller::Pack() const {
  std::string packed(12, '\0');
  StoreLittle(packed.data(), source_slot);
  StoreLittle(packed.data() + 4, call_id);
  return packed;
}

Result<Caller> Caller::Unpack(std::string_view bytes) {
  if (bytes.size() != 12) {
    return Status(Code::kInvalidArgument,
                  "a packed Caller has 12 bytes, not " + std::to_string(bytes.size()));
  }
  return Caller{LoadLittle<uint32_t>(bytes.data()), LoadLittle<uint64_t>(bytes.data() + 4)};
}

}  // namespace semper
