// Who answers in a self-test: does what a fellow asks for, durably, and says so.
#pragma once

#include <string>

#include "base/disk.h"
#include "semper/v1/member.pb.h"

namespace semper::selftest {

// One step: CREATE, APPEND, OVERWRITE or COLLIDE in the directory `immortal_dir` of the immortal.
// What comes back goes to who asked. DONE: it is done; with `error`: it could not be done, which
// says nothing about the volume. VERDICT, always with `error`: a promise of the volume is broken,
// seen from here; the test is over. Files of a round are removed with its last step, COLLIDE.
//
// Blocks; keeps nothing, any thread. The message may come from anybody: names that lead out of the
// directory of the self-test are refused.
v1::MemberTest Answer(Disk& disk, const std::string& immortal_dir, const v1::MemberTest& ask);

}  // namespace semper::selftest
