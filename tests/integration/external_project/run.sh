#!/usr/bin/env bash
# usage: run.sh BUILD_DIR SOURCE_DIR CXX [CXXFLAGS]
# Installs the SDK of BUILD_DIR to an empty prefix and builds project/ there, outside of the source tree, from the installed
# files alone; then runs what was built.
set -euo pipefail
build=$1 source=$2 cxx=$3 flags=${4:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for component in lib sdk; do
  cmake --install "$build" --component $component --prefix "$work/prefix" >"$work/log" || { cat "$work/log"; exit 1; }
done
cp -r "$source/tests/integration/external_project/project" "$work/project"
cd "$work"

# Nothing that was installed may point back to where it was built.
if grep -rlIF -e "$source" -e "$build" prefix; then
  echo "external_project: the files above name the source or build tree"
  exit 1
fi

cmake -S project -B build -G Ninja -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_CXX_FLAGS="$flags" -DCMAKE_PREFIX_PATH="$work/prefix" \
  >log 2>&1 || { cat log; exit 1; }
cmake --build build >log 2>&1 || { cat log; exit 1; }

build/greeter --help | grep -q -- --semper-link
build/greeter --version | grep -qx "semper-cpp/$(head -1 "$source/VERSION")"
status=0
env -u SEMPER_LINK build/greeter 2>log || status=$?
[ $status = 64 ] && grep -q SEMPER_LINK log || { echo "external_project: without a link: status $status"; cat log; exit 1; }

# It waits for its coordinator, and ends orderly on SIGTERM.
build/greeter --semper-link=unix:"$work/nobody" 2>log &
greeter=$!
for _ in $(seq 200); do
  grep -q 'waiting for the coordinator' log && break
  sleep 0.05
done
kill -TERM $greeter
wait $greeter || { echo "external_project: status $? after SIGTERM"; exit 1; }
echo "external_project: ok"
