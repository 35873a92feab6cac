// Immortal: one immortal of the simulated world: its volume and its members.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/member.h"
#include "tests/simulation/world.h"

namespace semper::sim {

class Immortal {
 public:
  // With one member it is alone, without fellows: paused, that one is replaced by a new life on the
  // same machine.
  Immortal(World& world, std::string name, int members);

  const std::string& name() const { return name_; }
  std::vector<std::unique_ptr<Member>>& members() { return members_; }
  bool alone() const { return members_.size() == 1; }
  SimVolume& volume() { return volume_; }
  uint64_t committed() const { return committed_; }
  // Whose leading life is the newest; nullptr: nobody leads.
  Member* leader();

  void Observe();
  void PowerLoss();  // of the volume and of all that use it
  void DoomAll();    // from inside of an operation of the volume
  void CountFiles();
  // For a while, whoever claims is killed or stopped soon after.
  void StormOfClaims(SimNanos end) { storm_until_ = end; }

 private:
  friend class Member;
  void OnNamed(const std::string& process, const std::string& path);
  void OnSurfaced(const std::string& path);

  World& world_;
  const std::string name_;
  SimVolume volume_;
  SimRandom random_;
  std::vector<std::unique_ptr<Member>> members_;
  uint64_t committed_ = 0;
  uint64_t newest_sealed_ = 0;  // epoch
  uint64_t newest_leading_ = 0;
  std::string last_to_lead_;  // a member's name
  uint64_t last_death_appended_ = 0;
  uint64_t torn_before_ = 0;
  SimNanos storm_until_ = 0;
};

}  // namespace semper::sim
