// semper-sidecar as a process: what it says, does and returns.
#include "sidecar/daemon.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "cli/invocation.h"
#include "tests/support/sanitizer_reports.h"

namespace semper {
namespace {

using testing::HasSubstr;

class Sidecar : public testing::Test {
 protected:
  Sidecar() {
    std::string pattern = testing::TempDir() + "semper-daemon-XXXXXX";
    dir_ = mkdtemp(pattern.data());
    std::filesystem::create_directory(dir_ + "/log");
    SendSanitizerReportsTo(dir_);
  }
  ~Sidecar() override {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    ExpectNoSanitizerReports(dir_);
    std::filesystem::remove_all(dir_);
  }

  // Starts `semper-sidecar ARGUMENTS...`; output goes to a file.
  void StartRaw(const std::vector<std::string>& arguments) {
    std::vector<const char*> argv = {SEMPER_SIDECAR};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    argv.push_back(nullptr);
    const int output =
        open((dir_ + "/output").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(output, 1);
      dup2(output, 2);
      execv(argv[0], const_cast<char* const*>(argv.data()));
      _exit(99);
    }
    close(output);
  }

  // The same with an immortal in the test's directory and no fixed addresses.
  void Start(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--name=shop/orders", "--log-dir=" + dir_ + "/log",
                                         "--admin-http=127.0.0.1:0", "--peer-listen=127.0.0.1:0",
                                         "--service-socket=" + dir_ + "/service.sock",
                                         "--admin-socket=" + dir_ + "/admin.sock"});
    StartRaw(arguments);
  }

