// Generator: C++ base classes and stubs of the services of a .proto file (protoc-gen-semper).
#pragma once

#include <google/protobuf/compiler/code_generator.h>
#include <google/protobuf/descriptor.h>

#include <string>

namespace semper::plugin {

// For orders.proto it makes orders.semper.h and orders.semper.cc beside orders.pb.h. For each
// service S in it: SService, the base class of an implementation; SClient, for handlers of another
// immortal; SImpulses, for the service's own edge, if S has one-way methods. Refuses streaming
// methods and services of which two methods have the same id.
class Generator : public google::protobuf::compiler::CodeGenerator {
 public:
  bool Generate(const google::protobuf::FileDescriptor* file, const std::string& parameter,
                google::protobuf::compiler::GeneratorContext* context,
                std::string* error) const override;
  uint64_t GetSupportedFeatures() const override { return FEATURE_PROTO3_OPTIONAL; }
};

// "/package.Service/Method", whose CRC32C is the method's id (docs/formats/frame.md).
std::string MethodName(const google::protobuf::MethodDescriptor& method);

}  // namespace semper::plugin
