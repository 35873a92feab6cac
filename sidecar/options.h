// The configuration of semper-sidecar: the one table of its keys, and what they mean to the
// program. docs/configuration.md is generated from the table.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/config.h"
#include "base/log.h"
#include "sidecar/runtime/options.h"

namespace semper {

// All keys. Lives for ever.
const ConfigTable& SidecarConfigTable();

// The usage line and the exit codes, for --help.
std::string_view SidecarUsage();

// The whole text of docs/configuration.md.
std::string ConfigurationPage();

struct SidecarOptions {
  runtime::Options runtime;             // without profile (see there), callbacks and gates
  std::optional<log::Profile> profile;  // nothing: by the file system of the log directory
  std::string service_socket;           // path; runtime.service_address is made of it
  std::string admin_http;               // empty: off
  std::string admin_socket;             // empty: off
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
  std::chrono::nanoseconds drain_timeout{0};
  std::chrono::nanoseconds claim_interval{0};
  bool exit_on_refusal = false;
};

// What a checked configuration says. INVALID_ARGUMENT names the key, what is wrong with it and what
// to do.
absl::StatusOr<SidecarOptions> ReadOptions(const Config& config);

// The live keys, for a reload. ReadPeers checks as ReadOptions does; the others take a
// configuration that was checked when it was read.
absl::StatusOr<std::map<std::string, std::vector<std::string>>> ReadPeers(const Config& config);
LogLevel ReadLogLevel(const Config& config);
LogFormat ReadLogFormat(const Config& config);

}  // namespace semper
