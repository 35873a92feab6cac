// Inside the room: the files of a self-test,
// `<immortal>/selftest/<pair>/<pair>-<run>-<round>-<part>`. The pair stands for who asks whom. It
// has a directory of its own: would the node that asks change the same directory as an answerer, it
// would renew the very caches that the test is about. And the next run of the same two finds there
// what a dead one left.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/disk.h"

namespace semper::selftest {

// Created by who answers; who asks finds it in a listing.
inline constexpr std::string_view kListed = "listed";
// Created, appended to and overwritten by who answers. Who asks tries to create it too, and reads
// it by its name: a listing would tell some clients that there is news about it.
inline constexpr std::string_view kRecord = "record";
// Created by who asks; who answers tries to create it too.
inline constexpr std::string_view kMine = "mine";

std::string TopOf(const std::string& immortal_dir);
std::string DirOf(const std::string& immortal_dir, std::string_view pair);

// 8 hexadecimal digits for "`asker` asks `answerer`".
std::string PairOf(std::string_view asker, std::string_view answerer);

// "<pair>-<run>-", in front of everything of one run.
std::string RunPrefix(std::string_view pair, uint64_t run);

// Of a file's name.
std::string_view PairIn(std::string_view name);

std::string FileName(std::string_view run_prefix, uint64_t round, std::string_view part);

// The file beside `name` that has another part; of one round.
std::string SiblingOf(std::string_view name, std::string_view part);

// Whether a name that a fellow sent can be a name of these, and nothing that leads elsewhere.
bool IsOurs(std::string_view name);

// Writes `bytes` at `offset` and syncs the file.
absl::Status WriteSynced(File& file, uint64_t offset, std::string bytes);

// Makes a file exclusively, with `bytes`; file and directory are synced. ALREADY_EXISTS: the name
// was taken.
absl::Status CreateSynced(Disk& disk, const std::string& dir, const std::string& name,
                          std::string bytes);

}  // namespace semper::selftest
