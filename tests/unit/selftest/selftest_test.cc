// The self-test between two members: an honest volume passes, and each way to lie is refused with
// a text of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sidecar/selftest/answer.h"
#include "sidecar/selftest/asker.h"
#include "tests/unit/log/memory_disk.h"

namespace semper::selftest {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kDir[] = "/data";

// What one node sees of the volume; honest as it stands.
class Node : public Disk {
 public:
  explicit Node(Disk& volume) : volume_(volume) {}

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    return volume_.Open(path, mode);
  }
  absl::StatusOr<FileIdentity> Identify(const std::string& path) override {
    return volume_.Identify(path);
  }
  absl::StatusOr<std::vector<std::string>> List(const std::string& dir) override {
    return volume_.List(dir);
  }
  absl::Status MakeDir(const std::string& path) override { return volume_.MakeDir(path); }
  absl::Status SyncDir(const std::string& path) override { return volume_.SyncDir(path); }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return volume_.Rename(from, to);
  }
  absl::Status Remove(const std::string& path) override { return volume_.Remove(path); }
  absl::StatusOr<uint64_t> FreeBytes(const std::string& dir) override {
    return volume_.FreeBytes(dir);
  }

 protected:
  Disk& volume_;
};

// Lists a directory once, and answers from memory until it changes the directory itself.
class NodeWithCachedListings : public Node {
 public:
  using Node::Node;
  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    if (mode == OpenMode::kCreateExclusive) listings_.erase(path.substr(0, path.rfind('/')));
    return volume_.Open(path, mode);
  }
  absl::Status Remove(const std::string& path) override {
    listings_.erase(path.substr(0, path.rfind('/')));
    return volume_.Remove(path);
  }
  absl::StatusOr<std::vector<std::string>> List(const std::string& dir) override {
    if (!listings_.contains(dir)) listings_.emplace(dir, volume_.List(dir));
    return listings_.at(dir);
  }

 private:
  std::map<std::string, absl::StatusOr<std::vector<std::string>>> listings_;
};

// Believes a name absent that was absent once.
class NodeWithCachedAbsence : public Node {
 public:
  using Node::Node;
  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    if (mode != OpenMode::kReadFresh) return volume_.Open(path, mode);
    if (absent_.contains(path)) return absl::NotFoundError(path);
    auto file = volume_.Open(path, mode);
    if (absl::IsNotFound(file.status())) absent_.insert(path);
    return file;
  }

 private:
  std::set<std::string> absent_;
};

// Decides about exclusive creation by what this node itself has created.
class NodeWithOwnExclusion : public Node {
 public:
  using Node::Node;
  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    if (mode != OpenMode::kCreateExclusive) return volume_.Open(path, mode);
    if (!created_.insert(path).second) return absl::AlreadyExistsError(path);
    auto file = volume_.Open(path, mode);
    return absl::IsAlreadyExists(file.status()) ? volume_.Open(path, OpenMode::kWrite)
                                                : std::move(file);
  }

 private:
  std::set<std::string> created_;
};

using Bytes = std::vector<std::byte>;

// A file of which everything is read through `alter`.
class AlteredFile : public File {
 public:
  AlteredFile(std::unique_ptr<File> file, std::function<Bytes(const Bytes&)> alter)
      : file_(std::move(file)), alter_(std::move(alter)) {}
  absl::Status WriteAt(uint64_t offset, std::span<iovec> pieces) override {
    return file_->WriteAt(offset, pieces);
  }
  absl::Status Sync() override { return file_->Sync(); }
  absl::StatusOr<uint64_t> Size() override { return file_->Size(); }
  absl::StatusOr<FileIdentity> Identity() override { return file_->Identity(); }
  absl::Status Prewrite(uint64_t bytes) override { return file_->Prewrite(bytes); }
  absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> out) override {
    Bytes bytes(1 << 20);
    auto got = file_->ReadAt(0, bytes);
    if (!got.ok()) return got;
    bytes.resize(*got);
    bytes = alter_(bytes);
    if (offset >= bytes.size()) return 0;
    const size_t count = std::min(out.size(), bytes.size() - offset);
    std::memcpy(out.data(), bytes.data() + offset, count);
    return count;
  }

 private:
  const std::unique_ptr<File> file_;
  const std::function<Bytes(const Bytes&)> alter_;
};

// Reads through `alter`, which is told the path and what is really there.
class NodeWithAlteredReads : public Node {
 public:
  using Alter = std::function<Bytes(const std::string& path, const Bytes&)>;
  NodeWithAlteredReads(Disk& volume, Alter alter) : Node(volume), alter_(std::move(alter)) {}
  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    auto file = volume_.Open(path, mode);
    if (!file.ok() || mode != OpenMode::kReadFresh) return file;
    return std::make_unique<AlteredFile>(
        *std::move(file), [this, path](const Bytes& bytes) { return alter_(path, bytes); });
  }

 private:
  const Alter alter_;
};

