// Volume: the shared directory of the members, and how it fails. A member's coordinator lives in
// the mount namespace of its home, a process that does nothing else.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "examples/shop/demo/process.h"

namespace campaign {

// One thread. Faults that a kind of volume does not have are errors of the caller.
class Volume {
 public:
  virtual ~Volume() = default;

  // Makes it for `nodes` nodes of `immortals` immortals, empty. Once.
  virtual absl::Status Start(size_t immortals, size_t nodes) = 0;
  virtual void Stop() = 0;

  // Of a node: the process whose mount namespace shows it, and where it is there.
  virtual pid_t Home(size_t node) const = 0;
  virtual std::string LogDir(size_t immortal, size_t node) const = 0;

  virtual bool CanBeFull() const { return false; }
  virtual void Fill(size_t) {}  // of an immortal: leaves no byte
  virtual void Empty(size_t) {}

  virtual size_t replicas() const { return 0; }  // storage servers that can be killed
  // False if that was not possible; so is a second one while the last one is still starting.
  virtual bool KillReplica(size_t) { return false; }
  virtual void StartReplica(size_t) {}  // in the background
  // The node's way to the storage: cut silently; its file system client stopped.
  virtual bool CutNode(size_t) { return false; }
  virtual void HealNode(size_t) {}
  virtual bool FreezeNode(size_t) { return false; }
  virtual void ThawNode(size_t) {}
};

// A directory of this machine: an ext4 image of its own for each immortal, below `dir`. Needs loop
// devices. All nodes see the same mount.
std::unique_ptr<Volume> MakeLocalVolume(const std::string& dir);

// A replicated file system, mounted by each node by itself: the program `script` with the verbs up,
// exec, path, cut, heal, freeze, thaw, kill-replica, start-replica, down. What it prints goes to
// `dir`.
std::unique_ptr<Volume> MakeReplicatedVolume(const std::string& dir, const std::string& script);

}  // namespace campaign
