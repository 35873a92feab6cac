// semperctl checkpoint list and verify.
#include <charconv>
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/invocation.h"
#include "cli/json.h"
#include "cli/log_files.h"
#include "cli/read_only_disk.h"
#include "cli/text.h"
#include "fmt/format.h"
#include "sidecar/checkpoint/checkpoint.h"

namespace semper::cli {
namespace {

using checkpoint::CheckpointId;

std::string IdText(CheckpointId id) {
  return fmt::format("{}-{}", core::Raw(id.epoch), core::Raw(id.index));
}

// "7-118": epoch and index, decimal, as the list prints them.
absl::StatusOr<CheckpointId> ParseId(const std::string& text) {
  uint64_t epoch = 0, index = 0;
  const char* end = text.data() + text.size();
  const auto [dash, error] = std::from_chars(text.data(), end, epoch);
  if (error == std::errc() && dash != end && *dash == '-') {
    const auto [last, second] = std::from_chars(dash + 1, end, index);
    if (second == std::errc() && last == end)
      return CheckpointId{core::Epoch{epoch}, core::Index{index}};
  }
  return absl::InvalidArgumentError(
      fmt::format("'{}' is no checkpoint; one is called EPOCH-INDEX, such as 7-118", text));
}

// How a checkpoint stands to the log: its chain is that of the log, another one, or cannot be
// compared.
std::string ChainState(Disk& disk, const LogFiles& files,
                       const checkpoint::CheckpointHeader& header) {
  if (core::Raw(header.id.index) + 1 == core::Raw(files.history.first_index)) {
    return header.chain == files.history.first_chain ? "same" : "different";
  }
  const absl::StatusOr<Chain> chain = log::ChainAt(disk, files.dir, files.history, header.id.index);
  if (absl::IsNotFound(chain.status())) return "not retained";
  if (!chain.ok()) return "unreadable";
  return *chain == header.chain ? "same" : "different";
}

struct Row {
  CheckpointId id;
  uint64_t bytes = 0;
  std::string service;  // name and version, once they were read
  std::string chain;
  std::string error;  // why it cannot be used
};

Row Look(Disk& disk, const LogFiles& files, CheckpointId id) {
  Row row{.id = id};
  if (auto file = disk.Open(checkpoint::CheckpointPath(files.dir, id), OpenMode::kRead);
      file.ok()) {
    row.bytes = (*file)->Size().value_or(0);
  }
  auto reader = checkpoint::CheckpointReader::Open(disk, files.dir, id);
  if (!reader.ok()) {
    row.error = std::string(reader.status().message());
    return row;
  }
  row.chain = ChainState(disk, files, (*reader)->header());
  if (row.chain == "different")
    row.error = "its chain is not the log's: it belongs to another history";
  while (row.error.empty()) {
    auto section = (*reader)->Next();
    if (!section.ok()) row.error = std::string(section.status().message());
    if (!section.ok() || !section->has_value()) break;
    if ((*section)->kind == checkpoint::CheckpointReader::Section::kService) {
      row.service = fmt::format("{} v{}", (*section)->service.service_name(),
                                (*section)->service.service_version());
      break;
    }
  }
  return row;
}

std::string RowJson(const Row& row) {
  return JsonObject()
      .Add("id", IdText(row.id))
      .Add("epoch", core::Raw(row.id.epoch))
      .Add("index", core::Raw(row.id.index))
      .Add("bytes", row.bytes)
      .Add("service", row.service)
      .Add("chain", row.chain)
      .Add("ok", row.error.empty())
      .Add("error", row.error)
      .Text();
}

int Print(Invocation& call, const std::vector<Row>& rows, const char* empty) {
  bool well = true;
  for (const Row& row : rows) well = well && row.error.empty();
  if (call.json()) {
    std::string list = "[";
    for (const Row& row : rows) absl::StrAppend(&list, list.size() > 1 ? "," : "", RowJson(row));
    call.out << list << "]\n";
    return well ? kExitOk : kExitProblem;
  }
  if (rows.empty()) call.out << empty << "\n";
  std::vector<std::vector<std::string>> table = {
      {"CHECKPOINT", "SIZE>", "SERVICE", "CHAIN", "STATE"}};
  for (const Row& row : rows) {
    table.push_back({IdText(row.id), BytesText(row.bytes), row.service, row.chain,
                     row.error.empty() ? "ok" : row.error});
  }
  if (!rows.empty()) call.out << TableText(table);
  return well ? kExitOk : kExitProblem;
}

int RunCheckpointList(Invocation& call) {
  const std::unique_ptr<Disk> disk = MakeReadOnlyDisk();
  absl::StatusOr<LogFiles> files = OpenLogFiles(*disk, call);
  if (!files.ok()) return call.Fail(files.status());
  absl::StatusOr<std::vector<CheckpointId>> ids = checkpoint::ListCheckpoints(*disk, files->dir);
  if (!ids.ok()) return call.Fail(ids.status());
  std::vector<Row> rows;
  for (const CheckpointId id : *ids) rows.push_back(Look(*disk, *files, id));
  return Print(call, rows, "no checkpoints yet");
}

int RunCheckpointVerify(Invocation& call) {
  const std::unique_ptr<Disk> disk = MakeReadOnlyDisk();
  std::vector<CheckpointId> ids;
  for (const std::string& text : call.arguments()) {
    const absl::StatusOr<CheckpointId> id = ParseId(text);
    if (!id.ok()) return call.Fail(id.status());
    ids.push_back(*id);
  }
  absl::StatusOr<LogFiles> files = OpenLogFiles(*disk, call);
  if (!files.ok()) return call.Fail(files.status());
  if (ids.empty()) {
    absl::StatusOr<std::vector<CheckpointId>> all = checkpoint::ListCheckpoints(*disk, files->dir);
    if (!all.ok()) return call.Fail(all.status());
    ids = *std::move(all);
  }
  std::vector<Row> rows;
  for (const CheckpointId id : ids) {
    rows.push_back(Look(*disk, *files, id));
    if (!rows.back().error.empty()) continue;
    const absl::Status verified = checkpoint::VerifyCheckpoint(*disk, files->dir, id);
    if (!verified.ok()) rows.back().error = std::string(verified.message());
  }
  return Print(call, rows, "no checkpoints to verify");
}

}  // namespace

const Verb& CheckpointListVerb() {
  static const auto& verb = *new Verb{
      "checkpoint list",
      "",
      "the checkpoints of an immortal, newest first",
      "Lists the published checkpoints as EPOCH-INDEX. CHAIN says whether a checkpoint belongs to\n"
      "the history in the log: same, different, or not retained (the log no longer reaches back).",
      LogFileOptions(),
      RunCheckpointList};
  return verb;
}

const Verb& CheckpointVerifyVerb() {
  static const auto& verb = *new Verb{
      "checkpoint verify",
      "[EPOCH-INDEX...]",
      "reads checkpoints and checks every byte",
      "Verifies the named checkpoints, or all. The exit code is 1 if one of them cannot be used.",
      LogFileOptions(),
      RunCheckpointVerify};
  return verb;
}

}  // namespace semper::cli