// Keeps the first contents of what it came to by its name; reads afresh what a listing has shown.
// So does GlusterFS as it comes.
class NodeWithReadsThatListingsRenew : public NodeWithAlteredReads {
 public:
  explicit NodeWithReadsThatListingsRenew(Disk& volume)
      : NodeWithAlteredReads(volume, [this](const std::string& path, const Bytes& bytes) {
          return listed_.contains(path) ? bytes : first_.try_emplace(path, bytes).first->second;
        }) {}
  absl::StatusOr<std::vector<std::string>> List(const std::string& dir) override {
    auto names = volume_.List(dir);
    if (names.ok()) {
      for (const std::string& name : *names) listed_.insert(absl::StrCat(dir, "/", name));
    }
    return names;
  }

 private:
  std::set<std::string> listed_;
  std::map<std::string, Bytes> first_;
};

class SelfTest : public testing::Test {
 protected:
  // Both ends, until the end.
  absl::StatusOr<v1::MemberTest> Run(Disk& asking, Disk& answering, uint64_t run = 7) {
    Asker asker(asking, kDir, run, "orders-0", "orders-1");
    auto message = asker.Begin();
    while (message.ok() && message->step() != v1::MemberTest::VERDICT) {
      asked_.push_back(*message);
      message = asker.OnAnswer(Answer(answering, kDir, *message));
    }
    return message;
  }
  // The error of the verdict; "no verdict: …" if there was none.
  std::string Verdict(Disk& asking, Disk& answering) {
    const auto verdict = Run(asking, answering);
    return verdict.ok() ? verdict->error() : "no verdict: " + verdict.status().ToString();
  }

  log::MemoryDisk volume_;
  Node honest_{volume_};
  std::vector<v1::MemberTest> asked_;
};

TEST_F(SelfTest, PassesAnHonestVolume) { EXPECT_EQ(Verdict(honest_, volume_), ""); }

TEST_F(SelfTest, AsksTenRoundsOfEveryStep) {
  ASSERT_EQ(Verdict(honest_, volume_), "");
  for (const auto step :
       {v1::MemberTest::APPEND, v1::MemberTest::OVERWRITE, v1::MemberTest::COLLIDE}) {
    EXPECT_EQ(std::count_if(asked_.begin(), asked_.end(),
                            [&](const v1::MemberTest& ask) { return ask.step() == step; }),
              10);
  }
}

TEST_F(SelfTest, LeavesNoFiles) {
  ASSERT_EQ(Verdict(honest_, volume_), "");
  EXPECT_THAT(volume_.Files(), IsEmpty());
}

TEST_F(SelfTest, HasItsFellowSyncFileAndDirectory) {
  Asker asker(honest_, kDir, 7, "orders-0", "orders-1");
  const auto ask = asker.Begin();
  ASSERT_TRUE(ask.ok());
  const auto answer = Answer(volume_, kDir, *ask);
  volume_.Crash();
  EXPECT_EQ(asker.OnAnswer(answer)->step(), v1::MemberTest::CREATE);
}

TEST_F(SelfTest, RefusesCachedListings) {
  NodeWithCachedListings liar(volume_);
  EXPECT_THAT(Verdict(liar, honest_), HasSubstr("listings come from a cache"));
}

TEST_F(SelfTest, RefusesCachedListingsAlsoWhileTheFellowAsksToo) {
  // What each does as the answerer must not renew what it sees as the asker.
  NodeWithCachedListings one(volume_);
  NodeWithCachedListings two(volume_);
  Asker first(one, kDir, 1, "orders-0", "orders-1");
  Asker second(two, kDir, 2, "orders-1", "orders-0");
  const auto ask_of_first = first.Begin();
  const auto ask_of_second = second.Begin();
  const auto answer_to_first = Answer(two, kDir, *ask_of_first);
  const auto answer_to_second = Answer(one, kDir, *ask_of_second);
  EXPECT_THAT(first.OnAnswer(answer_to_first)->error(), HasSubstr("listings come from a cache"));
  EXPECT_THAT(second.OnAnswer(answer_to_second)->error(), HasSubstr("listings come from a cache"));
}

TEST_F(SelfTest, RefusesCachedAbsence) {
  NodeWithCachedAbsence liar(volume_);
  EXPECT_THAT(Verdict(liar, honest_), HasSubstr("remembers that the name was absent"));
}

TEST_F(SelfTest, RefusesAnExclusiveCreateThatIsLocalToTheAskingNode) {
  NodeWithOwnExclusion liar(volume_);
  EXPECT_THAT(Verdict(liar, honest_), HasSubstr("record was created exclusively by two members"));
}

