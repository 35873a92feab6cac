// One call of semperctl: the verbs that there are, and how their arguments are read.
#pragma once

#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace semper::cli {

// Exit codes; `semperctl --help` documents them.
inline constexpr int kExitOk = 0;
inline constexpr int kExitProblem = 1;      // what was looked at is not well, or the request failed
inline constexpr int kExitUsage = 2;        // the command line is wrong
inline constexpr int kExitUnreachable = 3;  // there is no such coordinator, directory or immortal

struct Option {
  const char* name;   // "--log-dir"
  const char* value;  // placeholder of its value, nullptr for a switch
  const char* help;
  const char* variable = nullptr;  // environment variable that holds the default
  const char* fallback = nullptr;  // default without it
};

class Invocation;

struct Verb {
  const char* name;       // "log show"
  const char* arguments;  // "[ID...]" for the usage line, "" if it takes none
  const char* summary;    // for the list of verbs
  const char* details;    // paragraphs for its own --help
  std::vector<Option> options;
  int (*run)(Invocation& call);
};

// What a verb gets. Output goes to `out`, complaints to `err`.
class Invocation {
 public:
  Invocation(const Verb& verb, std::ostream& to_out, std::ostream& to_err)
      : out(to_out), err(to_err), verb_(verb) {}

  // Reads what follows the verb's name; `environment` gives the value of a variable or nullptr.
  absl::Status Parse(const std::vector<std::string>& arguments,
                     const char* (*environment)(const char* name));

  bool Has(const std::string& option) const { return values_.contains(option); }
  // The option's value, from the command line, the environment or the default; empty if there is
  // none.
  std::string Value(const std::string& option) const;
  // INVALID_ARGUMENT with a sentence if the value is no number; nothing if there is no value.
  absl::StatusOr<std::optional<uint64_t>> Number(const std::string& option) const;

  bool json() const { return Value("--output") == "json"; }
  bool help() const { return Has("--help"); }
  const std::vector<std::string>& arguments() const { return arguments_; }

  // Prints "semperctl VERB: text" and returns the exit code that fits `status`.
  int Fail(const absl::Status& status);

  std::ostream& out;
  std::ostream& err;

 private:
  const Option* Find(const std::string& name) const;
  absl::StatusOr<const Option*> FindOrExplain(const std::string& name) const;

  const Verb& verb_;
  std::map<std::string, std::string> values_;
  std::vector<std::string> arguments_;
};

// The verb's --help.
std::string VerbHelp(const Verb& verb);

// The whole program. `arguments` without the program's name.
int RunSemperctl(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err,
                 const char* (*environment)(const char* name));

// Verbs, each defined beside its neighbours.
const Verb& StatusVerb();
const Verb& SwitchoverVerb();
const Verb& LogListVerb();
const Verb& LogShowVerb();
const Verb& LogVerifyVerb();
const Verb& CheckpointListVerb();
const Verb& CheckpointTakeVerb();
const Verb& CheckpointVerifyVerb();

}  // namespace semper::cli
