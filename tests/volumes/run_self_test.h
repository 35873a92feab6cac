// The self-test between two mounts of one volume, both ends in this process. Mounts have no cache
// in common, so this is as good as two nodes.
#pragma once

#include <random>
#include <string>

#include "absl/status/statusor.h"
#include "base/disk.h"
#include "sidecar/selftest/answer.h"
#include "sidecar/selftest/asker.h"

namespace semper::volumes {

// The verdict's text, empty if the volume passed; an error if there was no verdict. The directories
// are the immortal's, on the mount of each.
inline absl::StatusOr<std::string> RunSelfTest(const std::string& asking,
                                               const std::string& answering) {
  const auto disk = MakePosixDisk();
  std::random_device random;
  const uint64_t run = uint64_t{random()} << 32 | random();
  selftest::Asker asker(*disk, asking, run, "asking", "answering");
  auto message = asker.Begin();
  while (message.ok() && message->step() != v1::MemberTest::VERDICT) {
    message = asker.OnAnswer(selftest::Answer(*disk, answering, *message));
  }
  if (!message.ok()) return message.status();
  return message->error();
}

}  // namespace semper::volumes
