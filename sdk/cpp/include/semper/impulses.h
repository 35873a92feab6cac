// Impulses: how threads that are not replicated (a web server, a sensor) put something into the
// immortal's log.
#pragma once

#include <google/protobuf/message_lite.h>

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string_view>

#include "semper/export.h"
#include "semper/status.h"

namespace semper {

namespace internal {
class ImpulseQueue;
}

// The index at which the impulse stands in the log, once that is committed; or
//
// - UNAVAILABLE: refused; not live (no connection, replaying, or a standby). Nothing has happened,
//   try later.
// - RESOURCE_EXHAUSTED: larger than the limit for messages, or too many unanswered and the caller
//   may not wait.
// - UNKNOWN: the link broke after it was sent; it may or may not be in the log.
using ImpulseResult = Result<uint64_t>;
// Runs on the service's thread, or inside of Submit when the answer is known there. Be short; do
// not wait in it.
using ImpulseCallback = std::function<void(const ImpulseResult&)>;

// A handle; copies are the same queue. Any thread. Valid as long as anyone keeps it: refuses when
// its service is gone. Impulses of one thread keep their order. When
// Options::impulses_outstanding_max are unanswered, Submit waits for room, except on the service's
// own thread (in a callback), where it answers RESOURCE_EXHAUSTED.
class SEMPER_EXPORT Impulses {
 public:
  explicit Impulses(std::shared_ptr<internal::ImpulseQueue> queue);
  Impulses(const Impulses&);
  Impulses& operator=(const Impulses&);
  ~Impulses();

  // Delivered to Service::OnImpulse.
  std::future<ImpulseResult> Submit(std::string_view body) const;
  void Submit(std::string_view body, ImpulseCallback done) const;

  // Delivered to the service's own one-way method; generated classes have typed forms.
  std::future<ImpulseResult> SubmitOneWay(uint32_t method_id,
                                          const google::protobuf::MessageLite& request) const;
  void SubmitOneWay(uint32_t method_id, const google::protobuf::MessageLite& request,
                    ImpulseCallback done) const;

 private:
  std::shared_ptr<internal::ImpulseQueue> queue_;
};

}  // namespace semper
