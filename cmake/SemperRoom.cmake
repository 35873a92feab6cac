# The vocabulary of every room's CMakeLists.txt: semper_room, semper_binary, semper_test, semper_proto.
include_guard()
include(GoogleTest)

# What every target of the project has in common: warnings, include roots.
function(semper_target_defaults target)
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "INTERFACE_LIBRARY")
    target_include_directories(${target} INTERFACE ${PROJECT_SOURCE_DIR} ${SEMPER_GEN_DIR})
  else()
    target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                                                $<BUILD_INTERFACE:${SEMPER_GEN_DIR}>)
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:semper_warnings>)
  endif()
endfunction()

# semper_room(<name> [SOURCES …] [DEPS …] [PRIVATE_DEPS …])
# Static library semper_<name> (an interface library if it has no sources). PRIVATE_DEPS are libraries whose headers do not
# appear in this room's headers: third-party libraries behind a door.
function(semper_room name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS;PRIVATE_DEPS")
  set(target semper_${name})
  if(arg_SOURCES)
    add_library(${target} STATIC ${arg_SOURCES})
    target_link_libraries(${target} PUBLIC ${arg_DEPS} PRIVATE ${arg_PRIVATE_DEPS})
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ${arg_DEPS} ${arg_PRIVATE_DEPS})
  endif()
  semper_target_defaults(${target})
endfunction()

# semper_binary(<name> SOURCES … [DEPS …])
function(semper_binary name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPS})
  semper_target_defaults(${name})
endfunction()

# semper_test(<name> SOURCES … [DEPS …] [LABELS …] [TIMEOUT seconds] [DATA …] [WHOLE] [SERIAL])
# A gtest program. ctest knows each case as <name>/<Suite>.<Case>; WHOLE registers the program as one case (for programs that
# are slow to start or share costly state). Without "tier2" among the labels a test belongs to tier1, which every submission
# runs. TIMEOUT is per case, 60 by default, three times that under a sanitizer. SERIAL: never beside another test.
# DEPENDS names targets that the test executes (binaries, plugins) and that have to be built with it.
function(semper_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "WHOLE;SERIAL" "TIMEOUT" "SOURCES;DEPS;LABELS;DEPENDS")
  semper_binary(${name} SOURCES ${arg_SOURCES} DEPS ${arg_DEPS} GTest::gmock GTest::gtest GTest::gtest_main)
  if(arg_DEPENDS)
    add_dependencies(${name} ${arg_DEPENDS})
  endif()
  if(NOT "tier2" IN_LIST arg_LABELS)
    list(APPEND arg_LABELS tier1)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  if(SEMPER_SANITIZE)
    math(EXPR arg_TIMEOUT "3 * ${arg_TIMEOUT}")
  endif()
  set(properties TIMEOUT ${arg_TIMEOUT})
  if(arg_SERIAL)
    list(APPEND properties RUN_SERIAL ON)
  endif()
  if(arg_WHOLE)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES ${properties} LABELS "${arg_LABELS}" ENVIRONMENT "${SEMPER_TEST_ENVIRONMENT}")
  else()
    gtest_discover_tests(${name} TEST_PREFIX "${name}/" DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
                         PROPERTIES ${properties})
    # gtest_discover_tests flattens properties that are lists, so these are set by ctest after the discovery.
    set(file ${CMAKE_CURRENT_BINARY_DIR}/${name}_properties.cmake)
    file(WRITE ${file} "if(${name}_TESTS)\n  set_tests_properties(\${${name}_TESTS} PROPERTIES LABELS \"${arg_LABELS}\" "
                       "ENVIRONMENT \"${SEMPER_TEST_ENVIRONMENT}\")\nendif()\n")
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${file})
  endif()
  list(TRANSFORM arg_SOURCES PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/")
  string(JOIN " " sources ${arg_SOURCES})
  set_property(GLOBAL APPEND PROPERTY SEMPER_TEST_TARGETS "${name} ${sources}")
endfunction()

# One line per test program, "<target> <source>…": ./dev test --only builds no more than it runs.
function(semper_write_test_targets)
  get_property(lines GLOBAL PROPERTY SEMPER_TEST_TARGETS)
  string(JOIN "\n" text ${lines})
  file(WRITE ${CMAKE_BINARY_DIR}/test_targets.txt "${text}\n")
endfunction()

# semper_proto(<target> PROTOS … [IMPORT_ROOT dir] [GRPC] [DEPS …])
# Static library of generated protobuf (and gRPC) code. PROTOS are relative to IMPORT_ROOT, by default proto/ of the
# repository; a file semper/v1/x.proto is included as "semper/v1/x.pb.h" (and "semper/v1/x.grpc.pb.h").
function(semper_proto target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "GRPC" "IMPORT_ROOT" "PROTOS;DEPS")
  if(TARGET ${target})
    message(WARNING "${target} exists already; the first definition counts, remove this one")
    return()
  endif()
  if(NOT arg_IMPORT_ROOT)
    set(arg_IMPORT_ROOT ${PROJECT_SOURCE_DIR}/proto)
  endif()
  set(out ${CMAKE_BINARY_DIR}/proto_gen/${target})
  file(MAKE_DIRECTORY ${out})
  set(generated)
  foreach(proto IN LISTS arg_PROTOS)
    string(REGEX REPLACE "\\.proto$" "" stem ${proto})
    set(outputs ${out}/${stem}.pb.h ${out}/${stem}.pb.cc)
    set(options --cpp_out=${out})
    if(arg_GRPC)
      list(APPEND outputs ${out}/${stem}.grpc.pb.h ${out}/${stem}.grpc.pb.cc)
      list(APPEND options --grpc_out=${out} --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>)
    endif()
    add_custom_command(
      OUTPUT ${outputs}
      COMMAND protobuf::protoc ${options} -I ${arg_IMPORT_ROOT} -I ${PROJECT_SOURCE_DIR}/proto ${arg_IMPORT_ROOT}/${proto}
      DEPENDS ${arg_IMPORT_ROOT}/${proto}
      COMMENT "protoc ${proto}"
      VERBATIM)
    list(APPEND generated ${outputs})
  endforeach()
  add_library(${target} STATIC ${generated})
  target_include_directories(${target} SYSTEM PUBLIC $<BUILD_INTERFACE:${out}>)
  target_link_libraries(${target} PUBLIC ${arg_DEPS} protobuf::libprotobuf)
  if(arg_GRPC)
    target_link_libraries(${target} PUBLIC gRPC::grpc++)
  endif()
endfunction()
