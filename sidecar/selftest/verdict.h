// Inside the room: what a verdict says when a volume has broken a promise.
#pragma once

#include <cstdint>
#include <string>

namespace semper::selftest {

// A promise that the log lock needs, by how it was broken.
enum class Broken {
  kListing,    // a created and synced name is not in the first listing afterwards
  kName,       // it cannot be opened: it was absent before and is believed to be
  kContents,   // its first read does not show what was created
  kAppend,     // nor what was appended
  kOverwrite,  // nor what was overwritten
  kExclusive,  // a name that a fellow has made was made once more
};

// One sentence for what happened to `file` in `dir`, one for what helps. It goes on after "the
// volume is unfit: ".
std::string VerdictText(Broken broken, const std::string& dir, uint64_t round,
                        const std::string& file);

}  // namespace semper::selftest