TEST_F(SelfTest, RefusesAnExclusiveCreateThatIsLocalToTheAnsweringNode) {
  NodeWithOwnExclusion liar(volume_);
  EXPECT_THAT(Verdict(honest_, liar), HasSubstr("mine was created exclusively by two members"));
}

TEST_F(SelfTest, RefusesANewFileThatReadsEmpty) {
  NodeWithAlteredReads liar(volume_, [](const std::string&, const Bytes&) { return Bytes{}; });
  EXPECT_THAT(Verdict(liar, honest_), HasSubstr("does not show its bytes"));
}

TEST_F(SelfTest, RefusesReadsThatKeepTheFirstContents) {
  std::map<std::string, Bytes> first;
  NodeWithAlteredReads liar(volume_, [&](const std::string& path, const Bytes& bytes) {
    return first.try_emplace(path, bytes).first->second;
  });
  EXPECT_THAT(Verdict(liar, honest_), HasSubstr("does not show what was appended"));
}

TEST_F(SelfTest, RefusesReadsThatOnlyAListingRenews) {
  NodeWithReadsThatListingsRenew liar(volume_);
  EXPECT_THAT(Verdict(liar, honest_), HasSubstr("does not show what was appended"));
}

TEST_F(SelfTest, RefusesReadsThatKeepTheBlocksTheyKnow) {
  std::map<std::string, Bytes> known;
  NodeWithAlteredReads liar(volume_, [&](const std::string& path, const Bytes& bytes) {
    Bytes& cache = known[path];
    for (size_t i = cache.size(); i < bytes.size(); ++i) cache.push_back(bytes[i]);
    return cache;
  });
  EXPECT_THAT(Verdict(liar, honest_), HasSubstr("shows older bytes"));
}

TEST_F(SelfTest, RefusesALieThatHappensInTheLastRoundOnly) {
  uint64_t looks = 0;
  NodeWithAlteredReads liar(volume_, [&](const std::string&, const Bytes& bytes) {
    return ++looks == 40 ? Bytes{} : bytes;
  });
  EXPECT_THAT(Verdict(liar, honest_), HasSubstr("round 10"));
}

TEST_F(SelfTest, GivesNoVerdictWhenTheFellowCannotWrite) {
  volume_.before = [](const std::string& operation, const std::string&) {
    return operation == "write" ? absl::UnavailableError("the disk is gone") : absl::OkStatus();
  };
  const auto result = Run(honest_, volume_);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("the disk is gone"));
}

TEST_F(SelfTest, GivesNoVerdictWhenALookFails) {
  Asker asker(honest_, kDir, 7, "orders-0", "orders-1");
  const auto ask = asker.Begin();
  const auto answer = Answer(volume_, kDir, *ask);
  volume_.before = [](const std::string& operation, const std::string&) {
    return operation == "read" ? absl::UnavailableError("no answer") : absl::OkStatus();
  };
  EXPECT_EQ(asker.OnAnswer(answer).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(SelfTest, RefusesAnAnswerOfAnotherRound) {
  Asker asker(honest_, kDir, 7, "orders-0", "orders-1");
  auto answer = Answer(volume_, kDir, *asker.Begin());
  answer.set_round(2);
  EXPECT_EQ(asker.OnAnswer(answer).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SelfTest, RemovesWhatADeadRunOfTheSameTwoLeft) {
  Asker dead(honest_, kDir, 6, "orders-0", "orders-1");
  Answer(volume_, kDir, *dead.Begin());
  ASSERT_EQ(volume_.Files().size(), 1);
  ASSERT_EQ(Verdict(honest_, volume_), "");
  EXPECT_THAT(volume_.Files(), IsEmpty());
}

TEST_F(SelfTest, LeavesTheFilesOfOtherMembersAlone) {
  Asker other(honest_, kDir, 6, "orders-2", "orders-1");
  const auto ask = other.Begin();
  const auto answer = Answer(volume_, kDir, *ask);
  ASSERT_EQ(Verdict(honest_, volume_), "");
  EXPECT_EQ(other.OnAnswer(answer)->step(), v1::MemberTest::CREATE);
}

TEST_F(SelfTest, AnswersNobodyWhoNamesAFileElsewhere) {
  v1::MemberTest ask;
  ask.set_step(v1::MemberTest::CREATE);
  for (const char* name : {"", "../genesis", "/data/genesis", "a/b", "A"}) {
    ask.set_file(name);
    const auto answer = Answer(volume_, kDir, ask);
    EXPECT_EQ(answer.step(), v1::MemberTest::DONE) << name;
    EXPECT_THAT(answer.error(), HasSubstr("none of a self-test")) << name;
  }
  EXPECT_THAT(volume_.Files(), IsEmpty());
}

}  // namespace
}  // namespace semper::selftest
