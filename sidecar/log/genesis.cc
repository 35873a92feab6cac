#include "sidecar/log/genesis.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "sidecar/log/text_file.h"

namespace semper::log {
namespace {

constexpr int kVersion = 1;
constexpr char kFirstKey[] = "semper-genesis";
constexpr char kCrcKey[] = "crc32c: ";
constexpr char kUnfinished[] = "genesis.unfinished-";

std::string Hex(const core::Incarnation& incarnation) {
  std::string hex;
  for (std::byte b : incarnation)
    absl::StrAppend(&hex, absl::Hex(static_cast<uint8_t>(b), absl::kZeroPad2));
  return hex;
}

std::optional<core::Incarnation> ParseIncarnation(absl::string_view hex) {
  core::Incarnation incarnation;
  if (hex.size() != 2 * incarnation.size()) return std::nullopt;
  for (size_t i = 0; i < incarnation.size(); ++i) {
    uint32_t byte = 0;
    if (!absl::SimpleHexAtoi(hex.substr(2 * i, 2), &byte)) return std::nullopt;
    incarnation[i] = static_cast<std::byte>(byte);
  }
  return incarnation;
}

std::string Encode(const Genesis& genesis) {
  std::string text = absl::StrCat(
      kFirstKey, ": ", kVersion, "\nminimum-reader: ", kVersion,
      "\nfeatures: 0\ncluster: ", genesis.cluster, "\nname: ", genesis.name,
      "\nincarnation: ", Hex(genesis.incarnation), "\ncreated: ", genesis.created, "\n");
  return absl::StrCat(text, kCrcKey, absl::StrFormat("%08x", Crc32c(0, AsBytes(text))), "\n");
}

// The lines before the last one, if that one is their checksum. Nothing: not finished, or damaged.
std::optional<std::vector<absl::string_view>> Verified(absl::string_view text) {
  constexpr size_t kCrcLineBytes = sizeof kCrcKey - 1 + 8 + 1;
  if (text.size() < kCrcLineBytes) return std::nullopt;
  absl::string_view last = text.substr(text.size() - kCrcLineBytes);
  const absl::string_view covered = text.substr(0, text.size() - kCrcLineBytes);
  uint32_t crc = 0;
  if (!absl::ConsumePrefix(&last, kCrcKey) || last[8] != '\n' ||
      !absl::SimpleHexAtoi(last.substr(0, 8), &crc) ||
      crc != Crc32c(0, AsBytes({covered.data(), covered.size()})) ||
      !absl::EndsWith(covered, "\n")) {
    return std::nullopt;
  }
  return absl::StrSplit(covered.substr(0, covered.size() - 1), '\n');
}

// Nothing: an unfinished creation, or damage.
absl::StatusOr<std::optional<Genesis>> Parse(absl::string_view text, const std::string& path) {
  const auto lines = Verified(text);
  if (!lines.has_value()) return std::nullopt;
  constexpr absl::string_view kKeys[] = {kFirstKey, "minimum-reader", "features", "cluster",
                                         "name",    "incarnation",    "created"};
  std::vector<absl::string_view> values;
  for (size_t i = 0; i < lines->size() && i < std::size(kKeys); ++i) {
    absl::string_view line = (*lines)[i];
    if (absl::ConsumePrefix(&line, kKeys[i]) && absl::ConsumePrefix(&line, ": "))
      values.push_back(line);
  }
  int version = 0;
  int minimum_reader = 0;
  if (values.size() >= 2 && absl::SimpleAtoi(values[0], &version) &&
      absl::SimpleAtoi(values[1], &minimum_reader) &&
      (minimum_reader > kVersion || (values.size() >= 3 && values[2] != "0"))) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " has format version ", version, ", minimum reader ", minimum_reader,
                     "; this program reads version ", kVersion,
                     " without features: use the newer version that wrote it"));
  }
  Genesis genesis;
  std::optional<core::Incarnation> incarnation;
  if (values.size() == std::size(kKeys)) incarnation = ParseIncarnation(values[5]);
  if (!incarnation.has_value() || lines->size() != std::size(kKeys) ||
      !absl::SimpleAtoi(values[6], &genesis.created)) {
    return absl::DataLossError(absl::StrCat(
        path, " has a valid checksum but not the lines of a genesis; restore it from a backup"));
  }
  genesis.cluster = std::string(values[3]);
  genesis.name = std::string(values[4]);
  genesis.incarnation = *incarnation;
  return genesis;
}

