// Files and directories of the simulated volume: what a reader sees now, and what is on the
// platter.
//
// A file's bytes are kept once, as they are seen; for every sector that is not durable the
// platter's content is kept beside it. A power loss decides for each such sector which of the two
// is left. The same for directory entries.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "tests/support/sim_random.h"

namespace semper::sim {

inline constexpr size_t kSectorBytes = 512;  // written as a whole or not at all

// What happened on a volume; a simulation requires that its situations occurred.
struct SimVolumeCounters {
  uint64_t operations = 0;
  uint64_t mutations = 0;        // operations that change something or make it durable
  uint64_t process_crashes = 0;  // views killed
  uint64_t power_losses = 0;
  uint64_t operations_interrupted = 0;  // a crash struck in the middle of one
  uint64_t writes_torn = 0;             // of these: a part of a write was done
  uint64_t sectors_kept = 0;            // unsynced at a power loss, and survived
  uint64_t sectors_lost = 0;
  uint64_t power_losses_reordered = 0;  // a later write survived where an earlier one did not
  uint64_t files_cut = 0;               // shorter after a power loss
  uint64_t entries_kept = 0;            // unsynced directory operations at a power loss
  uint64_t entries_lost = 0;
  uint64_t entries_reordered =
      0;  // power losses where a later one survived and an earlier one did not
  uint64_t io_errors = 0;
  uint64_t no_space = 0;
  uint64_t syncs_lying = 0;  // failed once and left pages clean that never reached the platter
  uint64_t slow = 0;
  uint64_t bits_flipped = 0;
  // Of several machines on one volume.
  uint64_t server_restarts = 0;
  uint64_t sync_errors_owed = 0;    // a restart lost what a living client had not synced
  uint64_t reads_stale = 0;         // a read gave something else than the server has
  uint64_t names_stale = 0;         // a name that is there was said not to be
  uint64_t writes_partly_sent = 0;  // a part of what was not synced came to the server
  uint64_t writes_late = 0;         // came to the server a second or more after they were made
  uint64_t operations_cut = 0;      // gave up, or died, while their machine was cut off
};

// How a power loss treats what was not synced.
enum class Survival {
  kRandom,  // each sector and entry by chance; sometimes all, none, or all up to some moment
  kNothing,
  kEverything,
};

// The draw of one power loss: which moments and how many of the unsynced things survive.
class SurvivalDraw {
 public:
  SurvivalDraw(Survival how, SimRandom& random, uint64_t last_moment);
  // Whether something written at `moment` survives.
  bool Keeps(uint64_t moment);
  bool InOrder() const { return in_order_; }
  SimRandom& random() { return random_; }
  Survival how() const { return how_; }

 private:
  const Survival how_;
  SimRandom& random_;
  bool in_order_ = false;
  uint64_t moment_end_ = 0;  // in order: what was written before it survives
  uint64_t kept_of_16_ = 8;  // else: the chance
};

class SimFileData {
 public:
  // `id`: unique on its volume.
  explicit SimFileData(uint64_t id) : id_(id) {}
  uint64_t id() const { return id_; }
  uint64_t size() const { return bytes_.size(); }

  // `writer`: which machine; only its syncs make it durable.
  void Write(uint64_t offset, std::span<const std::byte> from, uint64_t moment, SimRandom& random,
             uint32_t writer = 0);
  // `fresh`: past the cache, i.e. without what a failed sync left behind in clean pages.
  size_t Read(uint64_t offset, std::span<std::byte> out, bool fresh) const;

  // By a machine that did not write last: does nothing.
  void Sync(uint32_t writer = 0);
  // A sync in which a crash struck: some sectors got through.
  void SyncPartly(SimRandom& random, uint32_t writer = 0);
  // A failed fdatasync that leaves pages clean: what was unsynced can be read, is never written,
  // and no later sync finds it.
  void LoseUnsynced();

  void PowerLoss(SurvivalDraw& draw, SimVolumeCounters& counters, uint64_t* first_lost,
                 uint64_t* last_kept);

  // Damage on the platter and in every cache.
  void FlipBit(uint64_t offset, int bit) { bytes_[offset] ^= std::byte{1} << bit; }

  uint32_t writer() const { return writer_; }
  std::vector<uint64_t> UnsyncedSectors() const;  // that a sync would still write

  uint64_t crash_seen = 0;  // number of the last power loss that treated this file
  bool lost = false;        // which took something of it
  bool owes_error = false;  // the next sync of its writer fails
  bool stale = false;       // the server, restarted, knows this file no more

 private:
  struct Unsynced {
    std::array<std::byte, kSectorBytes> platter;
    uint64_t moment = 0;  // of the last write
    bool lost = false;    // clean in the cache, yet not on the platter
  };
  void PutBack(uint64_t sector, const Unsynced& unsynced, std::span<std::byte> to,
               uint64_t to_offset) const;

  const uint64_t id_;
  uint32_t writer_ = 0;
  std::vector<std::byte> bytes_;
  uint64_t platter_size_ = 0;
  std::map<uint64_t, Unsynced> unsynced_;  // by sector
};

class SimDirectory;

// What a name stands for: one of the two.
struct SimNode {
  std::shared_ptr<SimFileData> file;
  std::shared_ptr<SimDirectory> directory;
  explicit operator bool() const { return file != nullptr || directory != nullptr; }
};

class SimDirectory {
 public:
  const std::map<std::string, SimNode>& entries() const { return entries_; }
  SimNode Find(const std::string& name) const;

  // `client`: which machine.
  void Add(const std::string& name, SimNode node, uint64_t moment, uint32_t client = 0);
  void Remove(const std::string& name, uint64_t moment, uint32_t client = 0);
  void Rename(const std::string& from, const std::string& to, uint64_t moment, uint32_t client = 0);

  // Whoever calls it: directories are the server's.
  void Sync();
  void SyncPartly(SimRandom& random);
  // Whether a power loss of the server took a change by this machine; told once.
  bool TakeError(uint32_t client) { return owed_.erase(client) > 0; }
  void ForgetErrors();  // of this directory and all below

  // This directory and everything below it. `crash` is the number of this power loss.
  void PowerLoss(SurvivalDraw& draw, SimVolumeCounters& counters, uint64_t crash,
                 uint64_t* first_lost, uint64_t* last_kept);

 private:
  struct Change {
    std::string removed;  // a name, or empty
    std::string added;    // a name, or empty; with both it is a rename, done as one
    SimNode node;
    uint64_t moment = 0;
    uint32_t client = 0;
  };
  static void Apply(const Change& change, std::map<std::string, SimNode>& to);

  std::map<std::string, SimNode> entries_;
  std::map<std::string, SimNode> platter_;
  std::vector<Change> unsynced_;  // in order
  std::set<uint32_t> owed_;
};

}  // namespace semper::sim
