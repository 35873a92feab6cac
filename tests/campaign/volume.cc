#include "tests/campaign/volume.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

namespace campaign {

namespace {

using shop::demo::Process;
using shop::demo::RunProgram;

constexpr std::chrono::seconds kStartLimit{240};
constexpr size_t kImageMebibytes = 1024;
constexpr size_t kReplicas = 3;
constexpr const char* kStorage = "storage";  // the net between nodes and replicas

// Waits until the file is there and has a line; empty after the limit, or when `by` has ended.
std::string AwaitLine(const std::string& path, Process& by, std::chrono::seconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (std::chrono::steady_clock::now() < end && !by.Reap()) {
    std::string line;
    std::ifstream in(path);
    if (std::getline(in, line) && !in.eof()) return line;
    shop::demo::SleepFor(std::chrono::milliseconds(10));
  }
  return "";
}

class LocalVolume final : public Volume {
 public:
  explicit LocalVolume(std::string dir) : dir_(std::move(dir)) {}

  absl::Status Start(size_t immortals, size_t) override {
    std::string mounts;
    std::error_code error;
    for (size_t i = 0; i < immortals; ++i) {
      std::filesystem::create_directories(MountOf(i), error);
      mounts += fmt::format(
          "truncate -s {0}M {1}.image && mkfs.ext4 -q -F -m 0 {1}.image && mount -o loop {1}.image "
          "{1} && ",
          kImageMebibytes, MountOf(i));
    }
    home_ = std::make_unique<Process>(
        std::vector<std::string>{
            "unshare", "--mount", "--propagation", "private", "sh", "-c",
            mounts + "echo mounted >" + dir_ + "/ready && exec sleep infinity"},
        dir_ + "/volume.log");
    if (!home_->Start() || AwaitLine(dir_ + "/ready", *home_, kStartLimit).empty()) {
      return absl::UnavailableError(fmt::format(
          "cannot mount ext4 images (are you root, are there loop devices?); {} says why",
          home_->log()));
    }
    return absl::OkStatus();
  }
  void Stop() override { home_.reset(); }

  pid_t Home(size_t) const override { return home_->pid(); }
  std::string LogDir(size_t immortal, size_t) const override { return MountOf(immortal); }

  bool CanBeFull() const override { return true; }
  void Fill(size_t immortal) override {
    const int fd = open(FillerOf(immortal).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    off_t at = 0;
    for (off_t step = off_t{64} << 20; step >= 4096;) {
      if (fallocate(fd, 0, at, step) == 0) {
        at += step;
      } else {
        step /= 2;
      }
    }
    close(fd);
  }
  void Empty(size_t immortal) override { unlink(FillerOf(immortal).c_str()); }

 private:
  std::string MountOf(size_t immortal) const { return fmt::format("{}/volume-{}", dir_, immortal); }
  std::string FillerOf(size_t immortal) const {
    return fmt::format("/proc/{}/root{}/filler", home_->pid(), MountOf(immortal));
  }

  const std::string dir_;
  std::unique_ptr<Process> home_;
};

class ReplicatedVolume final : public Volume {
 public:
  ReplicatedVolume(std::string dir, std::string script)
      : dir_(std::move(dir)), script_(std::move(script)) {}
  ~ReplicatedVolume() override { Stop(); }

  absl::Status Start(size_t, size_t nodes) override {
    up_ = true;  // also when it comes up by half
    std::string why;
    if (!Run({"up", std::to_string(nodes)}, why))
      return absl::UnavailableError("the replicated volume did not come up: " + why);
    for (size_t i = 0; i < nodes; ++i) {
      const std::string path_file = fmt::format("{}/path-{}", dir_, i + 1);
      if (!RunProgram(Command({"path", std::to_string(i + 1)}), path_file, kStartLimit, why))
        return absl::UnavailableError("the replicated volume does not say where it is: " + why);
      std::getline(std::ifstream(path_file) >> std::ws, nodes_.emplace_back().path);
      const std::string pid_file = fmt::format("{}/home-{}", dir_, i + 1);
      Node& node = nodes_.back();
      node.shell =
          std::make_unique<Process>(Command({"exec", std::to_string(i + 1), "sh", "-c",
                                             "echo $$ >" + pid_file + " && exec sleep infinity"}),
                                    dir_ + "/volume.log");
      if (node.shell->Start())
        node.home = std::atoi(AwaitLine(pid_file, *node.shell, kStartLimit).c_str());
      if (node.home <= 0)
        return absl::UnavailableError(fmt::format("node {} of the volume runs nothing", i + 1));
    }
    return absl::OkStatus();
  }
  void Stop() override {
    if (starter_.joinable()) starter_.join();
    nodes_.clear();
    std::string why;
    if (std::exchange(up_, false) && !Run({"down"}, why))
      std::fprintf(stderr, "campaign: the volume: down: %s\n", why.c_str());
  }

  pid_t Home(size_t node) const override { return nodes_[node].home; }
  std::string LogDir(size_t, size_t node) const override { return nodes_[node].path; }

  size_t replicas() const override { return kReplicas; }
  bool KillReplica(size_t replica) override {
    return !starting_ && RunFor("kill-replica", replica);
  }
  // Takes seconds, sometimes minutes; the other faults go on.
  void StartReplica(size_t replica) override {
    if (starter_.joinable()) starter_.join();
    starting_ = true;
    starter_ = std::jthread([this, replica] {
      RunFor("start-replica", replica);
      starting_ = false;
    });
  }
  bool CutNode(size_t node) override { return RunFor("cut", node, kStorage); }
  void HealNode(size_t node) override { RunFor("heal", node, kStorage); }
  bool FreezeNode(size_t node) override { return RunFor("freeze", node); }
  void ThawNode(size_t node) override { RunFor("thaw", node); }

 private:
  struct Node {
    std::string path;
    pid_t home = 0;
    std::unique_ptr<Process> shell;
  };

  std::vector<std::string> Command(std::vector<std::string> verb) const {
    verb.insert(verb.begin(), {"env", "SEMPER_VOLUME_STATE=" + dir_ + "/volume", script_});
    return verb;
  }
  bool Run(std::vector<std::string> verb, std::string& why) const {
    const std::string out = dir_ + "/volume.out." + verb[0];
    return RunProgram(Command(std::move(verb)), out, kStartLimit, why);
  }
  bool RunFor(const char* verb, size_t number, const char* net = nullptr) const {
    std::vector<std::string> words = {verb, std::to_string(number + 1)};
    if (net != nullptr) words.emplace_back(net);
    std::string why;
    if (Run(std::move(words), why)) return true;
    std::fprintf(stderr, "campaign: the volume: %s %zu: %s\n", verb, number + 1, why.c_str());
    return false;
  }

  const std::string dir_;
  const std::string script_;
  bool up_ = false;
  std::vector<Node> nodes_;
  std::atomic<bool> starting_{false};  // a replica
  std::jthread starter_;
};

}  // namespace

std::unique_ptr<Volume> MakeLocalVolume(const std::string& dir) {
  return std::make_unique<LocalVolume>(dir);
}

std::unique_ptr<Volume> MakeReplicatedVolume(const std::string& dir, const std::string& script) {
  return std::make_unique<ReplicatedVolume>(dir, script);
}

}  // namespace campaign
