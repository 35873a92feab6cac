// What a coordinator is told when it starts. sidecar/options.cc makes it from the configuration.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "sidecar/core/core.h"
#include "sidecar/log/writer.h"

namespace semper::runtime {

enum class GenesisMode {
  kRequire,  // there must be one
  kCreate,   // make one if there is none
  kExpect,   // there must be one, with this incarnation
};

struct Options {
  std::string name;  // namespace/name
  std::string cluster;
  std::string member;   // of this process among its fellows; stands in claims
  std::string log_dir;  // the immortal's directory is <log_dir>/<name>
  GenesisMode genesis = GenesisMode::kRequire;
  core::Incarnation expected_incarnation{};

  std::string service_address;  // "unix:/path"
  std::string peer_address;     // where other immortals dial; empty: nowhere
  // Addresses of the members of other immortals, by namespace/name. Goes before peer_dns.
  std::map<std::string, std::vector<std::string>> peers;
  std::string peer_dns;  // a template of a name that resolves to all members

  // Where the members of this immortal are found, each on its peer port: "host:port"; a host name
  // may stand for several. The own address may be among them. Empty: this one is alone.
  std::vector<std::string> members;
  std::chrono::nanoseconds silence_limit = std::chrono::seconds(1);
  std::chrono::nanoseconds still_limit = std::chrono::milliseconds(30);
  std::chrono::nanoseconds claim_not_before{0};  // on the loop's steady clock; back-off
  core::Index known_committed{};  // by an earlier life of this process: no log ends before it
  enum class CheckpointOn { kAuto, kLeader } checkpoint_on = CheckpointOn::kAuto;

  log::Profile profile = log::Profile::kLocal;
  uint64_t segment_bytes = 64u << 20;
  uint64_t receive_bytes_max = 64u
                               << 20;  // received, not yet durable or not yet taken by the service
  uint64_t chunk_bytes = 2u << 20;     // of the memory that is received into
  uint64_t held_output_bytes_max =
      64u << 20;  // outputs kept until acknowledged; twice that while replaying
  uint64_t unit_bytes_max = 8u << 20;
  uint64_t ack_note_bytes = 16u << 20;
  uint64_t backlog_inputs_max = 100'000'000;
  uint64_t message_bytes_max = core::kMessageBytesMax;
  uint64_t checkpoint_every_bytes = 1u << 30;
  uint64_t checkpoint_every_inputs = 0;
  std::chrono::nanoseconds checkpoint_every{0};
  int checkpoint_keep = 2;

  // Called once, on the loop's thread, when the coordinator has stopped for good. The process ends;
  // only a new one recovers (I5).
  std::function<void(core::StopReason, const absl::Status&)> on_stop;
};

}  // namespace semper::runtime
