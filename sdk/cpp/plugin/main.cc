// protoc-gen-semper: found by protoc as --plugin or in PATH, used as --semper_out=DIR.
#include <google/protobuf/compiler/plugin.h>

#include "sdk/cpp/plugin/generator.h"

int main(int argc, char** argv) {
  const semper::plugin::Generator generator;
  return google::protobuf::compiler::PluginMain(argc, argv, &generator);
}
