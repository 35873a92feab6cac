#include "cli/invocation.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/version.h"
#include "cli/text.h"
#include "fmt/format.h"

namespace semper::cli {
namespace {

const std::vector<Option>& CommonOptions() {
  static const auto& options = *new std::vector<Option>{
      {"--output", "text|json", "For people, or for programs. -o for short.", nullptr, "text"},
      {"--help", nullptr, "Says this. -h for short."},
  };
  return options;
}

const std::vector<const Verb*>& Verbs() {
  static const auto& verbs = *new std::vector<const Verb*>{
      &StatusVerb(),    &SwitchoverVerb(),     &LogListVerb(),        &LogShowVerb(),
      &LogVerifyVerb(), &CheckpointListVerb(), &CheckpointTakeVerb(), &CheckpointVerifyVerb()};
  return verbs;
}

std::string Help() {
  std::string text =
      "usage: semperctl VERB [OPTION...]        semperctl VERB --help says more\n\n"
      "Looks at immortals and their coordinators.\n\n";
  for (const Verb* verb : Verbs()) text += fmt::format("  {:<18} {}\n", verb->name, verb->summary);
  text +=
      "\n  --version          the version of this program\n"
      "\nThe verbs of log and checkpoint read the files themselves. They never write, and a "
      "running\n"
      "coordinator does not notice them.\n"
      "\nExit codes: 0 well; 1 what was looked at is damaged, or the request failed; 2 wrong "
      "command\n"
      "line; 3 no such coordinator, directory or immortal.\n";
  return text;
}

// Says which verb may have been meant.
std::string UnknownVerb(const std::vector<std::string>& arguments) {
  const std::string one = arguments[0];
  const std::string two = arguments.size() > 1 ? absl::StrCat(one, " ", arguments[1]) : one;
  std::vector<std::string> names;
  std::string members;
  for (const Verb* verb : Verbs()) {
    names.push_back(verb->name);
    const std::string name = verb->name;
    if (name.starts_with(one + " ")) absl::StrAppend(&members, members.empty() ? "" : ", ", name);
  }
  if (!members.empty() && arguments.size() == 1) {
    return fmt::format("'{}' needs one more word: {}", one, members);
  }
  std::string near = Nearest(two, names);
  if (near.empty()) near = Nearest(one, names);
  if (near.empty() && !members.empty())
    return fmt::format("unknown verb '{}'; there are: {}", two, members);
  return near.empty() ? fmt::format("unknown verb '{}'; see semperctl --help", one)
                      : fmt::format("unknown verb '{}'; did you mean '{}'?", two, near);
}

}  // namespace

const Option* Invocation::Find(const std::string& name) const {
  const std::string full = name == "-o" ? "--output" : name == "-h" ? "--help" : name;
  for (const std::vector<Option>* options : {&verb_.options, &CommonOptions()}) {
    for (const Option& option : *options) {
      if (full == option.name) return &option;
    }
  }
  return nullptr;
}

absl::StatusOr<const Option*> Invocation::FindOrExplain(const std::string& name) const {
  if (const Option* option = Find(name); option != nullptr) return option;
  std::vector<std::string> names;
  for (const std::vector<Option>* options : {&verb_.options, &CommonOptions()}) {
    for (const Option& option : *options) names.push_back(option.name);
  }
  const std::string near = Nearest(name, names);
  return absl::InvalidArgumentError(
      near.empty() ? fmt::format("unknown option {}; see semperctl {} --help", name, verb_.name)
                   : fmt::format("unknown option {}; did you mean {}?", name, near));
}

absl::Status Invocation::Parse(const std::vector<std::string>& arguments,
                               const char* (*environment)(const char* name)) {
  for (const std::vector<Option>* options : {&verb_.options, &CommonOptions()}) {
    for (const Option& option : *options) {
      const char* value = option.variable == nullptr ? nullptr : environment(option.variable);
      if (value == nullptr || *value == 0) value = option.fallback;
      if (value != nullptr) values_[option.name] = value;
    }
  }
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument.size() < 2 || argument[0] != '-') {
      arguments_.push_back(argument);
      continue;
    }
    const size_t equals = argument.find('=');
    absl::StatusOr<const Option*> option = FindOrExplain(argument.substr(0, equals));
    if (!option.ok()) return option.status();
    const char* name = (*option)->name;
    if ((*option)->value == nullptr) {
      if (equals != std::string::npos) {
        return absl::InvalidArgumentError(fmt::format("{} takes no value", name));
      }
      values_[name] = "";
    } else if (equals != std::string::npos) {
      values_[name] = argument.substr(equals + 1);
    } else if (++i < arguments.size()) {
      values_[name] = arguments[i];
    } else {
      return absl::InvalidArgumentError(
          fmt::format("{} needs a value: {}", name, (*option)->value));
    }
  }
  if (const std::string output = Value("--output"); output != "text" && output != "json") {
    return absl::InvalidArgumentError(fmt::format("--output is text or json, not '{}'", output));
  }
  if (*verb_.arguments == 0 && !arguments_.empty()) {
    return absl::InvalidArgumentError(fmt::format("'{}' is one argument too many", arguments_[0]));
  }
  return absl::OkStatus();
}

