#include "sdk/cpp/plugin/generator.h"

#include <google/protobuf/io/printer.h>
#include <google/protobuf/io/zero_copy_stream.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "semper/v1/options.pb.h"

namespace semper::plugin {

namespace {

using google::protobuf::Descriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using google::protobuf::io::Printer;
using Variables = std::map<std::string, std::string>;

std::string ReplaceAll(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string HexId(uint32_t id) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "0x";
  for (int shift = 28; shift >= 0; shift -= 4) text += kDigits[(id >> shift) & 15];
  return text + "u";
}

uint32_t MethodId(const MethodDescriptor& method) { return Crc32c(0, AsBytes(MethodName(method))); }

bool IsOneWay(const MethodDescriptor& method) {
  return method.options().GetExtension(v1::method).one_way();
}

bool HasOneWay(const ServiceDescriptor& service) {
  for (int i = 0; i < service.method_count(); ++i) {
    if (IsOneWay(*service.method(i))) return true;
  }
  return false;
}

// The C++ name of a message class: nested messages are Outer_Inner.
std::string ClassName(const Descriptor& message) {
  std::string name = message.name();
  for (const Descriptor* outer = message.containing_type(); outer != nullptr;
       outer = outer->containing_type()) {
    name = outer->name() + "_" + name;
  }
  const std::string package = ReplaceAll(message.file()->package(), ".", "::");
  return (package.empty() ? "::" : "::" + package + "::") + name;
}

std::string Stem(const FileDescriptor& file) {
  const std::string& name = file.name();
  constexpr std::string_view kSuffix = ".proto";
  return name.size() > kSuffix.size() && name.substr(name.size() - kSuffix.size()) == kSuffix
             ? name.substr(0, name.size() - kSuffix.size())
             : name;
}

Variables OfMethod(const MethodDescriptor& method) {
  return {{"method", method.name()},
          {"full", MethodName(method)},
          {"id", HexId(MethodId(method))},
          {"service", method.service()->name()},
          {"request", ClassName(*method.input_type())},
          {"reply", ClassName(*method.output_type())}};
}

// The comment above a service or method, as C++ comment lines.
template <typename D>
std::string Comment(const D& descriptor, const std::string& indent) {
  google::protobuf::SourceLocation location;
  if (!descriptor.GetSourceLocation(&location) || location.leading_comments.empty()) return "";
  std::string text = location.leading_comments;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return indent + "//" + ReplaceAll(text, "\n", "\n" + indent + "//") + "\n";
}

std::string Check(const ServiceDescriptor& service) {
  std::map<uint32_t, std::string> ids;
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor& method = *service.method(i);
    if (method.client_streaming() || method.server_streaming()) {
      return MethodName(method) +
             ": streaming methods do not go between immortals; send messages one by one";
    }
    const auto [other, is_new] = ids.try_emplace(MethodId(method), MethodName(method));
    if (!is_new) {
      return MethodName(method) + " and " + other->second + " have the same id " +
             HexId(other->first) + " (the CRC32C of the name); rename one of them";
    }
  }
  return "";
}

void PrintService(const ServiceDescriptor& service, Printer& out) {
  out.PrintRaw(Comment(service, ""));
  out.Print(
      "// Derive from it and implement the handlers.\n"
      "class $service$Service : public virtual ::semper::Service {\n"
      " public:\n",
      "service", service.name());
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor& method = *service.method(i);
    out.PrintRaw(Comment(method, "  "));
    out.Print(
        OfMethod(method),
        IsOneWay(method)
            ? "  virtual void $method$(::semper::Context& context, const $request$& request) = 0;\n"
            : "  virtual ::semper::Result<$reply$> $method$(\n"
              "      ::semper::Context& context, const $request$& request) = 0;\n");
  }
  out.Print(
      "\n"
      " protected:\n"
      "  $service$Service();\n"
      "};\n\n",
      "service", service.name());
}

void PrintClient(const ServiceDescriptor& service, Printer& out) {
  out.Print(
      "// Calls the service at another immortal, \"namespace/name\", from handlers.\n"
      "class $service$Client {\n"
      " public:\n"
      "  explicit $service$Client(std::string immortal) : to_(std::move(immortal)) {}\n",
      "service", service.name());
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor& method = *service.method(i);
    if (IsOneWay(method)) {
      out.Print(OfMethod(method),
                "  void $method$(::semper::Context& context, const $request$& request) const {\n"
                "    context.SendOneWay(to_, $id$, \"$full$\", request);\n"
                "  }\n");
      continue;
    }
    out.Print(OfMethod(method),
              "  // The reply, or an error, becomes a later input of `on_reply`.\n"
              "  template <typename C>\n"
              "  void $method$(::semper::Context& context, const $request$& request,\n"
              "      const ::semper::ReplyHandler<$reply$, C>& on_reply,\n"
              "      const std::type_identity_t<C>& reply_context) const {\n"
              "    context.CallMethod(to_, $id$, \"$full$\", request, on_reply.id(),\n"
              "                       ::semper::internal::PackContext(reply_context));\n"
              "  }\n"
              "  void $method$(::semper::Context& context, const $request$& request,\n"
              "      const ::semper::ReplyHandler<$reply$>& on_reply) const {\n"
              "    context.CallMethod(to_, $id$, \"$full$\", request, on_reply.id(), {});\n"
              "  }\n");
  }
  out.Print(
      "\n"
      " private:\n"
      "  ::semper::Destination to_;\n"
      "};\n\n");
}

