#!/usr/bin/env python3
"""The project's own rules about its map: who may include whom, which room is the door of which library, sizes and names.

usage: rooms.py [PATH…]      check the tree; with PATHs show only what is found below them
       rooms.py --self-test  show that each rule fires where it should, and only there

A finding is printed as path:line: [rule] text, and the exit status is 1. The tables below are the rules.
"""

import os
import re
import subprocess
import sys
import tempfile

# Room -> rooms it may include from, itself apart. A room is the longest entry that is a prefix of a file's folder.
PORT_ROOMS = {"base", "proto", "sidecar/core"}
SIDECAR_ROOMS = {"sidecar/" + r for r in (
    "core", "log", "checkpoint", "wire", "link", "peer", "member", "selftest", "gateway", "admin", "runtime")}
KNOWS = {
    "base": set(),
    "proto": set(),
    "sidecar/core": {"base", "proto"},
    "sidecar/log": PORT_ROOMS,
    "sidecar/checkpoint": PORT_ROOMS,
    "sidecar/selftest": {"base", "proto"},
    "sidecar/wire": PORT_ROOMS,
    "sidecar/link": PORT_ROOMS | {"sidecar/wire"},
    "sidecar/peer": PORT_ROOMS | {"sidecar/wire"},
    "sidecar/member": PORT_ROOMS | {"sidecar/wire", "sidecar/peer"},
    "sidecar/gateway": PORT_ROOMS,
    "sidecar/admin": PORT_ROOMS,
    "sidecar/runtime": PORT_ROOMS | SIDECAR_ROOMS,
    "sidecar": {"base", "sidecar/admin", "sidecar/log", "sidecar/runtime"},
    "sdk/cpp": {"base", "proto", "sidecar/core", "sidecar/wire"},  # its sources; public headers have a rule of their own
    "sdk/cpp/include": set(),
    "cli": {"base", "proto", "sidecar/core", "sidecar/log", "sidecar/checkpoint"},
    "examples": {"base", "sdk/cpp/include"},
    "bench": {"base", "proto", "sdk/cpp", "sdk/cpp/include"} | SIDECAR_ROOMS,
    "operator": {"base", "proto"},
    "tests": None,  # knows everything
}
KNOWS["sdk/cpp"] = KNOWS["sdk/cpp"] | {"sdk/cpp/include"}

# Library -> (what its headers look like, rooms that may include them). Tests may include anything.
DOORS = {
    "gRPC": (r"grpc/|grpcpp/|grpc\+\+/|.*\.grpc\.pb\.h$", {"sidecar/gateway", "sidecar/admin", "cli", "bench"}),
    "prometheus-cpp and civetweb": (r"prometheus/|civetweb\.h$|CivetServer\.h$", {"base", "sidecar/admin"}),
    "cpprestsdk": (r"cpprest/|pplx/", {"operator"}),
    "yaml-cpp": (r"yaml-cpp/", {"base"}),
    "spdlog": (r"spdlog/", {"base"}),
}

# The protocol does no I/O and knows no threads: headers that sidecar/core must not need.
CORE_ROOM = "sidecar/core"
CORE_FORBIDDEN = re.compile(
    r"(thread|mutex|shared_mutex|condition_variable|future|stop_token|semaphore|latch|barrier|fstream|iostream|cstdio|"
    r"filesystem|ctime|time\.h|stdio\.h|unistd\.h|fcntl\.h|poll\.h|signal\.h|pthread\.h|random|(sys|netinet|arpa)/.*|"
    r"absl/(time|synchronization|random)/.*)$")

PUBLIC_SDK = "sdk/cpp/include"
STD_HEADER = re.compile(r"[a-z_]+$")

LINES_MAX = 600
README_LINES_MAX = 15
MEASURED = (".h", ".cc", ".py", ".sh", ".proto", ".cmake", ".go", ".ts")
NAME_FORBIDDEN = re.compile(r"(^|[_.-])(utils?|helpers?|misc|managers?)([_.-]|$)", re.I)
INCLUDE = re.compile(r'\s*#\s*include\s+(["<])([^">]+)[">]')
GENERATED = re.compile(r".*\.(pb|semper)\.h$")


def room_of(path):
    """The room of a file of the repository, or None outside of all rooms."""
    folder = os.path.dirname(path)
    while folder:
        if folder in KNOWS:
            return folder
        folder = os.path.dirname(folder)
    return None


def included_room(target):
    """The room that an included name belongs to, or None if it is no header of the project."""
    if re.match(r"semper/v\d+/", target):
        return "proto"
    if target.startswith("semper/"):
        return PUBLIC_SDK
    return room_of(target)


