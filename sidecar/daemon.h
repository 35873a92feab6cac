// The life of the process semper-sidecar, beside what a coordinator does.
//
// The main thread waits for signals, children and deadlines and owns the service's process; one
// thread runs the event loop with the coordinator on it; the admin servers have their own. So
// neither a stuck volume nor a stuck loop keeps the process from answering, or from ending.
#pragma once

#include "base/config.h"
#include "sidecar/options.h"

namespace semper {

// Exit codes of semper-sidecar; SidecarUsage() documents them.
inline constexpr int kExitOk = 0;
inline constexpr int kExitGaveUp = 1;
inline constexpr int kExitConfiguration = 2;
inline constexpr int kExitRefused = 3;
inline constexpr int kExitNotDrained = 4;

// Runs until the coordinator is drained or gives up. Call it on the main thread, before any other
// thread exists. `parsed` is for reading live keys again. Returns the exit code; the caller leaves
// with _exit, because threads that are stuck in a dead volume may still be there.
int RunDaemon(const ParsedCommandLine& parsed, SidecarOptions options);

// The verb `create`: makes the genesis and prints its incarnation.
int RunCreate(const SidecarOptions& options);

}  // namespace semper
