// SimDisk: a process's view of a SimVolume.
//
// On a fiber each operation takes virtual time, in which other things happen; its effect comes at
// the end of it. On the main stack (unit tests) it happens at once. When the process is killed in
// the middle of an operation, that one is done in part; afterwards every operation fails with
// ABORTED and does nothing.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/disk.h"
#include "tests/support/sim_volume.h"

namespace semper::sim {

class SimDisk final : public Disk {
 public:
  // `volume` must outlive it and its files. `process` names it in the trace; `machine` is the one
  // that it runs on, if the volume has several.
  SimDisk(SimVolume& volume, std::string process, const std::string& machine = "");

  // kill -9. The process's fibers, if any, have to be drained by the caller (SimProcess does).
  void Kill() { volume_.KillView(*view_); }
  // SIGSTOP: what is in flight ends, the next operation begins at `time`.
  void PauseUntil(SimNanos time) { view_->paused_until = time; }
  bool dead() const { return view_->dead; }

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  absl::StatusOr<FileIdentity> Identify(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& dir) override;
  absl::Status MakeDir(const std::string& path) override;
  absl::Status SyncDir(const std::string& path) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::StatusOr<uint64_t> FreeBytes(const std::string& dir) override;

 private:
  absl::Status Make(const SimVolume::Turn& turn, const std::string& path, SimNode node);
  // A request that its sender has given up comes to the server nevertheless.
  void MakeLate(const std::string& path, SimNode node);

  SimVolume& volume_;
  std::shared_ptr<SimVolume::View> view_;
};

}  // namespace semper::sim
