#!/usr/bin/env bash
# The trace of a seed is the same whoever compiled it: builds semper-sim with g++ (release), clang, -O0 and ASan, and
# compares the trace hashes of some seeds.
set -euo pipefail
cd "$(dirname "$0")/../.."
seeds=${1:-20}
first=
for preset in release clang debug asan; do
  ./dev build --preset "$preset" semper-sim >/dev/null
  hashes=$(${SEMPER_BUILD_ROOT:-build}/"$preset"/bin/semper-sim --seeds "$seeds" --jobs 1 --hashes | grep '^seed ')
  echo "$preset: $(echo "$hashes" | sha256sum | cut -c1-16) over $seeds seeds"
  first=${first:-$hashes}
  if [ "$hashes" != "$first" ]; then
    diff <(echo "$first") <(echo "$hashes") | head -5
    echo "same_trace: FAILED: $preset differs from release"
    exit 1
  fi
done
echo "same_trace: ok seeds=$seeds"
