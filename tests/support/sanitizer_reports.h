// Reports of the sanitizers in processes that a test starts. They are killed, they start each other
// again, and what they wrote is removed: without this, a report could pass unseen.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace semper {

inline constexpr char kSanitizerReportName[] = "sanitizer";

// Processes that are started from now on write their reports to files in `directory`.
inline void SendSanitizerReportsTo(const std::string& directory) {
  for (const char* name : {"ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}) {
    const char* const usual = std::getenv(name);
    std::string options = usual == nullptr ? "" : std::string(usual) + ":";
    options.append("log_path=").append(directory).append("/").append(kSanitizerReportName);
    setenv(name, options.c_str(), 1);
  }
}

// Fails the test with what they wrote.
inline void ExpectNoSanitizerReports(const std::string& directory) {
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    if (!file.path().filename().string().starts_with(kSanitizerReportName)) continue;
    std::ifstream report(file.path());
    ADD_FAILURE() << std::string(std::istreambuf_iterator<char>(report), {});
  }
}

}  // namespace semper
