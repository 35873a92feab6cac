// semperctl log show: what is in the log, input by input.
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/invocation.h"
#include "cli/json.h"
#include "cli/log_files.h"
#include "cli/read_only_disk.h"
#include "cli/text.h"
#include "fmt/format.h"
#include "semper/v1/log.pb.h"

namespace semper::cli {
namespace {

const char* KindName(core::FrameKind kind) {
  switch (kind) {
    case core::FrameKind::kPeer:
      return "peer";
    case core::FrameKind::kImpulse:
      return "impulse";
    case core::FrameKind::kControl:
      return "control";
    default:
      return "unknown";
  }
}

// One entry of a record, with its payload.
struct Entry {
  core::FrameHeader frame;
  std::span<const std::byte> payload;
};

// A control input as JSON in both outputs: it is short, and its fields explain themselves.
std::string ControlText(const Entry& entry) {
  v1::Control control;
  if (!control.ParseFromArray(entry.payload.data(), static_cast<int>(entry.payload.size()))) {
    return "\"not decodable\"";
  }
  return ToJson(control);
}

void ShowRecord(Invocation& call, const log::Record& record) {
  const log::RecordHeader& header = record.header;
  const char* kind = header.kind == log::RecordKind::kSeal   ? "seal"
                     : header.kind == log::RecordKind::kNote ? "note"
                                                             : "inputs";
  if (call.json()) {
    call.out << JsonObject()
                    .Add("record", kind)
                    .Add("epoch", core::Raw(record.segment_epoch))
                    .Add("origin_epoch", core::Raw(header.origin_epoch))
                    .Add("batch", core::Raw(header.batch))
                    .Add("first_index", core::Raw(header.first_index))
                    .Add("inputs", uint64_t{header.inputs})
                    .Add("durable", header.durable)
                    .Add("committed", header.committed)
                    .Add("copied", header.copied)
                    .Add("chain", Hex(header.chain))
                    .Add("file", record.file)
                    .Add("offset", record.offset)
                    .Text()
             << "\n";
    return;
  }
  call.out << fmt::format(
      "-- {} {}:{}, {} inputs, durable {}, committed {}{}, chain {}, offset {} of {}\n", kind,
      core::Raw(header.origin_epoch), core::Raw(header.batch), header.inputs, header.durable,
      header.committed, header.copied ? ", copied" : "", Hex(header.chain), record.offset,
      record.file);
}

void ShowEntry(Invocation& call, const Entry& entry) {
  const core::FrameHeader& frame = entry.frame;
  if (call.json()) {
    JsonObject object;
    object.Add("index", frame.index)
        .Add("count", uint64_t{frame.count})
        .Add("kind", KindName(frame.kind));
    if (frame.kind == core::FrameKind::kPeer) object.Add("slot", uint64_t{frame.slot});
    if (frame.kind == core::FrameKind::kControl) {
      object.AddRaw("control", ControlText(entry));
    } else {
      object.Add("first_sequence", frame.first_sequence);
    }
    object.Add("bytes", uint64_t{frame.bytes}).Add("time_unix_nanos", frame.time);
    call.out << object.Text() << "\n";
    return;
  }
  std::string what;
  if (frame.kind == core::FrameKind::kPeer) {
    what = fmt::format("slot {}, sequence {}", frame.slot, frame.first_sequence);
  } else if (frame.kind == core::FrameKind::kImpulse) {
    what = fmt::format("token {}", frame.first_sequence);
  } else {
    what = ControlText(entry);
  }
  call.out << fmt::format("{:>12}  {:<7}  {:>6} x  {:>9} bytes  {}  {}\n", frame.index,
                          KindName(frame.kind), frame.count, frame.bytes, TimeText(frame.time),
                          what);
}

// Inputs to show; an entry is shown whole if any of its inputs is asked for.
struct Range {
  uint64_t from = 1;
  uint64_t to = UINT64_MAX;
};

absl::StatusOr<Range> ReadRange(const Invocation& call, uint64_t first) {
  const absl::StatusOr<std::optional<uint64_t>> from = call.Number("--from");
  const absl::StatusOr<std::optional<uint64_t>> to = call.Number("--to");
  if (!from.ok()) return from.status();
  if (!to.ok()) return to.status();
  Range range{from->value_or(first), to->value_or(UINT64_MAX)};
  if (range.from == 0 || range.to < range.from) {
    return absl::InvalidArgumentError("indexes count from 1, and --to is not below --from");
  }
  return range;
}

int RunLogShow(Invocation& call) {
  const std::unique_ptr<Disk> disk = MakeReadOnlyDisk();
  absl::StatusOr<LogFiles> files = OpenLogFiles(*disk, call);
  if (!files.ok()) return call.Fail(files.status());
  const absl::StatusOr<Range> range = ReadRange(call, core::Raw(files->history.first_index));
  if (!range.ok()) return call.Fail(range.status());
  auto reader =
      log::HistoryReader::Open(*disk, files->dir, files->history, core::Index{range->from - 1});
  if (!reader.ok()) return call.Fail(reader.status());
  const bool records = call.Has("--records");
  bool shown = false;
  while (true) {
    absl::StatusOr<std::optional<log::Record>> next = (*reader)->Next();
    if (!next.ok()) return call.Fail(next.status());
    if (!next->has_value()) {
      if (!shown && call.Has("--from"))
        call.err << fmt::format("the log ends before input {}\n", range->from);
      return kExitOk;
    }
    const log::Record& record = **next;
    if (core::Raw(record.header.first_index) > range->to) return kExitOk;
    if (records) ShowRecord(call, record);
    if (record.header.kind != log::RecordKind::kInputs) continue;
    size_t offset = record.entry_count() * core::kFrameHeaderBytes;
    for (uint32_t i = 0; i < record.entry_count(); ++i) {
      const core::FrameHeader frame = record.entry(i);
      const Entry entry{frame, record.body.subspan(offset, frame.bytes)};
      offset += frame.bytes;
      if (frame.index + frame.count <= range->from || frame.index > range->to) continue;
      ShowEntry(call, entry);
      shown = true;
    }
  }
}

std::vector<Option> ShowOptions() {
  std::vector<Option> options = LogFileOptions();
  options.push_back({"--from", "INDEX", "The first input to show. Default: the first retained."});
  options.push_back({"--to", "INDEX", "The last input to show. Default: the newest."});
  options.push_back({"--records", nullptr, "Shows the records, too: batches, notes and seals."});
  return options;
}

}  // namespace

const Verb& LogShowVerb() {
  static const auto& verb = *new Verb{
      "log show",
      "",
      "the inputs of an immortal, one frame a line",
      "Prints the log's frames: index of the first input, kind, number of inputs, bytes, logged\n"
      "time, and where they came from. Control inputs are decoded. With -o json each line is one\n"
      "object.",
      ShowOptions(),
      RunLogShow};
  return verb;
}

}  // namespace semper::cli