std::string Invocation::Value(const std::string& option) const {
  const auto found = values_.find(option);
  return found == values_.end() ? "" : found->second;
}

absl::StatusOr<std::optional<uint64_t>> Invocation::Number(const std::string& option) const {
  const std::string text = Value(option);
  if (text.empty()) return std::optional<uint64_t>();
  uint64_t number = 0;
  if (!absl::SimpleAtoi(text, &number)) {
    return absl::InvalidArgumentError(fmt::format("{} is a number, not '{}'", option, text));
  }
  return std::optional<uint64_t>(number);
}

int Invocation::Fail(const absl::Status& status) {
  err << "semperctl " << verb_.name << ": " << std::string(status.message()) << "\n";
  if (absl::IsInvalidArgument(status)) return kExitUsage;
  return absl::IsNotFound(status) || absl::IsUnavailable(status) ? kExitUnreachable : kExitProblem;
}

std::string VerbHelp(const Verb& verb) {
  std::string text = fmt::format("usage: semperctl {} [OPTION...]{}{}\n\n{}\n\n", verb.name,
                                 *verb.arguments == 0 ? "" : " ", verb.arguments, verb.details);
  for (const std::vector<Option>* options : {&verb.options, &CommonOptions()}) {
    for (const Option& option : *options) {
      text += fmt::format("  {}{}{}\n        {}", option.name, option.value == nullptr ? "" : " ",
                          option.value == nullptr ? "" : option.value, option.help);
      if (option.variable != nullptr) text += fmt::format(" Environment: {}.", option.variable);
      if (option.fallback != nullptr) text += fmt::format(" Default: {}.", option.fallback);
      text += "\n";
    }
  }
  return text;
}

int RunSemperctl(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err,
                 const char* (*environment)(const char* name)) {
  if (arguments.empty()) {
    err << Help();
    return kExitUsage;
  }
  if (arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    out << Help();
    return kExitOk;
  }
  if (arguments[0] == "--version") {
    out << "semperctl " << kVersion << "\n";
    return kExitOk;
  }
  for (const Verb* verb : Verbs()) {
    const std::string name = verb->name;
    const size_t words = name.find(' ') == std::string::npos ? 1 : 2;
    if (arguments.size() < words) continue;
    if (name != (words == 1 ? arguments[0] : absl::StrCat(arguments[0], " ", arguments[1])))
      continue;
    Invocation call(*verb, out, err);
    const absl::Status parsed =
        call.Parse({arguments.begin() + words, arguments.end()}, environment);
    if (call.help()) {
      out << VerbHelp(*verb);
      return kExitOk;
    }
    return parsed.ok() ? verb->run(call) : call.Fail(parsed);
  }
  err << "semperctl: " << UnknownVerb(arguments) << "\n";
  return kExitUsage;
}

}  // namespace semper::cli
