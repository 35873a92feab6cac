#!/usr/bin/env bash
# Installs the Debian packages on a plain Debian 12 and uses them there, without this source tree but for the service that is
# built: the proof that they lack nothing. Needs root, mmdebstrap and the network; 2 minutes. Not part of ctest.
# usage: packages.sh          (here: builds the packages, and runs itself in there)
#        packages.sh DIR      (in there: DIR has the packages)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

if [ $# = 0 ]; then
  "$root/dev" package
  exec "$here/clean_machine.sh" --with "${SEMPER_BUILD_ROOT:-$root/build}/packages" tests/integration/packages.sh /src/with
fi

fail() { echo "packages: FAILED: $*"; exit 1; }
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -q -y -o Dpkg::Use-Pty=0 install --no-install-recommends)
apt-get -q update >/tmp/apt.log || { cat /tmp/apt.log; fail "apt-get update"; }
version=$(head -1 "$root/VERSION")

"${apt[@]}" "$1"/semper_*.deb >/tmp/apt.log || { cat /tmp/apt.log; fail "semper does not install"; }
semper-sidecar --version | grep -F "$version" || fail "semper-sidecar --version"
semperctl --version | grep -F "$version" || fail "semperctl --version"

"${apt[@]}" "$1"/libsemper*.deb g++ cmake ninja-build >/tmp/apt.log || { cat /tmp/apt.log; fail "the SDK does not install"; }
cp -r "$here/external_project/project" /tmp/project
cmake -S /tmp/project -B /tmp/build -G Ninja >/tmp/log 2>&1 && cmake --build /tmp/build >>/tmp/log 2>&1 ||
  { cat /tmp/log; fail "a service does not build"; }

mkdir /var/lib/semper
semper-sidecar --name demo/greeter --log-dir /var/lib/semper --genesis create --admin-socket /tmp/admin --service-socket /tmp/service --peer-listen 127.0.0.1:0 \
  -- /tmp/build/greeter 2>/tmp/sidecar.log &
sidecar=$!
for _ in $(seq 200); do
  semperctl status --admin-socket /tmp/admin >/tmp/status 2>&1 && grep -q "^phase *leading" /tmp/status && break
  sleep 0.1
done
cat /tmp/status
grep -q "^phase *leading" /tmp/status || { cat /tmp/sidecar.log; fail "the service does not become live"; }
kill "$sidecar"
wait "$sidecar" || { cat /tmp/sidecar.log; fail "the coordinator ended with $?"; }
semperctl log verify --name demo/greeter --log-dir /var/lib/semper || fail "its log does not verify"

dpkg --purge libsemper-dev libsemper0 semper >/tmp/log 2>&1 || { cat /tmp/log; fail "they do not go"; }
[ ! -e /usr/bin/semperctl ] || fail "semperctl is still there"
echo "packages: ok"
