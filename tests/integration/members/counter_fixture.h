// Real members of one counter: what is told to the leader on its standard input is added, and what
// it says stands in a file.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <map>

#include "examples/shop/demo/probe.h"
#include "tests/integration/shop/shop_fixture.h"

namespace shop::demo {

class CounterTest : public WorkDirTest {
 protected:
  struct Member {
    std::string file;                 // what it has begins with this
    std::vector<std::string> before;  // of its command
    int peer = 0;
    int http = 0;
    int numbers = -1;
    std::unique_ptr<Process> process;
  };

  CounterTest() {
    std::filesystem::create_directory(File("logs"));
    for (const char* key : {"a", "b"}) {
      Member& member = members_[key];
      member.file = File(key);
      member.peer = FindFreePort(Random() + ++ports_);
      member.http = FindFreePort(Random() + ++ports_);
      mkfifo((member.file + ".numbers").c_str(), 0600);
      member.numbers = open((member.file + ".numbers").c_str(), O_RDWR | O_CLOEXEC);
    }
  }
  ~CounterTest() override {
    for (auto& [key, member] : members_) close(member.numbers);
  }

  void Start(const std::string& key, const std::vector<std::string>& more = {}) {
    Member& member = members_[key];
    std::vector<std::string> command = member.before;
    command.insert(
        command.end(),
        {BinDirectory() + "/semper-sidecar", "--name=demo/counter", "--log-dir=" + File("logs"),
         "--genesis=create", "--member=" + key, "--members=" + Addresses(),
         "--peer-listen=127.0.0.1:" + std::to_string(member.peer),
         "--admin-http=127.0.0.1:" + std::to_string(member.http),
         "--admin-socket=" + member.file + ".admin", "--service-socket=" + member.file + ".link"});
    for (const std::string& flag : more) {
      std::erase_if(command, [&](const std::string& one) {
        return one.starts_with(flag.substr(0, flag.find('=') + 1));
      });
      command.push_back(flag);
    }
    command.insert(command.end(), {"--", "/bin/sh", "-c",
                                   "exec '" + BinDirectory() + "/semper-counter' <'" + member.file +
                                       ".numbers' >>'" + member.file + ".totals'"});
    member.process = std::make_unique<Process>(std::move(command), member.file + ".log");
    ASSERT_TRUE(member.process->Start());
  }
  // The counter, which its parent starts anew. 0: it is not there.
  pid_t ServiceOf(const std::string& key) const {
    const std::string parent = std::to_string(members_.at(key).process->Child());
    pid_t service = 0;
    std::ifstream("/proc/" + parent + "/task/" + parent + "/children") >> service;
    return service;
  }
  // Until its service is gone, too, which would else take a number that is meant for the next one.
  void Kill(const std::string& key) {
    const pid_t service = ServiceOf(key);
    members_[key].process->Kill();
    EXPECT_TRUE(WaitFor([&] { return service == 0 || !IsAlive(service); })) << key;
  }
  std::string Addresses() const {
    return "127.0.0.1:" + std::to_string(members_.at("a").peer) +
           ",127.0.0.1:" + std::to_string(members_.at("b").peer);
  }

  Standing StandingOf(const std::string& key) const {
    return Probe(members_.at(key).http, std::chrono::milliseconds(1000)).standing;
  }
  std::string ReadyText(const std::string& key) const {
    return Probe(members_.at(key).http, std::chrono::milliseconds(1000)).text;
  }
  bool WaitForStanding(const std::string& key, Standing standing) const {
    return WaitFor([&] { return StandingOf(key) == standing; });
  }
  bool WaitForLog(const std::string& key, const std::string& text) const {
    return WaitFor([&] { return Log(key).find(text) != std::string::npos; });
  }
  std::string Log(const std::string& key) const {
    return ContentOf(members_.at(key).file + ".log");
  }
  std::string Status(const std::string& key) const {
    EXPECT_EQ(
        Run({"semperctl", "status", "--admin-socket", members_.at(key).file + ".admin"}, "status"),
        0);
    std::string text = ContentOf(File("status"));
    std::filesystem::remove(File("status"));
    return text;
  }

  // Adds one at the leader `key`. The counter says the new total once that is committed.
  bool Add(const std::string& key) {
    ++total_;
    const std::string said = ": total " + std::to_string(total_) + "\n";
    return write(members_[key].numbers, "1\n", 2) == 2 && WaitFor([&] {
             return ContentOf(members_[key].file + ".totals").find(said) != std::string::npos;
           });
  }
  std::string Claim(int epoch) const {
    return File("logs/demo/counter/claims/0/" + std::to_string(epoch));
  }

  std::map<std::string, Member> members_;
  uint64_t ports_ = 0;
  int total_ = 0;
};

}  // namespace shop::demo