def check_include(path, room, quote, target):
    """Yields (rule, text) for one include line."""
    if room == "tests":
        return
    if target.startswith("tests/"):
        yield "tests", f"only tests may include {target}"
        return
    if room is None:
        return
    if quote == '"' and "/" not in target and not GENERATED.match(target):
        yield "root", f'"{target}": includes start at the root of the repository'
    for library, (pattern, rooms) in DOORS.items():
        if re.match(pattern, target) and room not in rooms:
            yield "door", f"{target}: {library} belongs behind {', '.join(sorted(rooms))}"
    if room == CORE_ROOM and CORE_FORBIDDEN.match(target):
        yield "core", f"{target}: the protocol has no I/O, clocks, threads or randomness of its own"
    known = included_room(target)
    if room == PUBLIC_SDK:
        if not (known == PUBLIC_SDK or STD_HEADER.match(target) or target.startswith("google/protobuf/")):
            yield "public", f"{target}: public headers of the SDK know the standard library and protobuf only"
    elif known is not None and known != room and known not in KNOWS[room]:
        yield "direction", f"{target}: {room} does not know {known}"


def check_file(root, path):
    """Yields (line, rule, text) for one file."""
    for part in path.split("/"):
        if NAME_FORBIDDEN.search(part):
            yield 1, "name", f"'{part}' says nothing; name the file after what it is about"
            break
    if not path.endswith(MEASURED) and os.path.basename(path) not in ("CMakeLists.txt", "dev"):
        return
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    if len(lines) > LINES_MAX:
        yield LINES_MAX, "size", f"{len(lines)} lines; {LINES_MAX} are the end, split by idea"
    if not path.endswith((".h", ".cc")):
        return
    if path.endswith(".h") and "#pragma once" not in lines:
        yield 1, "pragma", "a header without #pragma once"
    room = room_of(path)
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if match:
            for rule, text in check_include(path, room, *match.groups()):
                yield number, rule, text


def check_readmes(root, paths):
    """Yields (path, line, rule, text): each room that has files has a short README."""
    rooms = {room_of(p) for p in paths} - {None, PUBLIC_SDK}
    rooms |= {os.path.dirname(p) for p in paths if re.match(r"(sidecar|operator)/[^/]+/[^/]+$", p)}
    for room in sorted(rooms):
        readme = f"{room}/README.md"
        if readme not in paths:
            yield readme, 1, "readme", "a room has a README.md: purpose, main types, what is deliberately absent"
            continue
        with open(os.path.join(root, readme), encoding="utf-8") as file:
            count = len(file.read().splitlines())
        if count > README_LINES_MAX:
            yield readme, README_LINES_MAX, "readme", f"{count} lines; a room's README has at most {README_LINES_MAX}"


def list_files(root):
    """All files that belong to the tree: what git knows or would add; without git, all but build trees."""
    command = ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        found = []
        for folder, folders, files in os.walk(root):
            folders[:] = [f for f in folders if f not in (".git", "build", "__pycache__")]
            found += [os.path.relpath(os.path.join(folder, f), root) for f in files]
    return sorted({p for p in found if p and os.path.isfile(os.path.join(root, p))})


def check_tree(root):
    """All findings as (path, line, rule, text)."""
    paths = list_files(root)
    findings = [(path, *finding) for path in paths for finding in check_file(root, path)]
    return findings + list(check_readmes(root, set(paths)))


# ---- self test ------------------------------------------------------------------------------------------------------

GOOD_TREE = {
    "base/status.h": '#pragma once\n#include <string>\n#include "absl/status/status.h"\n',
    "base/logging.cc": "#include <spdlog/spdlog.h>\n#include <yaml-cpp/yaml.h>\n#include <prometheus/counter.h>\n",
    "sidecar/core/step.h": '#pragma once\n#include <chrono>\n#include "base/status.h"\n#include "base/version.h"\n',
    "sidecar/log/writer.cc": '#include <unistd.h>\n#include "sidecar/core/step.h"\n#include "semper/v1/a.pb.h"\n',
    "sidecar/admin/server.cc": '#include <grpcpp/grpcpp.h>\n#include "semper/v1/a.grpc.pb.h"\n',
    "sidecar/runtime/run.cc": '#include "sidecar/log/writer.h"\n#include "sidecar/admin/server.h"\n',
    "sidecar/main.cc": '#include "sidecar/runtime/run.h"\n',
    "sdk/cpp/include/semper/service.h": '#pragma once\n#include <span>\n#include <google/protobuf/message.h>\n'
                                        '#include "semper/types.h"\n',
    "sdk/cpp/src/link.cc": '#include "base/status.h"\n#include "semper/service.h"\n#include "sdk/cpp/src/link.h"\n',
    "examples/counter/counter.cc": '#include <semper/service.h>\n#include "counter.semper.h"\n',
    "tests/unit/log/writer_test.cc": '#include "tests/support/fake_disk.h"\n#include "sidecar/log/writer.h"\n',
    **{f"{room}/README.md": "A room.\n" for room in (
        "base", "sidecar", "sidecar/core", "sidecar/log", "sidecar/admin", "sidecar/runtime", "sdk/cpp", "examples",
        "tests")},
}

