#!/usr/bin/env python3
"""Makes a small real log, and compares what tools/logdump.py and semperctl say of it, whole and damaged.

usage: logdump_test.py FOLDER-OF-BINARIES
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

NAME = "demo/counter"
TOOL = os.path.join(os.path.dirname(__file__), "../../../tools/logdump.py")
WAIT_SECONDS = 120


class Failure(Exception):
    """What the test found wrong."""


def run_epoch(binaries, root, numbers):
    """One life of coordinator and service: adds `numbers`, waits for the totals, and kills both."""
    link = os.path.join(root, "link")
    coordinator = subprocess.Popen(
        [f"{binaries}/semper-sidecar", "--name", NAME, "--log-dir", f"{root}/log", "--genesis", "create",
         "--service-socket", link, "--admin-socket", "", "--admin-http", "", "--peer-listen", "127.0.0.1:0",
         "--segment-bytes", "64KiB"], stderr=subprocess.DEVNULL)
    service = subprocess.Popen([f"{binaries}/semper-counter", f"--semper-link=unix:{link}"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    clock = threading.Timer(WAIT_SECONDS, service.kill)
    clock.start()
    try:
        for begin in range(0, numbers, 500):
            count = min(500, numbers - begin)
            service.stdin.write("1\n" * count)
            service.stdin.flush()
            for _ in range(count):
                if not service.stdout.readline().startswith("input "):
                    raise Failure("the counter ended before it had answered")
    finally:
        clock.cancel()
        for process in (coordinator, service):
            process.kill()
            process.wait()
        service.stdin.close()
        service.stdout.close()


def ask_reader(root, verb="totals"):
    """(exit status, {key: value} of the output, standard error) of the reader."""
    done = subprocess.run([sys.executable, TOOL, verb, f"{root}/log/{NAME}"], capture_output=True, text=True, check=False)
    return done.returncode, dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line), done.stderr


def ask_semperctl(binaries, root):
    """(exit status, all that it says) of semperctl log verify."""
    done = subprocess.run([f"{binaries}/semperctl", "log", "verify", "--log-dir", f"{root}/log", "--name", NAME],
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def flip(path, offset):
    """Changes one bit."""
    with open(path, "r+b") as file:
        file.seek(offset)
        value = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([value ^ 4]))


def read_records(root):
    """{epoch: [(segment file, offset, end)]} as the reader dumps them."""
    dumped = subprocess.run([sys.executable, TOOL, "dump", f"{root}/log/{NAME}"], capture_output=True, text=True, check=True)
    records, path = {}, ""
    for line in dumped.stdout.splitlines():
        words = line.split()
        if words[0] == "segment":
            path = f"log/{NAME}/log/{words[1]}"
        elif words[0].isdecimal():
            records.setdefault(int(path.rpartition("/")[2][:16], 16), []).append((path, int(words[0])))
    return records


def compare_whole(binaries, root):
    """Whether both tell the same totals of a log without damage; returns them."""
    status, totals, errors = ask_reader(root)
    status_too, said = ask_semperctl(binaries, root)
    mine = {key: totals.get(key.replace("_", " ")) for key in ("records", "inputs", "bytes", "last_index", "chain")}
    if (status, status_too) != (0, 0) or dict(re.findall(r"(\w+)=(\S+)", said)) != mine:
        raise Failure(f"reader: {status} {mine} {errors}; semperctl: {status_too} {said}")
    return mine


def compare_damaged(binaries, root, what, path, offset):
    """Whether both name `path` and `offset` as the place of the damage; semperctl tells a missing file without offset."""
    status, _, errors = ask_reader(root)
    status_too, said = ask_semperctl(binaries, root)
    place = (os.path.basename(path), str(offset))
    mine = re.search(r"([^/\s]+): at offset (\d+)", errors)
    other = re.search(r"([^/\s]+), offset (\d+)", said) or re.search(r"([^/\s]+) (?:is)() missing", said)
    if (status, status_too) != (1, 1) or not mine or not other or mine.groups() != place \
            or other.groups() != (place if other.group(2) else (place[0], "")):
        raise Failure(f"{what}: expected {place}; reader: {status} {errors}; semperctl: {status_too} {said}")


def check_damage(binaries, root):
    """Damages copies of the log, and looks at what both say."""
    records = read_records(root)
    middle, offset = records[1][len(records[1]) // 2]
    end, last = records[1][-5]  # the last one may have been copied, so that it does not count here
    newest, torn = records[3][-1]
    cases = (
        ("a bit of a body", lambda p: flip(f"{p}/{middle}", offset + 100), middle, offset),
        ("a bit of a record's header", lambda p: flip(f"{p}/{middle}", offset + 60), middle, offset),
        ("a tail that counts is cut", lambda p: os.truncate(f"{p}/{end}", last + 50), end, last),
        ("a segment is removed", lambda p: os.remove(f"{p}/{middle}"), middle, 0),
        ("a bit of the newest epoch", lambda p: flip(f"{p}/{newest}", records[3][-3][1] + 100), newest, records[3][-3][1]),
    )
    for what, damage, path, place in cases:
        with tempfile.TemporaryDirectory() as copy:
            shutil.copytree(f"{root}/log", f"{copy}/log")
            damage(copy)
            compare_damaged(binaries, copy, what, path, place)
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(f"{root}/log", f"{copy}/log")
        whole = compare_whole(binaries, copy)
        os.truncate(f"{copy}/{newest}", torn + 50)
        if int(compare_whole(binaries, copy)["records"]) != int(whole["records"]) - 1:
            raise Failure("a torn tail is not one record less")


def main(binaries):
    with tempfile.TemporaryDirectory() as root:
        os.mkdir(f"{root}/log")
        for numbers in (700, 20, 20):
            run_epoch(binaries, root, numbers)
        if compare_whole(binaries, root)["inputs"] != "741":
            raise Failure("not every input is in the log")
        check_damage(binaries, root)
    print("logdump_test: ok")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        main(sys.argv[1])
    except Failure as failure:
        sys.exit(f"logdump_test: {failure}")