  // Waits for the end and returns the exit code, -1 for a signal or none at all.
  int Wait() {
    const int descriptor = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
    pollfd wait{descriptor, POLLIN, 0};
    const bool ended = poll(&wait, 1, 50'000) == 1;
    close(descriptor);
    if (!ended) return -1;
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string Output() {
    std::ifstream file(dir_ + "/output");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // Asks for what `answer` gives until it contains `text`.
  template <typename Answer>
  testing::AssertionResult Eventually(Answer answer, const std::string& text) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(50);
    std::string last;
    while (std::chrono::steady_clock::now() < deadline) {
      last = answer();
      if (last.find(text) != std::string::npos) return testing::AssertionSuccess();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return testing::AssertionFailure()
           << "'" << text << "' does not come; last: " << last << Output();
  }

  std::string Status() {
    std::ostringstream out, err;
    cli::RunSemperctl({"status", "--admin-socket", dir_ + "/admin.sock"}, out, err,
                      [](const char*) -> const char* { return nullptr; });
    return out.str() + err.str();
  }

  std::string dir_;
  pid_t pid_ = -1;
};

TEST_F(Sidecar, CreateMakesAnIdentityOnce) {
  const std::vector<std::string> arguments = {"create", "--name=shop/orders",
                                              "--log-dir=" + dir_ + "/log"};
  StartRaw(arguments);
  EXPECT_EQ(Wait(), kExitOk);
  EXPECT_EQ(Output().size(), 33u) << Output();
  StartRaw(arguments);
  EXPECT_EQ(Wait(), kExitRefused);
}

TEST_F(Sidecar, CreateDoesNotMakeTheLogDirectoryItself) {
  StartRaw({"create", "--name=shop/orders", "--log-dir=" + dir_ + "/unmounted"});
  EXPECT_EQ(Wait(), kExitRefused);
  EXPECT_THAT(Output(), HasSubstr("is the volume mounted?"));
}

TEST_F(Sidecar, SigtermDrains) {
  Start({"--genesis=create"});
  ASSERT_TRUE(Eventually([this] { return Status(); }, "waiting-for-service"));
  kill(pid_, SIGTERM);
  EXPECT_EQ(Wait(), kExitOk) << Output();
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/admin.sock"));
}

TEST_F(Sidecar, AVolumeWithoutGenesisIsRefusedAndTheStatusSaysSo) {
  Start({});
  ASSERT_TRUE(Eventually([this] { return Status(); }, "refused: "));
  EXPECT_THAT(Status(), HasSubstr("genesis"));
  kill(pid_, SIGTERM);
  EXPECT_EQ(Wait(), kExitRefused);
}

TEST_F(Sidecar, ARefusalEndsTheProcessIfThatIsWanted) {
  Start({"--exit-on-refusal"});
  EXPECT_EQ(Wait(), kExitRefused);
  EXPECT_THAT(Output(), HasSubstr("refused to start"));
}

// It would find the same again and again.
TEST_F(Sidecar, AFileInPlaceOfTheLogDirectoryIsRefused) {
  std::ofstream(dir_ + "/a file") << "not a directory";
  StartRaw({"--name=shop/orders", "--log-dir=" + dir_ + "/a file", "--genesis=create",
            "--service-socket=" + dir_ + "/service.sock",
            "--admin-http=", "--admin-socket=", "--exit-on-refusal"});
  EXPECT_EQ(Wait(), kExitRefused);
  EXPECT_THAT(Output(), HasSubstr("Not a directory"));
}

TEST_F(Sidecar, AFileInPlaceOfTheServiceSocketIsRefused) {
  std::ofstream(dir_ + "/service.sock") << "not a socket";
  StartRaw({"--name=shop/orders", "--log-dir=" + dir_, "--genesis=create",
            "--service-socket=" + dir_ + "/service.sock",
            "--admin-http=", "--admin-socket=", "--exit-on-refusal"});
  EXPECT_EQ(Wait(), kExitRefused);
  EXPECT_THAT(Output(), HasSubstr("a file that is no socket has this name; remove it"));
}

TEST_F(Sidecar, AMistakeInTheConfigurationIsOneSentence) {
  StartRaw({"--name=shop/orders"});
  EXPECT_EQ(Wait(), kExitConfiguration);
  EXPECT_EQ(Output(), "semper-sidecar: log-dir (default): is missing; say --log-dir DIRECTORY\n");
}

TEST_F(Sidecar, AServiceThatCannotBeStartedIsAMistake) {
  Start({"--genesis=create", "--", "/nowhere/service"});
  EXPECT_EQ(Wait(), kExitConfiguration);
  EXPECT_THAT(Output(), HasSubstr("/nowhere/service"));
}

TEST_F(Sidecar, StartsTheServiceAgainAndTellsItTheLink) {
  Start({"--genesis=create", "--", "sh", "-c", "echo \"link $SEMPER_LINK\" >> " + dir_ + "/lives"});
  const auto lives = [this] {
    std::ifstream file(dir_ + "/lives");
    return std::string{std::istreambuf_iterator<char>(file), {}};
  };
  const std::string line = "link unix:" + dir_ + "/service.sock\n";
  ASSERT_TRUE(Eventually(lives, line + line + line));
  kill(pid_, SIGTERM);
  EXPECT_EQ(Wait(), kExitOk) << Output();
}

TEST_F(Sidecar, TheServiceEndsWithIt) {
  Start({"--genesis=create", "--", "sh", "-c", "echo $$ > " + dir_ + "/pid; exec sleep 1000"});
  std::string text;
  ASSERT_TRUE(Eventually(
      [&] {
        std::ifstream file(dir_ + "/pid");
        return text = {std::istreambuf_iterator<char>(file), {}};
      },
      "\n"));
  const int service = static_cast<int>(syscall(SYS_pidfd_open, std::stoi(text), 0));
  ASSERT_GE(service, 0);
  kill(pid_, SIGKILL);
  EXPECT_EQ(Wait(), -1);
  pollfd ended{service, POLLIN, 0};
  EXPECT_EQ(poll(&ended, 1, 50'000), 1);
  close(service);
}

TEST_F(Sidecar, SighupReadsLiveKeysAgain) {
  const std::string file = dir_ + "/config.yaml";
  std::ofstream(file) << "log-format: text\n";
  Start({"--genesis=create", "--config=" + file});
  ASSERT_TRUE(Eventually([this] { return Status(); }, "waiting-for-service"));
  std::ofstream(file) << "log-format: json\n";
  kill(pid_, SIGHUP);
  EXPECT_TRUE(Eventually([this] { return Output(); }, "changed: log-format"));
  std::ofstream(file) << "segment-bytes: 1MiB\n";
  kill(pid_, SIGHUP);
  EXPECT_TRUE(Eventually([this] { return Output(); }, "segment-bytes"));
}

}  // namespace
}  // namespace semper
