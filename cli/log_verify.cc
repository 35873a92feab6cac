// semperctl log verify: reads all of a log and says whether every byte of it is as it was written.
#include <chrono>
#include <memory>

#include "base/hash.h"
#include "cli/invocation.h"
#include "cli/json.h"
#include "cli/log_files.h"
#include "cli/read_only_disk.h"
#include "cli/text.h"
#include "fmt/format.h"
#include "sidecar/log/epochs.h"

namespace semper::cli {
namespace {

struct Totals {
  uint64_t records = 0;
  uint64_t inputs = 0;
  uint64_t bytes = 0;  // of records, without padding
  uint64_t last_index = 0;
  Chain chain{};
  uint64_t last_time = 0;
  std::string file;         // of the last record
  uint64_t end_offset = 0;  // behind it
};

// What the reader does not check: each frame's own checksum, and that logged time never goes back.
absl::Status CheckEntries(const log::Record& record, Totals& totals) {
  size_t offset = record.entry_count() * core::kFrameHeaderBytes;
  for (uint32_t i = 0; i < record.entry_count(); ++i) {
    const core::FrameHeader frame = record.entry(i);
    if (offset > record.body.size() || frame.bytes > record.body.size() - offset) {
      return absl::DataLossError(
          fmt::format("{}, record at offset {}: frame {} ends behind its record", record.file,
                      record.offset, i));
    }
    const uint32_t crc = Crc32c(0, record.body.subspan(offset, frame.bytes));
    if (crc != frame.crc) {
      return absl::DataLossError(
          fmt::format("{}, record at offset {}: the payload of index {} has CRC32C {:08x}, its "
                      "frame says {:08x}",
                      record.file, record.offset, frame.index, crc, frame.crc));
    }
    if (frame.time < totals.last_time) {
      return absl::DataLossError(
          fmt::format("{}, record at offset {}: logged time goes back at index {}", record.file,
                      record.offset, frame.index));
    }
    totals.last_time = frame.time;
    offset += frame.bytes;
  }
  return absl::OkStatus();
}

absl::Status Walk(Disk& disk, const LogFiles& files, Totals& totals) {
  auto reader = log::HistoryReader::Open(disk, files.dir, files.history,
                                         core::Index{core::Raw(files.history.first_index) - 1});
  if (!reader.ok()) return reader.status();
  while (true) {
    absl::StatusOr<std::optional<log::Record>> next = (*reader)->Next();
    if (!next.ok()) return next.status();
    if (!next->has_value()) return (*reader)->CheckEnd();
    const log::Record& record = **next;
    if (record.header.kind == log::RecordKind::kInputs) {
      if (absl::Status checked = CheckEntries(record, totals); !checked.ok()) return checked;
    }
    ++totals.records;
    totals.inputs += record.header.inputs;
    totals.bytes += log::kRecordHeaderBytes + record.header.body_bytes;
    totals.last_index = core::Raw((*reader)->index());
    totals.chain = (*reader)->chain();
    totals.file = std::string(record.file);
    totals.end_offset =
        record.offset + log::kRecordHeaderBytes + record.header.body_bytes + record.header.padding;
  }
}

int RunLogVerify(Invocation& call) {
  const std::unique_ptr<Disk> disk = MakeReadOnlyDisk();
  absl::StatusOr<LogFiles> files = OpenLogFiles(*disk, call);
  Totals totals;
  absl::Status status = files.status();
  if (!files.ok() && !absl::IsDataLoss(status)) return call.Fail(status);
  TornTail torn;
  if (status.ok()) status = Walk(*disk, *files, totals);
  // A deleted claim hides its epoch: the history that was read ends before it.
  if (status.ok()) status = log::ReadNewestClaim(*disk, files->dir).status();
  if (status.ok() && !totals.file.empty()) {
    const absl::StatusOr<TornTail> found = FindTornTail(*disk, totals.file, totals.end_offset);
    if (found.ok()) torn = *found;
  }
  if (call.json()) {
    JsonObject object;
    object.Add("ok", status.ok());
    if (!status.ok()) object.Add("error", std::string(status.message()));
    if (torn.bytes > 0) {
      object.Add("torn_file", torn.file)
          .Add("torn_offset", torn.offset)
          .Add("torn_bytes", torn.bytes);
    }
    call.out << object.Add("records", totals.records)
                    .Add("inputs", totals.inputs)
                    .Add("bytes", totals.bytes)
                    .Add("last_index", totals.last_index)
                    .Add("chain", Hex(totals.chain))
                    .Text()
             << "\n";
    return status.ok() ? kExitOk : kExitProblem;
  }
  if (torn.bytes > 0) {
    call.out << fmt::format(
        "torn tail: {} bytes at offset {} of {} are no record: a write that did not finish, or one "
        "that\n"
        "is under way. History ends before them, and the next leader drops them; this is no "
        "damage.\n",
        torn.bytes, torn.offset, torn.file);
  }
  if (!status.ok()) call.out << "damage: " << std::string(status.message()) << "\n";
  call.out << fmt::format("verify: {} records={} inputs={} bytes={} last_index={} chain={}\n",
                          status.ok() ? "ok" : "DAMAGED", totals.records, totals.inputs,
                          totals.bytes, totals.last_index, Hex(totals.chain));
  return status.ok() ? kExitOk : kExitProblem;
}

}  // namespace

const Verb& LogVerifyVerb() {
  static const auto& verb = *new Verb{
      "log verify",
      "",
      "reads all of a log and checks every byte",
      "Walks the whole retained history: checksums of records and payloads, the chain, indexes,\n"
      "batches, times. A torn tail (a last write that did not finish) is normal and is told; "
      "damage\n"
      "is told with file and offset, and the exit code is 1. The last line has the totals.",
      LogFileOptions(),
      RunLogVerify};
  return verb;
}

}  // namespace semper::cli
