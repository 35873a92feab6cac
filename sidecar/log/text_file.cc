#include "sidecar/log/text_file.h"

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "sidecar/log/segment_reader.h"

namespace semper::log {
namespace {

constexpr size_t kBytesMax = 8192;

}  // namespace

absl::StatusOr<std::string> ReadTextFile(Disk& disk, const std::string& path) {
  auto file = disk.Open(path, OpenMode::kReadFresh);
  if (!file.ok()) return file.status();
  ReadWindow window(**file);
  auto bytes = window.Get(0, kBytesMax);
  if (!bytes.ok()) return bytes.status();
  if (bytes->size() == kBytesMax) {
    return absl::DataLossError(
        absl::StrCat(path, " is longer than ", kBytesMax,
                     " bytes, which no version writes; restore it from a backup"));
  }
  return std::string(AsText(*bytes));
}

absl::Status WriteTextFile(File& file, std::string_view text) {
  iovec piece{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
  if (absl::Status s = file.WriteAt(0, {&piece, 1}); !s.ok()) return s;
  return file.Sync();
}

}  // namespace semper::log
