// The verb `create`: an identity for an immortal that does not exist yet.
#include <sys/random.h>

#include <chrono>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/disk.h"
#include "sidecar/daemon.h"
#include "sidecar/log/genesis.h"

namespace semper {

int RunCreate(const SidecarOptions& options) {
  const std::unique_ptr<Disk> disk = MakePosixDisk();
  // Below an empty mount point the immortal would be on another disk than its data are expected on.
  if (!disk->List(options.runtime.log_dir).ok()) {
    std::fprintf(
        stderr,
        "semper-sidecar create: the log directory %s cannot be read: is the volume mounted? Make "
        "it, or correct --log-dir\n",
        options.runtime.log_dir.c_str());
    return kExitRefused;
  }
  log::Genesis genesis;
  genesis.cluster = options.runtime.cluster;
  genesis.name = options.runtime.name;
  const ssize_t got = getrandom(genesis.incarnation.data(), genesis.incarnation.size(), 0);
  SEMPER_CHECK(got == static_cast<ssize_t>(genesis.incarnation.size()), "getrandom gave ", got);
  genesis.created = static_cast<uint64_t>(
      std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
  const std::string dir = absl::StrCat(options.runtime.log_dir, "/", options.runtime.name);
  const absl::Status created = log::CreateGenesis(*disk, dir, genesis);
  if (!created.ok()) {
    std::fprintf(stderr, "semper-sidecar create: %s\n", std::string(created.message()).c_str());
    return absl::IsAlreadyExists(created) ? kExitRefused : kExitGaveUp;
  }
  std::printf("%s\n", core::HexOf(genesis.incarnation).c_str());
  return kExitOk;
}

}  // namespace semper
