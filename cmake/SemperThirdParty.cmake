# Third-party libraries, all from Debian. Imported targets, therefore SYSTEM includes. Which room may use which library is
# checked by tests/lint/rooms.py.
#
#   protobuf::libprotobuf  gRPC::grpc++  absl::…  yaml-cpp  spdlog::spdlog  fmt::fmt  prometheus-cpp::core  prometheus-cpp::pull
#   OpenSSL::Crypto  Threads::Threads  GTest::gtest  GTest::gmock
include_guard()
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)  # CMake's module: Debian ships no config file of protobuf's own
find_package(absl CONFIG REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(yaml-cpp CONFIG REQUIRED)
find_package(fmt CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)  # Debian builds it against the external fmt
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(GTest CONFIG REQUIRED)

if(SEMPER_SANITIZE STREQUAL "thread")
  target_include_directories(protobuf::libprotobuf SYSTEM BEFORE INTERFACE ${CMAKE_CURRENT_LIST_DIR}/tsan_include)
endif()
