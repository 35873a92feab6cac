// Main and Run: connect a service to its coordinator and keep it connected.
#pragma once

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>

#include "semper/export.h"
#include "semper/service.h"
#include "semper/status.h"

namespace semper {

struct Options {
  // Where the coordinator listens: "unix:/path". Main: flag --semper-link=…, else the environment's
  // SEMPER_LINK, else this.
  std::string link;

  // Bytes of the read buffer, at least 64 KiB: up to so many bytes of inputs are processed before
  // outputs are pushed.
  size_t read_buffer_bytes = size_t{1} << 20;

  // Impulses without an answer, from which on Submit waits.
  size_t impulses_outstanding_max = 65536;

  // Starting over after a lost link means a new process, forked by a small parent that does nothing
  // else: whatever the old one had in its memory is gone. True: a new Service object in this
  // process instead, no fork; for tests.
  bool run_in_process = false;

  // Ends Run when stop is requested. Only with run_in_process; else send SIGTERM.
  std::stop_token stop;
};

// Runs the service until SIGTERM or SIGINT (or options.stop); reconnects for ever. Call it before
// the program starts any thread: it forks. Returns the exit status for main: 0 after an orderly
// end, 64 for a wrong option. Lines on stderr tell what happens to the link.
SEMPER_EXPORT int Run(const Options& options, const ServiceFactory& factory);

// The same for a main function: knows --semper-link=unix:/path, --help and --version, and leaves
// all other arguments alone.
SEMPER_EXPORT int Main(int argc, char** argv, Options options, const ServiceFactory& factory);

}  // namespace semper
