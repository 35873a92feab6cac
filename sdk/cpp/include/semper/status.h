// Status and Result: how things that can fail say so, here and over the wire to another immortal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "semper/export.h"

namespace semper {

// gRPC's codes and numbers, so that a gateway passes them on unchanged.
enum class Code : uint32_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,  // also: the fate of an impulse is not known
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// "NOT_FOUND"; "CODE_<n>" for a number that is not gRPC's.
SEMPER_EXPORT std::string CodeName(Code code);

// OK, or a code and a sentence for people.
class [[nodiscard]] Status {
 public:
  Status() = default;  // OK
  Status(Code code, std::string_view message)
      : code_(code), message_(code == Code::kOk ? "" : message) {}

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }
  std::string ToString() const { return ok() ? "OK" : CodeName(code_) + ": " + message_; }

  bool operator==(const Status&) const = default;

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

// What a handler returns when it answers its call later, with Context::Reply. See
// Context::DeferReply.
struct Deferred {};

namespace internal {
[[noreturn]] SEMPER_EXPORT void DieOfMissingValue(const Status& status);
}  // namespace internal

// A T, or the Status that says why there is none. Reading the value of an error aborts the program.
template <typename T>
class [[nodiscard]] Result {
 public:
  // Implicit, so that a handler says `return reply;`, `return Status(…);` or `return Deferred();`.
  // NOLINTBEGIN(google-explicit-constructor)
  Result(T value) : value_(std::move(value)) {}
  Result(Status status)
      : status_(status.ok()
                    ? Status(Code::kInternal, "an OK status was returned where a value is due")
                    : std::move(status)) {}
  Result(Deferred) : status_(Code::kInternal, "the answer is deferred"), deferred_(true) {}
  // NOLINTEND(google-explicit-constructor)

  bool ok() const { return value_.has_value(); }
  bool deferred() const { return deferred_; }
  const Status& status() const { return status_; }

  const T& value() const& {
    Demand();
    return *value_;
  }
  T& value() & {
    Demand();
    return *value_;
  }
  T&& value() && {
    Demand();
    return *std::move(value_);
  }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }

 private:
  void Demand() const {
    if (!value_.has_value()) internal::DieOfMissingValue(status_);
  }

  std::optional<T> value_;
  Status status_;
  bool deferred_ = false;
};

}  // namespace semper
