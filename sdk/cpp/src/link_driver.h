// LinkDriver: the socket of one engine: connects, reads, writes, waits.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "sdk/cpp/src/engine.h"
#include "semper/run.h"

namespace semper::internal {

// How a life of a service ended.
enum class LifeEnd {
  kStopped,        // stop was requested
  kLinkLost,       // whatever the reason: begin anew
  kServiceFailed,  // the service cannot go on with what it is given: begin anew, slowly
};

// Prints "semper: text" to stderr.
void LogLine(const std::string& text);

// Connects to options.link (tries until it succeeds), makes a service, and runs it until the link
// is lost. One thread.
LifeEnd RunOneLife(const Options& options, const ServiceFactory& factory);

// Empty if `link` is an address that RunOneLife can use, else a sentence that says what is wrong
// with it.
std::string CheckLink(const std::string& link);

}  // namespace semper::internal