# (rule that must fire, path, content); each alone is added to the good tree.
BAD_FILES = [
    ("direction", "base/ids.cc", '#include "sidecar/core/step.h"\n'),
    ("direction", "base/ids.cc", '#include "semper/v1/a.pb.h"\n'),
    ("direction", "sidecar/core/a.cc", '#include "sidecar/log/writer.h"\n'),
    ("door", "sidecar/core/a.cc", '#include "semper/v1/a.grpc.pb.h"\n'),
    ("direction", "sidecar/log/a.cc", '#include "sidecar/peer/connection.h"\n'),
    ("direction", "sidecar/log/a.cc", '#include "sidecar/runtime/run.h"\n'),
    ("direction", "sidecar/extra.cc", '#include "sidecar/core/core.h"\n'),
    ("direction", "sdk/cpp/src/a.cc", '#include "sidecar/runtime/run.h"\n'),
    ("direction", "examples/counter/a.cc", '#include "sidecar/core/step.h"\n'),
    ("public", "sdk/cpp/include/semper/a.h", '#pragma once\n#include "absl/status/status.h"\n'),
    ("public", "sdk/cpp/include/semper/a.h", '#pragma once\n#include "base/status.h"\n'),
    ("public", "sdk/cpp/include/semper/a.h", '#pragma once\n#include "sidecar/core/step.h"\n'),
    ("public", "sdk/cpp/include/semper/a.h", "#pragma once\n#include <unistd.h>\n"),
    ("door", "sidecar/log/a.cc", "#include <grpcpp/grpcpp.h>\n"),
    ("door", "sidecar/runtime/a.cc", '#include "semper/v1/a.grpc.pb.h"\n'),
    ("door", "sdk/cpp/src/a.cc", "#include <grpc/grpc.h>\n"),
    ("door", "sidecar/peer/a.cc", "#include <prometheus/counter.h>\n"),
    ("door", "sidecar/peer/a.cc", "#include <civetweb.h>\n"),
    ("door", "sidecar/runtime/a.cc", "  #  include <yaml-cpp/yaml.h>\n"),
    ("door", "sidecar/admin/a.cc", '#include "spdlog/spdlog.h"\n'),
    ("door", "sidecar/admin/a.cc", "#include <cpprest/http_client.h>\n"),
    ("core", "sidecar/core/a.cc", "#include <thread>\n"),
    ("core", "sidecar/core/a.cc", "#include <sys/stat.h>\n"),
    ("core", "sidecar/core/a.cc", '#include "absl/time/clock.h"\n'),
    ("tests", "sidecar/log/a.cc", '#include "tests/support/fake_disk.h"\n'),
    ("root", "sidecar/log/a.cc", '#include "writer.h"\n'),
    ("pragma", "base/a.h", "#ifndef A\n#endif\n"),
    ("size", "base/a.cc", "\n" * (LINES_MAX + 1)),
    ("size", "tests/lint/a.py", "\n" * (LINES_MAX + 1)),
    ("name", "base/string_utils.cc", ""),
    ("name", "sidecar/log/helpers/a.cc", ""),
    ("name", "sidecar/peer/peer_manager.h", "#pragma once\n"),
    ("name", "base/misc.cc", ""),
    ("readme", "sidecar/peer/a.cc", ""),
    ("readme", "base/README.md", "\n" * (README_LINES_MAX + 1)),
]


def findings_in(tree):
    with tempfile.TemporaryDirectory() as root:
        for path, content in tree.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(content)
        return check_tree(root)


def self_test():
    failures = [f"fires on a good tree: {f}" for f in findings_in(GOOD_TREE)]
    for rule, path, content in BAD_FILES:
        findings = findings_in({**GOOD_TREE, path: content})
        if rule not in {f[2] for f in findings}:
            failures.append(f"[{rule}] is silent about {path}: {content[:60]!r}; found {findings}")
    exact = findings_in({**GOOD_TREE, "base/a.cc": "\n" * LINES_MAX, "base/README.md": "\n" * README_LINES_MAX})
    if exact:
        failures.append(f"a limit is off by one: {exact}")
    for failure in failures:
        print(failure)
    print(f"rooms.py: {len(BAD_FILES)} bad files, {len(failures)} failures")
    return 1 if failures else 0


def main(arguments):
    if arguments and arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    if arguments == ["--self-test"]:
        return self_test()
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    findings = check_tree(root)
    if arguments:
        places = [os.path.normpath(a) for a in arguments]
        findings = [f for f in findings if any(f[0] == p or f[0].startswith(p + "/") for p in places)]
    for path, line, rule, text in findings:
        print(f"{path}:{line}: [{rule}] {text}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
