// protoc-gen-semper as protoc runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace semper::test {
namespace {

using ::testing::HasSubstr;

class Plugin : public ::testing::Test {
 protected:
  Plugin() {
    std::string name = ::testing::TempDir() + "semper_plugin_XXXXXX";
    dir_ = mkdtemp(name.data());
  }
  ~Plugin() override { std::filesystem::remove_all(dir_); }

  // Runs protoc on a file of this text; true if it succeeded. `said_` is what it printed.
  bool Run(const std::string& text) {
    std::ofstream(dir_ + "/bad.proto") << "syntax = \"proto3\";\npackage bad;\n"
                                       << "import \"semper/v1/options.proto\";\nmessage E {}\n"
                                       << text;
    const std::string command =
        std::string(SEMPER_PROTOC) + " -I " + dir_ +
        " -I " SEMPER_PROTO_DIR " --plugin=" + SEMPER_PLUGIN " --semper_out=" + dir_ +
        " bad.proto 2>&1";
    FILE* pipe = popen(command.c_str(), "r");
    said_.clear();
    for (int c; (c = std::fgetc(pipe)) != EOF;) said_.push_back(static_cast<char>(c));
    return pclose(pipe) == 0;
  }
  std::string Generated(const std::string& file) {
    std::stringstream text;
    text << std::ifstream(dir_ + "/" + file).rdbuf();
    return text.str();
  }

  std::string dir_;
  std::string said_;
};

TEST_F(Plugin, RefusesTwoMethodsWithTheSameId) {
  // Found by search: the two full names have the same CRC32C.
  EXPECT_FALSE(Run("service Bad { rpc M987(E) returns (E); rpc M53c060(E) returns (E); }\n"));
  EXPECT_THAT(said_, ::testing::AllOf(HasSubstr("/bad.Bad/M987"), HasSubstr("/bad.Bad/M53c060"),
                                      HasSubstr("same id")));
}

TEST_F(Plugin, RefusesStreams) {
  EXPECT_FALSE(Run("service Bad { rpc Watch(E) returns (stream E); }\n"));
  EXPECT_THAT(said_, HasSubstr("/bad.Bad/Watch: streaming"));
}

TEST_F(Plugin, TakesAFileWithoutServices) {
  EXPECT_TRUE(Run("")) << said_;
  EXPECT_THAT(Generated("bad.semper.h"), HasSubstr("namespace bad"));
}

TEST_F(Plugin, CarriesCommentsAndNestedMessagesOver) {
  EXPECT_TRUE(
      Run("message Outer { message Inner {} }\n"
          "// What it is.\nservice Good {\n  // What it does.\n  rpc Do(Outer.Inner) returns "
          "(E);\n}\n"))
      << said_;
  EXPECT_THAT(Generated("bad.semper.h"),
              ::testing::AllOf(HasSubstr("// What it is."), HasSubstr("  // What it does."),
                               HasSubstr("const ::bad::Outer_Inner& request")));
}

TEST_F(Plugin, MakesImpulsesForOneWayMethodsOnly) {
  EXPECT_TRUE(
      Run("service A { rpc Do(E) returns (E); }\nservice B { rpc Note(E) returns (E) { option "
          "(semper.v1.method).one_way = true; } }\n"))
      << said_;
  EXPECT_THAT(Generated("bad.semper.h"), HasSubstr("class BImpulses"));
  EXPECT_THAT(Generated("bad.semper.h"), ::testing::Not(HasSubstr("class AImpulses")));
}

}  // namespace
}  // namespace semper::test
