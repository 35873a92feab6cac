#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "base/bytes.h"
#include "base/disk.h"
#include "base/errno_status.h"

namespace semper {
namespace {

using absl::StatusCode;

// A directory of its own below `root`, removed afterwards.
class PosixDiskTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::string pattern = std::string(GetParam()) + "/semper-disk-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) GTEST_SKIP() << GetParam() << " cannot be used";
    dir_ = pattern;
  }
  void TearDown() override {
    if (!dir_.empty()) std::filesystem::remove_all(dir_);
  }

  std::string Path(const std::string& name) const { return dir_ + "/" + name; }

  std::unique_ptr<File> MustOpen(const std::string& name, OpenMode mode) {
    auto file = disk_->Open(Path(name), mode);
    EXPECT_TRUE(file.ok()) << file.status();
    return file.ok() ? *std::move(file) : nullptr;
  }

  static void MustWrite(File& file, uint64_t offset, std::string text) {
    iovec piece{.iov_base = text.data(), .iov_len = text.size()};
    const absl::Status status = file.WriteAt(offset, {&piece, 1});
    ASSERT_TRUE(status.ok()) << status;
  }

  static std::string MustRead(File& file, uint64_t offset, size_t bytes) {
    std::string text(bytes, '?');
    const auto got = file.ReadAt(offset, std::as_writable_bytes(std::span(text)));
    EXPECT_TRUE(got.ok()) << got.status();
    text.resize(got.value_or(0));
    return text;
  }

  std::unique_ptr<Disk> disk_ = MakePosixDisk();
  std::string dir_;
};

// /dev/shm is a tmpfs, which refuses O_DIRECT on many kernels.
INSTANTIATE_TEST_SUITE_P(On, PosixDiskTest, testing::Values("/tmp", "/dev/shm", "/var/tmp"),
                         [](const auto& place) {
                           std::string name;
                           for (const char c : std::string_view(place.param)) {
                             if (c != '/') name += c;
                           }
                           return name;
                         });

TEST_P(PosixDiskTest, AFileIsTheSameByAnyName) {
  const auto file = MustOpen("a", OpenMode::kCreateExclusive);
  const auto identity = file->Identity();
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(*disk_->Identify(Path("a")), *identity);
  ASSERT_TRUE(disk_->Rename(Path("a"), Path("b")).ok());
  EXPECT_EQ(*disk_->Identify(Path("b")), *identity);
  EXPECT_EQ(disk_->Identify(Path("a")).status().code(), StatusCode::kNotFound);
  ASSERT_TRUE(disk_->Remove(Path("b")).ok());
  MustOpen("b", OpenMode::kCreateExclusive);
  EXPECT_NE(*disk_->Identify(Path("b")), *identity);
}