absl::StatusOr<std::optional<Genesis>> ReadFrom(Disk& disk, const std::string& path) {
  auto text = ReadTextFile(disk, path);
  if (!text.ok()) return text.status();
  return Parse(*text, path);
}

// Also for a directory that is only half made.
absl::StatusOr<bool> HasClaims(Disk& disk, const std::string& dir) {
  const std::string claims = absl::StrCat(dir, "/claims");
  auto buckets = disk.List(claims);
  if (absl::IsNotFound(buckets.status())) return false;
  if (!buckets.ok()) return buckets.status();
  for (const std::string& bucket : *buckets) {
    auto epochs = disk.List(absl::StrCat(claims, "/", bucket));
    if (!epochs.ok()) return epochs.status();
    if (!epochs->empty()) return true;
  }
  return false;
}

// Nothing was found at `path`, but there are claims. Unless both were made since that look, it is
// damage.
absl::StatusOr<Genesis> FinishedMeanwhile(Disk& disk, const std::string& path) {
  auto genesis = ReadFrom(disk, path);
  if (genesis.ok() && genesis->has_value()) return **genesis;
  if (!genesis.ok() && !absl::IsNotFound(genesis.status())) return genesis.status();
  return absl::DataLossError(
      absl::StrCat(path,
                   " is missing, torn or damaged, but epochs were claimed in its directory: "
                   "this is no unfinished creation; restore it from a backup"));
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Makes one directory, durable in its parent also if it was there: who made it may have been killed
// before that.
absl::Status MakeDirDurably(Disk& disk, const std::string& path) {
  absl::Status made = disk.MakeDir(path);
  if (!made.ok() && !absl::IsAlreadyExists(made)) return made;
  return disk.SyncDir(ParentOf(path));
}

// Decides about files that were set aside as unfinished: a valid one goes back to its place (it was
// finished in the moment in which it was set aside), any other is removed.
absl::Status SettleAside(Disk& disk, const std::string& dir) {
  auto names = disk.List(dir);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (!absl::StartsWith(name, kUnfinished)) continue;
    const std::string path = absl::StrCat(dir, "/", name);
    auto aside = ReadFrom(disk, path);
    if (absl::IsNotFound(aside.status())) continue;  // another creator was faster
    if (!aside.ok()) return aside.status();
    absl::Status done =
        aside->has_value() ? disk.Rename(path, absl::StrCat(dir, "/genesis")) : disk.Remove(path);
    if (!done.ok() && !absl::IsNotFound(done) && !absl::IsAlreadyExists(done)) return done;
    if (absl::Status s = disk.SyncDir(dir); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status MakeDirs(Disk& disk, const std::string& dir) {
  for (const char* below : {"", "/claims", "/claims/0", "/log", "/checkpoints"}) {
    if (absl::Status s = MakeDirDurably(disk, absl::StrCat(dir, below)); !s.ok()) return s;
  }
  return absl::OkStatus();
}

enum class Attempt { kMine, kTheirs, kAgain };

absl::StatusOr<Attempt> TryToCreate(Disk& disk, const std::string& dir, const Genesis& genesis) {
  const std::string path = absl::StrCat(dir, "/genesis");
  if (absl::Status s = SettleAside(disk, dir); !s.ok()) return s;
  auto there = ReadFrom(disk, path);
  if (there.ok() && there->has_value()) return Attempt::kTheirs;
  if (!there.ok() && !absl::IsNotFound(there.status())) return there.status();
  auto claimed = HasClaims(disk, dir);
  if (!claimed.ok()) return claimed.status();
  if (*claimed) {
    auto theirs = FinishedMeanwhile(disk, path);
    return theirs.ok() ? absl::StatusOr<Attempt>(Attempt::kTheirs) : theirs.status();
  }
  if (there.ok()) {
    // Set aside, not removed: it may become valid between the look at it and this.
    const absl::Status aside =
        disk.Rename(path, absl::StrCat(dir, "/", kUnfinished, Hex(genesis.incarnation)));
    if (!aside.ok() && !absl::IsNotFound(aside)) return aside;
    return Attempt::kAgain;
  }
  auto file = disk.Open(path, OpenMode::kCreateExclusive);
  if (absl::IsAlreadyExists(file.status())) return Attempt::kAgain;
  if (!file.ok()) return file.status();
  if (absl::Status s = WriteTextFile(**file, Encode(genesis)); !s.ok()) return s;
  if (absl::Status s = disk.SyncDir(dir); !s.ok()) return s;
  // Somebody may have taken this creation for one that was given up: what is at the path decides.
  there = ReadFrom(disk, path);
  if (!there.ok() && !absl::IsNotFound(there.status())) return there.status();
  const bool is_mine =
      there.ok() && there->has_value() && (*there)->incarnation == genesis.incarnation;
  return is_mine ? Attempt::kMine : Attempt::kTheirs;
}

}  // namespace

absl::StatusOr<Genesis> ReadGenesis(Disk& disk, const std::string& dir) {
  const std::string path = absl::StrCat(dir, "/genesis");
  auto genesis = ReadFrom(disk, path);
  if (genesis.ok() && genesis->has_value()) return **genesis;
  if (!genesis.ok() && !absl::IsNotFound(genesis.status())) return genesis.status();
  auto claimed = HasClaims(disk, dir);
  if (!claimed.ok()) return claimed.status();
  if (*claimed) return FinishedMeanwhile(disk, path);
  return absl::NotFoundError(
      absl::StrCat("there is no ", path, genesis.ok() ? " that was finished" : "",
                   ": create the immortal first, or check that the right volume is mounted"));
}

absl::StatusOr<Genesis> SettleGenesis(Disk& disk, const std::string& dir) {
  auto genesis = ReadGenesis(disk, dir);
  if (!genesis.ok()) return genesis;
  auto claimed = HasClaims(disk, dir);
  if (!claimed.ok()) return claimed.status();
  if (*claimed) return genesis;
  // A directory that another creator had made may have been lost before the sync that followed.
  if (absl::Status s = MakeDirs(disk, dir); !s.ok()) return s;
  const auto being_made = absl::UnavailableError(
      absl::StrCat(dir, "/genesis is being made by somebody else at this moment; try again"));
  {
    // First opened, then compared: should another file come to this path meanwhile, it is not the
    // one that is written to.
    auto file = disk.Open(absl::StrCat(dir, "/genesis"), OpenMode::kWrite);
    if (absl::IsNotFound(file.status())) return being_made;
    if (!file.ok()) return file.status();
    std::string text = Encode(*genesis);
    std::string there(text.size(), '\0');
    const auto bytes =
        (*file)->ReadAt(0, {reinterpret_cast<std::byte*>(there.data()), there.size()});
    if (!bytes.ok()) return bytes.status();
    if (*bytes != text.size() || there != text) return being_made;
    if (absl::Status s = WriteTextFile(**file, text); !s.ok()) return s;
  }
  if (absl::Status s = disk.SyncDir(dir); !s.ok()) return s;
  auto again = ReadGenesis(disk, dir);
  if (absl::IsNotFound(again.status())) return being_made;
  if (again.ok() && again->incarnation != genesis->incarnation) return being_made;
  return again;
}

absl::Status CreateGenesis(Disk& disk, const std::string& dir, const Genesis& genesis) {
  for (const std::string& text : {genesis.cluster, genesis.name}) {
    if (text.find('\n') != std::string::npos || text.size() > kGenesisTextBytesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("cluster and name of an immortal are one line of at most ",
                       kGenesisTextBytesMax, " bytes, not \"", text, "\""));
    }
  }
  // The namespace's directory may be somebody else's unfinished work as well.
  if (absl::Status s = MakeDirDurably(disk, ParentOf(dir)); absl::IsNotFound(s)) {
    return absl::NotFoundError(
        absl::StrCat("the log directory ", ParentOf(ParentOf(dir)),
                     " does not exist: is the volume mounted? Make it, or correct --log-dir"));
  } else if (!s.ok()) {
    return s;
  }
  if (absl::Status s = MakeDirs(disk, dir); !s.ok()) return s;
  auto exists = absl::AlreadyExistsError(
      absl::StrCat(dir, "/genesis exists: the immortal was already created"));
  for (int i = 0; i < 16; ++i) {
    auto attempt = TryToCreate(disk, dir, genesis);
    if (!attempt.ok()) return attempt.status();
    if (*attempt == Attempt::kMine) return absl::OkStatus();
    if (*attempt == Attempt::kTheirs) return exists;
  }
  return absl::AbortedError(
      absl::StrCat("several processes create ", dir, "/genesis at the same time; try again"));
}

}  // namespace semper::log
