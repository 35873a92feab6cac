# Checks that are no gtest programs, registered with ctest so that one summary covers everything. Labels as in semper_test.
include_guard()

# semper_check(<name> COMMAND … [TIMEOUT seconds] [LABELS …])
function(semper_check name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "SERIAL" "TIMEOUT" "COMMAND;LABELS")
  if(NOT "tier2" IN_LIST arg_LABELS)
    list(APPEND arg_LABELS tier1)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  add_test(NAME ${name} COMMAND ${arg_COMMAND} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT}
                                          ENVIRONMENT "${SEMPER_TEST_ENVIRONMENT}")
  if(arg_SERIAL)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
  endif()
endfunction()

# Sources are the same under every preset; they are looked at where the compiler and the flags are those of a release.
if(NOT SEMPER_SANITIZE)
  semper_check(lint/rooms COMMAND python3 tests/lint/rooms.py LABELS lint)
  semper_check(lint/rooms_self_test COMMAND python3 tests/lint/rooms.py --self-test LABELS lint)
  semper_check(lint/format COMMAND ./dev fmt --check LABELS lint)
  semper_check(lint/tidy_changed COMMAND python3 tests/lint/tidy.py --build ${CMAKE_BINARY_DIR} LABELS lint TIMEOUT 1200)
  semper_check(lint/tidy_all COMMAND python3 tests/lint/tidy.py --build ${CMAKE_BINARY_DIR} --all --deep
               LABELS lint tier2 TIMEOUT 7200)
  semper_check(models/quick COMMAND models/run --quick LABELS model TIMEOUT 1200)
  semper_check(models/all COMMAND models/run LABELS model tier2 TIMEOUT 7200)
endif()

# One thread has no races: ThreadSanitizer has nothing to find there.
if(TARGET semper-sim AND NOT SEMPER_SANITIZE STREQUAL "thread")
  if(SEMPER_SANITIZE)
    semper_check(simulator/seeds COMMAND semper-sim --seeds 20 --kept tests/simulation/kept_seeds.txt LABELS sim TIMEOUT 1200)
  else()
    semper_check(simulator/seeds COMMAND semper-sim --seeds 1000 --kept tests/simulation/kept_seeds.txt LABELS sim TIMEOUT 600)
    semper_check(simulator/members COMMAND semper-sim --seeds 600 --members mix LABELS sim TIMEOUT 600)
    semper_check(simulator/many_seeds COMMAND semper-sim --seeds 10000 --seed 100000 LABELS sim tier2 TIMEOUT 7200)
  endif()
endif()

# The second tier runs the first one again under the sanitizers, each in a tree of its own.
if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo" AND NOT SEMPER_SANITIZE)
  semper_check(sanitizers/asan COMMAND ./dev test --preset asan LABELS sanitizers tier2 TIMEOUT 7200 SERIAL)
  semper_check(sanitizers/tsan COMMAND ./dev test --preset tsan LABELS sanitizers tier2 TIMEOUT 7200 SERIAL)
endif()
