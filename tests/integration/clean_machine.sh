#!/usr/bin/env bash
# Runs a command of this repository on a plain Debian 12 that has nothing but apt, bash, git and ca-certificates: the proof
# that a fresh machine needs no more than ./dev. A clean clone of HEAD is used; what is not committed is not there.
# Needs root, mmdebstrap and the network. Not part of ctest.
set -euo pipefail

usage() {
  cat <<'TXT'
usage: clean_machine.sh [--keep] [--base TARBALL] [--with DIR] [COMMAND [ARGUMENT…]]      (default command: ./dev test)

  --keep          leave the root directory behind and say where it is
  --base TARBALL  unpack this root file system instead of making one; it is written if it does not exist
  --with DIR      also copy DIR, as /src/with

Ends with a line "clean_machine: exit=… seconds=… packages_added=… command=…" and the exit status of the command.
TXT
}

keep=0
base=
with=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --keep) keep=1 ;;
    --base) base=${2:?--base needs a file}; shift ;;
    --with) with=${2:?--with needs a directory}; shift ;;
    --) shift; break ;;
    -*) usage >&2; exit 2 ;;
    *) break ;;
  esac
  shift
done
[ $# -gt 0 ] || set -- ./dev test
[ "$(id -u)" = 0 ] || { echo "clean_machine: needs root" >&2; exit 1; }

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
machine=$(mktemp -d "${TMPDIR:-/tmp}/semper-clean.XXXXXX")
chmod 755 "$machine"
trap '[ $keep = 1 ] && echo "clean_machine: kept $machine" >&2 || rm -rf -- "$machine"' EXIT
sources=/etc/apt/sources.list.d/debian.sources
[ -f "$sources" ] || sources=
make_root() { mmdebstrap --quiet --variant=apt --include=bash,git,ca-certificates bookworm "$1" ${sources:+"$sources"}; }
if [ -z "$base" ]; then
  make_root "$machine"
else
  [ -f "$base" ] || make_root "$base"
  tar -xf "$base" -C "$machine"
fi
cp -L /etc/resolv.conf "$machine/etc/resolv.conf"
echo "127.0.0.1 localhost" >"$machine/etc/hosts"  # as every installed Debian has it
mkdir -p "$machine/src"
git clone --quiet --no-hardlinks "$repository" "$machine/src/semper"
[ -z "$with" ] || cp -rL "$with" "$machine/src/with"
# A mount namespace of its own: whatever happens, no mount outlives this script, and none is in the way of rm.
# shellcheck disable=SC2016
unshare --mount --pid --fork --kill-child bash -c '
  set -eu
  root=$1
  shift
  mount -t proc proc "$root/proc"
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  mkdir "$root/dev/shm"
  mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
  ln -s /proc/self/fd "$root/dev/fd"
  ln -s /proc/self/fd/0 "$root/dev/stdin"
  ln -s /proc/self/fd/1 "$root/dev/stdout"
  ln -s /proc/self/fd/2 "$root/dev/stderr"
  exec chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb \
    bash -c '\''
      dpkg-query -W -f "\${Package}\n" | sort >/tmp/packages.before
      cd /src/semper
      start=$(date +%s)
      "$@"
      status=$?
      seconds=$(($(date +%s) - start))
      dpkg-query -W -f "\${Package}\n" | sort >/tmp/packages.after
      added=$(comm -13 /tmp/packages.before /tmp/packages.after | wc -l)
      echo "clean_machine: exit=$status seconds=$seconds packages_added=$added command=$*"
      exit $status
    '\'' clean_machine "$@"
' clean_machine "$machine" "$@"
