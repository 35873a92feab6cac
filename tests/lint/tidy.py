#!/usr/bin/env python3
"""clang-tidy on the C++ files that changed, in parallel, remembering what was clean.

usage: tidy.py --build DIR [--all] [--deep] [--base COMMIT] [FILE…]

Changed means: different from the merge base with origin/main, from HEAD~1 if that is HEAD itself, or not yet committed. For
a header, one source file that includes it is checked. --all checks every file, --deep with the static analyzer too. DIR is a
built tree: it has the compile commands, the generated headers, and ninja's record of which headers a file includes.

A file is checked again only if it, a header of the project that it includes, or the checks are different from when it was
last clean; that is remembered in $XDG_CACHE_HOME/semper/tidy (~/.cache), for all clones together.
"""

import argparse
import concurrent.futures
import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLEAN = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "semper", "tidy")
STAMP_DAYS_MAX = 30
TIDY = "clang-tidy-14"
OPTIONS = ["--quiet", "--extra-arg=-Wno-unknown-warning-option"]  # the flags are g++'s
DEEP = ["--checks=clang-analyzer-core.*,clang-analyzer-cplusplus.*,clang-analyzer-unix.Malloc"]


def git(*arguments):
    """The output of a git command as lines, or None if it failed."""
    try:
        done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.splitlines()


def base_commit():
    head = git("rev-parse", "HEAD")
    base = git("merge-base", "HEAD", "origin/main")
    if base and base != head:
        return base[0]
    parent = git("rev-parse", "--verify", "HEAD~1")
    return parent[0] if parent else None


def changed_files(base):
    """Absolute paths of changed files; None if there is nothing to compare with."""
    base = base or base_commit()
    differing = git("diff", "--name-only", "--diff-filter=d", base) if base else None
    fresh = git("ls-files", "--others", "--exclude-standard")
    if differing is None or fresh is None:
        return None
    return {os.path.join(ROOT, name) for name in differing + fresh}


def compile_commands(build):
    """Source file -> its object, for the project's own files."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    return {e["file"]: re.search(r" -o (\S+) ", e["command"])[1] for e in entries
            if e["file"].startswith(ROOT + os.sep) and not e["file"].startswith(build + os.sep)}


def project_headers(build):
    """Object -> headers of the project (generated ones too) that it was built from."""
    done = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True, check=True)
    headers, current = {}, None
    for line in done.stdout.splitlines():
        if line and not line.startswith(" "):
            current = headers.setdefault(line.split(":")[0], set())
        elif line.strip() and current is not None:
            path = os.path.normpath(os.path.join(build, line.strip()))
            if path.startswith((ROOT + os.sep, build + os.sep)):
                current.add(path)
    return headers


def select(commands, headers, changed):
    """The source files to check for a set of changed files."""
    chosen = {source for source in commands if source in changed}
    uncovered = {path for path in changed if path.endswith(".h")}
    for source in chosen:
        uncovered -= headers.get(commands[source], set())
    for source in sorted(commands):
        seen = headers.get(commands[source], set()) & uncovered
        if seen:
            chosen.add(source)
            uncovered -= seen
    return sorted(chosen)


def fingerprint(build, source, headers, options):
    """Names all that the outcome depends on, in a way that is the same in every clone."""
    digest = hashlib.sha256(repr(options).encode())
    for path in [os.path.join(ROOT, ".clang-tidy"), source, *sorted(headers)]:
        digest.update(os.path.relpath(path, build if path.startswith(build + os.sep) else ROOT).encode() + b"\0")
        if os.path.isfile(path):
            with open(path, "rb") as file:
                digest.update(hashlib.sha256(file.read()).digest())
    return digest.hexdigest()


def check(build, source, headers, options):
    """Runs clang-tidy on one file unless it was clean before; returns what it said."""
    stamp = os.path.join(CLEAN, fingerprint(build, source, headers, options))
    if os.path.exists(stamp):
        os.utime(stamp)
        return ""
    done = subprocess.run([TIDY, *options, "-p", build, source], capture_output=True, text=True, cwd=ROOT)
    if done.returncode == 0:
        open(stamp, "w", encoding="utf-8").close()
        return ""
    return done.stdout or done.stderr


def forget_old_stamps():
    """The memory of what was clean does not grow for ever."""
    for entry in os.scandir(CLEAN):
        if entry.stat().st_mtime < time.time() - STAMP_DAYS_MAX * 86400:
            with contextlib.suppress(FileNotFoundError):  # another clone may do the same
                os.unlink(entry.path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--deep", action="store_true")
    parser.add_argument("--base")
    parser.add_argument("files", nargs="*")
    arguments = parser.parse_args()
    build = os.path.abspath(arguments.build)
    commands = compile_commands(build)
    headers = project_headers(build)
    if arguments.all:
        sources = sorted(commands)
    else:
        changed = {os.path.abspath(f) for f in arguments.files} or changed_files(arguments.base)
        if changed is None:
            print("tidy: no git history to compare with; nothing checked")
            return 0
        sources = select(commands, headers, changed)
    os.makedirs(CLEAN, exist_ok=True)
    forget_old_stamps()
    options = OPTIONS + (DEEP if arguments.deep else [])
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        said = list(pool.map(lambda s: check(build, s, headers.get(commands[s], set()), options), sources))
    for text in filter(None, said):
        print(text)
    bad = sum(1 for text in said if text)
    print(f"tidy: {len(sources)} files checked, {bad} with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
