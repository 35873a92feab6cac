// semperctl log list: what lies in the directory, and what of it is history.
#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "cli/invocation.h"
#include "cli/json.h"
#include "cli/log_files.h"
#include "cli/read_only_disk.h"
#include "cli/text.h"
#include "fmt/format.h"

namespace semper::cli {
namespace {

// How a segment counts. A segment of the right epoch with the wrong nonce is another process's: an
// unsafe volume.
const char* SegmentState(const log::SegmentInfo& segment, const log::History& history) {
  if (!segment.used) return "spare";
  for (const log::EpochRange& range : history.ranges) {
    if (range.epoch == segment.epoch) return range.nonce == segment.nonce ? "history" : "foreign";
  }
  return "void";
}

std::string FileName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

int RunLogList(Invocation& call) {
  const std::unique_ptr<Disk> disk = MakeReadOnlyDisk();
  absl::StatusOr<LogFiles> files = OpenLogFiles(*disk, call);
  if (!files.ok()) return call.Fail(files.status());
  absl::StatusOr<std::vector<log::SegmentInfo>> segments = log::ListSegments(*disk, files->dir);
  if (!segments.ok()) return call.Fail(segments.status());

  std::map<core::Epoch, std::string> members;
  for (const log::SegmentInfo& segment : *segments) {
    if (members.contains(segment.epoch)) continue;
    members[segment.epoch] =
        log::ReadClaim(*disk, files->dir, segment.epoch).value_or(log::ClaimInfo{}).member;
  }
  if (call.json()) {
    std::string list = "[";
    for (const log::SegmentInfo& segment : *segments) {
      absl::StrAppend(&list, list.size() > 1 ? "," : "",
                      JsonObject()
                          .Add("file", FileName(segment.file))
                          .Add("epoch", core::Raw(segment.epoch))
                          .Add("member", members[segment.epoch])
                          .Add("number", segment.number)
                          .Add("next_index", core::Raw(segment.next_index))
                          .Add("bytes", segment.bytes)
                          .Add("state", SegmentState(segment, files->history))
                          .Text());
    }
    call.out << JsonObject()
                    .Add("name", files->genesis.name)
                    .Add("cluster", files->genesis.cluster)
                    .Add("incarnation", Hex(files->genesis.incarnation))
                    .Add("newest_claim", core::Raw(files->newest_claim))
                    .Add("first_index", core::Raw(files->history.first_index))
                    .AddRaw("segments", list + "]")
                    .Text()
             << "\n";
    return kExitOk;
  }
  uint64_t bytes = 0;
  std::vector<std::vector<std::string>> rows = {
      {"EPOCH>", "MEMBER", "SEGMENT>", "FROM INDEX>", "SIZE>", "STATE", "FILE"}};
  for (const log::SegmentInfo& segment : *segments) {
    bytes += segment.bytes;
    rows.push_back({std::to_string(core::Raw(segment.epoch)), members[segment.epoch],
                    std::to_string(segment.number),
                    segment.used ? std::to_string(core::Raw(segment.next_index)) : "-",
                    BytesText(segment.bytes), SegmentState(segment, files->history),
                    FileName(segment.file)});
  }
  call.out << fmt::format("{}, incarnation {}, cluster '{}', created {}\n\n", files->genesis.name,
                          Hex(files->genesis.incarnation), files->genesis.cluster,
                          TimeText(files->genesis.created))
           << TableText(rows)
           << fmt::format("\n{} segments, {}; epochs claimed: {}; history retained from index {}\n",
                          segments->size(), BytesText(bytes), core::Raw(files->newest_claim),
                          core::Raw(files->history.first_index));
  return kExitOk;
}

}  // namespace

const Verb& LogListVerb() {
  static const auto& verb = *new Verb{
      "log list",
      "",
      "the segments of an immortal's log",
      "Lists the segment files. STATE: history counts; void belongs to an epoch that never led;\n"
      "spare was prepared and not used yet; foreign was written by a process that did not own its\n"
      "epoch, which means that the volume is not safe.",
      LogFileOptions(),
      RunLogList};
  return verb;
}

}  // namespace semper::cli
