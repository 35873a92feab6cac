# Compiler, linker and cache settings that hold for every target. Nothing here may depend on the machine's CPU: the binaries
# run anywhere, and hot code chooses its instructions at run time.
include_guard()
include(GNUInstallDirs)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()
# NDEBUG is never defined: CHECKs stay on in what is shipped.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")

# Public headers and generated files live under one root per build tree: #include "base/version.h".
set(SEMPER_GEN_DIR ${CMAKE_BINARY_DIR}/gen)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

set(SEMPER_SANITIZE "" CACHE STRING "Value for -fsanitize=, empty for none")
if(SEMPER_SANITIZE)
  add_compile_options(-fsanitize=${SEMPER_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SEMPER_SANITIZE})
  # The longest history that ThreadSanitizer offers: what it cannot remember the stack of, it cannot suppress either.
  set(SEMPER_TEST_ENVIRONMENT
      UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=detect_stack_use_after_return=1
      TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:history_size=7:suppressions=${CMAKE_CURRENT_LIST_DIR}/tsan_suppressions.txt)
endif()

find_program(SEMPER_CCACHE ccache)
if(SEMPER_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Relative to the repository, so that a second clone (or a mutated copy) finds the objects of the first.
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${SEMPER_CCACHE})
endif()

find_program(SEMPER_LLD ld.lld HINTS /usr/lib/llvm-14/bin)
if(SEMPER_LLD)
  get_filename_component(lld_dir ${SEMPER_LLD} DIRECTORY)
  add_link_options(-fuse-ld=lld -B${lld_dir})
endif()

add_library(semper_warnings INTERFACE)
target_compile_options(
  semper_warnings
  INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough -Werror
            # Designated initialisers leave fields out on purpose.
            -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 warns falsely on std::string operator+ (GCC bug 105651), and on much more with sanitizers on.
  target_compile_options(semper_warnings INTERFACE -Wno-restrict)
  if(SEMPER_SANITIZE)
    target_compile_options(semper_warnings INTERFACE -Wno-maybe-uninitialized -Wno-mismatched-new-delete)
  endif()
endif()
