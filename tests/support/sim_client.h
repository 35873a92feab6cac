// SimClient: what one machine keeps of a volume that several machines share.
//
// Between its SimDisks and the server stand its page cache (what it wrote and has not sent yet, and
// pages that it read a while ago) and its names that were not there. Whoever reads through it sees
// its own writes at once and those of others late, page by page. What it wrote reaches the server
// with a sync, or by itself at any time later: also when the process that wrote it is long dead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tests/support/sim_inode.h"
#include "tests/support/sim_scheduler.h"

namespace semper::sim {

class SimVolume;

struct SimCacheTiming {
  SimNanos stale_max = 3 * kSecond;        // how long a page or a size is taken from the cache
  SimNanos negative_max = kSecond;         // how long a name stays "not there"
  SimNanos write_back_max = 30 * kSecond;  // of what nobody syncs
  SimNanos late_max = 120 * kSecond;       // more, after a cut or a freeze
};

class SimClient {
 public:
  // `number` tells the clients of `volume`, which outlives this one, apart.
  SimClient(SimVolume& volume, uint32_t number, std::string name);
  SimClient(const SimClient&) = delete;
  SimClient& operator=(const SimClient&) = delete;

  const std::string& name() const { return name_; }
  uint32_t number() const { return number_; }

  // Nothing passes between it and the server until then; what it has written waits.
  void CutUntil(SimNanos time) { cut_until_ = time; }
  SimNanos cut_until() const { return cut_until_; }

  // Files, by what they are; `path` is for the trace.
  void Write(const std::shared_ptr<SimFileData>& file, const std::string& path, uint64_t offset,
             std::span<const std::byte> bytes);
  size_t Read(const std::shared_ptr<SimFileData>& file, const std::string& path, uint64_t offset,
              std::span<std::byte> out);
  uint64_t Size(const std::shared_ptr<SimFileData>& file, const std::string& path);
  // Everything written reaches the server; durable is another thing.
  void Flush(const SimFileData& file);
  void FlushPartly(const SimFileData& file);
  // A failed write-back: what was written is clean in this cache and goes nowhere.
  void Drop(const SimFileData& file);
  // The server forgot what it had not synced, and is sent it again.
  void TakeBack(const std::shared_ptr<SimFileData>& file, const std::string& path);

  // Names that were not there when last asked.
  bool SaysNotThere(const std::string& path);
  void NoteNotThere(const std::string& path);
  void NoteThere(const std::string& path) { not_there_.erase(path); }

  // The machine loses power. What is on its way to the server may arrive, much later.
  void Die();

 private:
  struct Piece {  // of one write, not yet at the server
    uint64_t offset = 0;
    std::vector<std::byte> bytes;
    SimNanos written = 0;
  };
  struct Cached {
    std::shared_ptr<SimFileData> file;
    std::string path;
    std::vector<Piece> dirty;  // in the order of writing
    bool planned = false;      // a write-back is under way
    SimNanos valid_until = 0;
    uint64_t size = 0;
    std::map<uint64_t, std::vector<std::byte>> pages;
  };

  Cached& Of(const std::shared_ptr<SimFileData>& file, const std::string& path);
  void Revalidate(Cached& cached);
  const std::vector<std::byte>& Page(Cached& cached, uint64_t number);
  void Keep(Cached& cached, const Piece& piece);
  void Send(Cached& cached, const Piece& piece);
  void PlanWriteBack(Cached& cached);
  void WriteBack(uint64_t file);

  SimVolume& volume_;
  const uint32_t number_;
  const std::string name_;
  SimRandom random_;
  SimNanos cut_until_ = 0;
  std::map<uint64_t, Cached> cached_;  // by the file's id
  std::map<std::string, SimNanos> not_there_;
  std::shared_ptr<bool> here_ = std::make_shared<bool>(true);
};

}  // namespace semper::sim
