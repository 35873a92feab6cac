// campaign-service --clients=IP:PORT --report-dir=DIR --semper-link=unix:PATH
#include <cstdio>
#include <memory>
#include <string_view>

#include "tests/campaign/ledger.h"

int main(int argc, char** argv) {
  campaign::LedgerOptions options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--clients=")) options.clients = argument.substr(10);
    if (argument.starts_with("--report-dir=")) options.report_dir = argument.substr(13);
  }
  if (options.clients.empty() || options.report_dir.empty()) {
    std::fprintf(stderr, "campaign-service: --clients=IP:PORT and --report-dir=DIR are needed\n");
    return 64;
  }
  campaign::Edge edge(options.clients);
  return semper::Main(argc, argv, {},
                      [&] { return std::make_unique<campaign::Ledger>(options, edge); });
}