void PrintImpulses(const ServiceDescriptor& service, Printer& out) {
  if (!HasOneWay(service)) return;
  out.Print(
      "// Puts one-way calls into the service's own log, from any thread (semper/impulses.h).\n"
      "class $service$Impulses {\n"
      " public:\n"
      "  explicit $service$Impulses(::semper::Impulses impulses) : impulses_(std::move(impulses)) "
      "{}\n",
      "service", service.name());
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor& method = *service.method(i);
    if (!IsOneWay(method)) continue;
    out.Print(OfMethod(method),
              "  std::future<::semper::ImpulseResult> $method$(const $request$& request) const {\n"
              "    return impulses_.SubmitOneWay($id$, request);\n"
              "  }\n"
              "  void $method$(const $request$& request, ::semper::ImpulseCallback done) const {\n"
              "    impulses_.SubmitOneWay($id$, request, std::move(done));\n"
              "  }\n");
  }
  out.Print(
      "\n"
      " private:\n"
      "  ::semper::Impulses impulses_;\n"
      "};\n\n");
}

void PrintNamespace(const FileDescriptor& file, bool open, Printer& out) {
  if (file.package().empty()) return;
  const std::string name = ReplaceAll(file.package(), ".", "::");
  out.Print(open ? "namespace $name$ {\n\n" : "}  // namespace $name$\n", "name", name);
}

void PrintHeader(const FileDescriptor& file, Printer& out) {
  out.Print(
      "// Generated by protoc-gen-semper from $file$. Do not edit.\n"
      "#pragma once\n\n"
      "#include <future>\n"
      "#include <string>\n"
      "#include <type_traits>\n"
      "#include <utility>\n\n"
      "#include \"semper/semper.h\"\n"
      "#include \"$stem$.pb.h\"\n",
      "file", file.name(), "stem", Stem(file));
  for (int i = 0; i < file.dependency_count(); ++i) {
    // What is only imported for options needs no header here, but costs nothing: the .pb.h includes
    // it too.
    out.Print("#include \"$stem$.pb.h\"\n", "stem", Stem(*file.dependency(i)));
  }
  out.Print("\n");
  PrintNamespace(file, true, out);
  for (int i = 0; i < file.service_count(); ++i) {
    PrintService(*file.service(i), out);
    PrintClient(*file.service(i), out);
    PrintImpulses(*file.service(i), out);
  }
  PrintNamespace(file, false, out);
}

void PrintSource(const FileDescriptor& file, Printer& out) {
  out.Print(
      "// Generated by protoc-gen-semper from $file$. Do not edit.\n"
      "#include \"$stem$.semper.h\"\n\n",
      "file", file.name(), "stem", Stem(file));
  PrintNamespace(file, true, out);
  for (int i = 0; i < file.service_count(); ++i) {
    const ServiceDescriptor& service = *file.service(i);
    out.Print(
        "$service$Service::$service$Service() {\n"
        "  AddService(\"$full$\");\n",
        "service", service.name(), "full", service.full_name());
    for (int m = 0; m < service.method_count(); ++m) {
      const MethodDescriptor& method = *service.method(m);
      const Variables variables = OfMethod(method);
      out.Print(variables, IsOneWay(method)
                               ? "  AddMethod(::semper::internal::MakeOneWay<$request$>(\n"
                               : "  AddMethod(::semper::internal::MakeCall<$request$, $reply$>(\n");
      out.Print(variables,
                "      $id$, \"$full$\",\n"
                "      [this](::semper::Context& context, const $request$& request) {\n"
                "        return $method$(context, request);\n"
                "      }));\n");
    }
    out.Print("}\n\n");
  }
  PrintNamespace(file, false, out);
}

}  // namespace

std::string MethodName(const MethodDescriptor& method) {
  return "/" + method.service()->full_name() + "/" + method.name();
}

bool Generator::Generate(const FileDescriptor* file, const std::string& parameter,
                         google::protobuf::compiler::GeneratorContext* context,
                         std::string* error) const {
  if (!parameter.empty()) {
    *error = "protoc-gen-semper has no parameters; '" + parameter + "' was given";
    return false;
  }
  for (int i = 0; i < file->service_count(); ++i) {
    *error = Check(*file->service(i));
    if (!error->empty()) return false;
  }
  const std::string base = Stem(*file) + ".semper";
  const std::unique_ptr<google::protobuf::io::ZeroCopyOutputStream> header(
      context->Open(base + ".h"));
  Printer header_printer(header.get(), '$');
  PrintHeader(*file, header_printer);
  const std::unique_ptr<google::protobuf::io::ZeroCopyOutputStream> source(
      context->Open(base + ".cc"));
  Printer source_printer(source.get(), '$');
  PrintSource(*file, source_printer);
  return true;
}

}  // namespace semper::plugin