TEST_P(PosixDiskTest, WritesManyPiecesOneAfterTheOther) {
  const auto file = MustOpen("f", OpenMode::kCreateExclusive);
  std::string all;
  std::vector<std::string> texts(3000);
  std::vector<iovec> pieces;
  for (size_t i = 0; i < texts.size(); ++i) {
    texts[i] = std::string(i % 7, static_cast<char>('a' + i % 26));
    all += texts[i];
    pieces.push_back({.iov_base = texts[i].data(), .iov_len = texts[i].size()});
  }
  ASSERT_TRUE(file->WriteAt(10, pieces).ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(MustRead(*file, 10, all.size() + 5), all);
  EXPECT_EQ(file->Size().value(), 10 + all.size());
}

TEST_P(PosixDiskTest, ReadsFreshWhatWasWrittenAtEveryOffset) {
  std::string all(70'000, ' ');
  std::mt19937 random(1);
  std::generate(all.begin(), all.end(), [&] { return static_cast<char>(random()); });
  MustWrite(*MustOpen("f", OpenMode::kCreateExclusive), 0, all);
  const auto fresh = MustOpen("f", OpenMode::kReadFresh);
  for (const size_t offset :
       {0ul, 1ul, 4095ul, 4096ul, 4097ul, 65536ul, 69'999ul, 70'000ul, 99'999ul}) {
    for (const size_t length : {1ul, 95ul, 4096ul, 8192ul, 10'000ul, 100'000ul}) {
      const std::string wanted = offset < all.size() ? all.substr(offset, length) : "";
      ASSERT_EQ(MustRead(*fresh, offset, length), wanted) << offset << "+" << length;
    }
  }
}

TEST_P(PosixDiskTest, ReadsFreshIntoAlignedMemoryBeyondOneBounceBuffer) {
  const std::string all(3'500'000, 'x');
  MustWrite(*MustOpen("f", OpenMode::kCreateExclusive), 0, all);
  const auto fresh = MustOpen("f", OpenMode::kReadFresh);
  const std::unique_ptr<void, decltype(&std::free)> memory(std::aligned_alloc(4096, 4 << 20),
                                                           &std::free);
  const std::span out(static_cast<std::byte*>(memory.get()), size_t{4} << 20);
  ASSERT_EQ(fresh->ReadAt(0, out).value(), all.size());
  EXPECT_EQ(AsText(out.first(all.size())), all);
  EXPECT_EQ(MustRead(*fresh, 1, 3'400'000), all.substr(0, 3'400'000));
}

TEST_P(PosixDiskTest, PrewritesZeroes) {
  const auto file = MustOpen("f", OpenMode::kCreateExclusive);
  const uint64_t bytes = (uint64_t{2} << 20) + 4096;
  ASSERT_TRUE(file->Prewrite(bytes).ok());
  EXPECT_EQ(file->Size().value(), bytes);
  EXPECT_EQ(MustRead(*file, bytes - 10, 20), std::string(10, '\0'));
  struct stat status {};
  ASSERT_EQ(stat(Path("f").c_str(), &status), 0);
  EXPECT_GE(static_cast<uint64_t>(status.st_blocks) * 512, bytes) << "the file has holes";
}

TEST_P(PosixDiskTest, CreatesForTheOwnerOnly) {
  MustOpen("f", OpenMode::kCreateExclusive);
  ASSERT_TRUE(disk_->MakeDir(Path("d")).ok());
  struct stat status {};
  ASSERT_EQ(stat(Path("f").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  ASSERT_EQ(stat(Path("d").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST_P(PosixDiskTest, RefusesToCreateANameTwice) {
  MustOpen("f", OpenMode::kCreateExclusive);
  const auto second = disk_->Open(Path("f"), OpenMode::kCreateExclusive);
  EXPECT_EQ(second.status().code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(second.status().message(), "create " + Path("f") + ": File exists (EEXIST)");
}

TEST_P(PosixDiskTest, SaysNotFoundForAMissingFile) {
  EXPECT_EQ(disk_->Open(Path("f"), OpenMode::kRead).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(disk_->Open(Path("f"), OpenMode::kReadFresh).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(disk_->Remove(Path("f")).code(), StatusCode::kNotFound);
}

TEST_P(PosixDiskTest, ListsEveryName) {
  std::vector<std::string> wanted;
  for (int i = 0; i < 300; ++i) {
    wanted.push_back(std::to_string(i));
    MustOpen(wanted.back(), OpenMode::kCreateExclusive);
  }
  auto names = disk_->List(dir_);
  ASSERT_TRUE(names.ok()) << names.status();
  std::sort(names->begin(), names->end());
  std::sort(wanted.begin(), wanted.end());
  EXPECT_EQ(*names, wanted);
}

TEST_P(PosixDiskTest, ListsNoMissingDirectory) {
  EXPECT_EQ(disk_->List(Path("none")).status().code(), StatusCode::kNotFound);
}

TEST_P(PosixDiskTest, ListsNoFile) {
  MustOpen("f", OpenMode::kCreateExclusive);
  EXPECT_FALSE(disk_->List(Path("f")).ok());
}

TEST_P(PosixDiskTest, RefusesAnExistingDirectory) {
  ASSERT_TRUE(disk_->MakeDir(Path("d")).ok());
  EXPECT_EQ(disk_->MakeDir(Path("d")).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(disk_->MakeDir(Path("none/d")).code(), StatusCode::kNotFound);
}

TEST_P(PosixDiskTest, RenamesAFile) {
  MustWrite(*MustOpen("a", OpenMode::kCreateExclusive), 0, "text");
  ASSERT_TRUE(disk_->Rename(Path("a"), Path("b")).ok());
  EXPECT_EQ(disk_->List(dir_).value(), std::vector<std::string>{"b"});
  EXPECT_EQ(MustRead(*MustOpen("b", OpenMode::kRead), 0, 10), "text");
}

TEST_P(PosixDiskTest, RenamesOverNothing) {
  MustWrite(*MustOpen("a", OpenMode::kCreateExclusive), 0, "new");
  MustWrite(*MustOpen("b", OpenMode::kCreateExclusive), 0, "old");
  EXPECT_EQ(disk_->Rename(Path("a"), Path("b")).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(MustRead(*MustOpen("b", OpenMode::kRead), 0, 10), "old");
  EXPECT_EQ(disk_->Rename(Path("none"), Path("c")).code(), StatusCode::kNotFound);
}

TEST_P(PosixDiskTest, SyncsDirectories) {
  EXPECT_TRUE(disk_->SyncDir(dir_).ok());
  EXPECT_EQ(disk_->SyncDir(Path("none")).code(), StatusCode::kNotFound);
}

TEST_P(PosixDiskTest, KnowsTheFreeBytes) {
  EXPECT_GT(disk_->FreeBytes(dir_).value(), 0u);
  EXPECT_EQ(disk_->FreeBytes(Path("none")).status().code(), StatusCode::kNotFound);
}

TEST_P(PosixDiskTest, LeaksNoDescriptors) {
  const auto count = [] {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  };
  const auto before = count();
  MustOpen("f", OpenMode::kCreateExclusive);
  MustOpen("f", OpenMode::kReadFresh);
  EXPECT_TRUE(disk_->List(dir_).ok());
  EXPECT_TRUE(disk_->SyncDir(dir_).ok());
  EXPECT_EQ(count(), before);
}

TEST_P(PosixDiskTest, NamesBelowARootAreThoseOfTheirPaths) {
  const auto rooted = MakePosixDisk(Path("root"));
  EXPECT_EQ(rooted->List(Path("root/claims")).status().code(), StatusCode::kNotFound);
  ASSERT_TRUE(rooted->MakeDir(Path("root")).ok());
  ASSERT_TRUE(rooted->MakeDir(Path("root/claims")).ok());
  ASSERT_TRUE(rooted->Open(Path("root/claims/1"), OpenMode::kCreateExclusive).ok());
  ASSERT_TRUE(rooted->Open(Path("rooted"), OpenMode::kCreateExclusive).ok());
  ASSERT_TRUE(rooted->Rename(Path("root/claims/1"), Path("root/claims/2")).ok());
  ASSERT_TRUE(rooted->SyncDir(Path("root/claims")).ok());
  EXPECT_TRUE(disk_->Open(Path("root/claims/2"), OpenMode::kRead).ok());
  EXPECT_TRUE(disk_->Open(Path("rooted"), OpenMode::kRead).ok());
  ASSERT_TRUE(rooted->Remove(Path("root/claims/2")).ok());
  EXPECT_EQ(rooted->List(Path("root/claims")).value(), std::vector<std::string>());
}

TEST_P(PosixDiskTest, SaysThePathBelowARoot) {
  ASSERT_TRUE(disk_->MakeDir(Path("root")).ok());
  const auto rooted = MakePosixDisk(Path("root"));
  EXPECT_THAT(rooted->Remove(Path("root/missing")).message(),
              testing::HasSubstr(Path("root/missing")));
}

TEST_P(PosixDiskTest, NoticesAnotherDirectoryInThePlaceOfTheRoot) {
  ASSERT_TRUE(disk_->MakeDir(Path("root")).ok());
  const auto rooted = MakePosixDisk(Path("root"));
  ASSERT_TRUE(rooted->Open(Path("root/a"), OpenMode::kCreateExclusive).ok());
  ASSERT_TRUE(disk_->Rename(Path("root"), Path("away")).ok());
  ASSERT_TRUE(disk_->MakeDir(Path("root")).ok());
  ASSERT_TRUE(disk_->Open(Path("root/b"), OpenMode::kCreateExclusive).ok());
  while (!rooted->Open(Path("root/b"), OpenMode::kRead).ok()) usleep(10'000);
  EXPECT_EQ(rooted->Open(Path("root/a"), OpenMode::kRead).status().code(), StatusCode::kNotFound);
}

TEST(PosixDisk, ReadsFreshWhereDirectReadsAreRefused) {
  // procfs has no O_DIRECT.
  const auto disk = MakePosixDisk();
  const auto fresh = disk->Open("/proc/version", OpenMode::kReadFresh);
  ASSERT_TRUE(fresh.ok()) << fresh.status();
  std::string text(5, '?');
  ASSERT_TRUE((*fresh)->ReadAt(0, std::as_writable_bytes(std::span(text))).ok());
  EXPECT_EQ(text, "Linux");
}

TEST(PosixDisk, SaysThatTheDiskIsFull) {
  const auto disk = MakePosixDisk();
  // Opening /dev/full exclusively is not possible; its error is the one of a full disk all the
  // same.
  const int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(write(fd, "x", 1), -1);
  const absl::Status status = ErrnoStatus(errno, "write to ", "/dev/full");
  close(fd);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "write to /dev/full: No space left on device (ENOSPC)");
}

TEST(ErrnoStatus, HasTheCodesThatCallersBranchOn) {
  EXPECT_EQ(CodeOfErrno(ENOENT), StatusCode::kNotFound);
  EXPECT_EQ(CodeOfErrno(EEXIST), StatusCode::kAlreadyExists);
  EXPECT_EQ(CodeOfErrno(ENOSPC), StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOfErrno(EDQUOT), StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOfErrno(EACCES), StatusCode::kPermissionDenied);
  EXPECT_EQ(CodeOfErrno(EPERM), StatusCode::kPermissionDenied);
  EXPECT_EQ(CodeOfErrno(EROFS), StatusCode::kPermissionDenied);
  EXPECT_EQ(CodeOfErrno(EINVAL), StatusCode::kInternal);
  EXPECT_EQ(CodeOfErrno(EIO), StatusCode::kUnavailable);
  EXPECT_EQ(CodeOfErrno(ESTALE), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace semper
