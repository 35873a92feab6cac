// semper-sidecar: flags -> configuration -> run.
#include <unistd.h>

#include <cstdio>
#include <string>

#include "base/config.h"
#include "base/version.h"
#include "sidecar/daemon.h"
#include "sidecar/options.h"

namespace semper {
namespace {

int Complain(const absl::Status& status) {
  std::fprintf(stderr, "semper-sidecar: %s\n", std::string(status.message()).c_str());
  return kExitConfiguration;
}

int Main(int argc, char** argv) {
  absl::StatusOr<ParsedCommandLine> parsed = ParseConfig(SidecarConfigTable(), argc, argv, environ);
  if (!parsed.ok()) return Complain(parsed.status());
  switch (parsed->verb) {
    case CommandLineVerb::kHelp:
      std::puts(SidecarConfigTable().Help(SidecarUsage()).c_str());
      return kExitOk;
    case CommandLineVerb::kVersion:
      std::printf("semper-sidecar %s\n", kVersion);
      return kExitOk;
    case CommandLineVerb::kPrintConfigDocs:
      std::fputs(ConfigurationPage().c_str(), stdout);
      return kExitOk;
    case CommandLineVerb::kRun:
    case CommandLineVerb::kCheckConfig:
      break;
  }
  const bool create = parsed->positional == std::vector<std::string>{"create"};
  if (!create && !parsed->positional.empty()) {
    return Complain(absl::InvalidArgumentError(
        "'" + parsed->positional[0] + "' is no verb; there is only create, or none to run"));
  }
  if (parsed->has_child_command && (create || parsed->child_command.empty())) {
    return Complain(
        absl::InvalidArgumentError(create ? "create starts no service; leave out what follows --"
                                          : "-- needs a command after it"));
  }
  absl::StatusOr<SidecarOptions> options = ReadOptions(parsed->config);
  if (!options.ok()) return Complain(options.status());
  if (parsed->verb == CommandLineVerb::kCheckConfig) return kExitOk;
  return create ? RunCreate(*options) : RunDaemon(*parsed, *std::move(options));
}

}  // namespace
}  // namespace semper

int main(int argc, char** argv) {
  const int code = semper::Main(argc, argv);
  std::fflush(stdout);
  // Without destructors: a thread that is stuck in a dead volume would hold them up for ever.
  _exit(code);
}
