"""What a message, and a batch of its own, cost a coordinator: allocations and instructions, counted one by one.

Counts depend on the program and hardly on the machine, so that they have bounds that a busy machine keeps too (--strict):
one more allocation or one more copy of the bytes goes beyond them."""

import glob
import mmap
import re
import shutil
import struct
import subprocess
import time

from immortals import BenchError, Pair, wait_until
from measures import flow_arguments
from report import Row

QUIET_S = 0.3      # without a message: the flow rests
CALLS = 100        # at least, in one count
WARM_UP_CALLS = 50
WARM_UP_INPUTS = 64  # of a flow, each with as many messages as flow_arguments says


def pair_of(plan, size):
    """Calls one at a time (size 0), each of which is a frame, an output and a commit of its own; or a flow of large frames."""
    if size == 0:
        return Pair(plan.binaries, plan.disk, ["--role", "caller"], ["--role", "echo"])
    return Pair(plan.binaries, plan.disk, flow_arguments("source", size), flow_arguments("sink", size))


def enough(plan, pair, size, warm_up=False):
    """Waits for as many messages as a count needs."""
    per_input = int(flow_arguments("source", size)[5]) if size else 1
    wanted = (WARM_UP_INPUTS if warm_up else 2 * WARM_UP_INPUTS) * per_input if size else WARM_UP_CALLS if warm_up else CALLS
    first, tally = pair.b.tally.read()["received"], pair.b.tally
    time.sleep(0 if plan.quick else plan.seconds)
    wait_until(lambda: tally.read()["received"] - first >= wanted, 60, f"{wanted} messages", pair.check)


def at_rest(pair, size):
    """Holds a flow until nothing is under way. Calls go on: one of them more or less does not matter."""
    pair.a.tally.hold(True)
    last = -1
    while size and last != (last := pair.b.tally.read()["received"]):
        time.sleep(QUIET_S)
    return pair.b.tally.read()["received"]


class Allocations:
    """Counts those of one coordinator, by bench/allocations.cc."""

    def __init__(self, plan, member):
        self.path = f"{member.place}/allocations"
        member.environment = {"LD_PRELOAD": f"{plan.binaries}/libbench_allocations.so", "SEMPER_ALLOCATIONS": self.path}

    def begin(self):
        with open(self.path, "r+b") as file:
            self.words = mmap.mmap(file.fileno(), 0)
        self.first = self.count()

    def count(self):
        return struct.unpack_from("<Q", self.words, 0)[0]

    def tell(self, number):
        """Stacks of so many more go to the coordinator's log."""
        struct.pack_into("<Q", self.words, 16, number)

    def end(self):
        return self.count() - self.first


class Instructions:
    """Counts those of one coordinator in user space, by callgrind."""

    def __init__(self, _, member):
        self.member, self.out = member, f"{member.place}/callgrind"
        member.command = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={self.out}"]

    def _control(self, what):
        done = subprocess.run(["callgrind_control", what, str(self.member.sidecar.pid)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise BenchError(f"callgrind_control {what}: {done.stdout}")

    def begin(self):
        self._control("-z")

    def end(self):
        self._control("-d")
        wait_until(lambda: glob.glob(f"{self.out}.*"), 20, "a profile")
        with open(max(glob.glob(f"{self.out}.*")), encoding="utf-8") as file:
            return int(re.findall(r"^(?:totals|summary): (\d+)", file.read(), re.MULTILINE)[-1])


def count_once(plan, counter, size):
    pair = pair_of(plan, size)
    counters = {who: counter(plan, member) for who, member in (("a", pair.a), ("b", pair.b))}
    with pair:
        enough(plan, pair, size, warm_up=True)
        before = at_rest(pair, size)
        for one in counters.values():
            one.begin()
        pair.a.tally.hold(False)
        enough(plan, pair, size)
        messages = at_rest(pair, size) - before
        pair.check()
        return {who: one.end() / messages for who, one in counters.items()}


def count(plan, counter, size, limit):
    """What the coordinators of sender and receiver need per message. A count beyond the limit is taken anew, twice: other work of
    the machine, which makes reads and commits smaller, adds to a count; code that needs more adds to each."""
    per_message = {"a": [], "b": []}
    for _ in range(plan.rounds):
        once = count_once(plan, counter, size)
        for _ in range(2):
            if max(once.values()) > limit:
                once = {who: min(value, once[who]) for who, value in count_once(plan, counter, size).items()}
        for who, value in once.items():
            per_message[who].append(value)
    return per_message


# A call, with its commit and look-up, allocates nothing: these are of timers and notes.
ALLOCATIONS_PER_CALL = 0.5
ALLOCATIONS_PER_1000 = 0.25  # of large frames: some for a commit, none for a message


def allocations(plan):
    """Allocations of a coordinator per call (a frame, an output, a commit of its own) and per 1,000 messages of a flow."""
    for size, name, unit, factor, limit in ((0, "call", "/call", 1, ALLOCATIONS_PER_CALL),
                                            (16, "flow", "/1000", 1000, ALLOCATIONS_PER_1000)):
        for who, values in count(plan, Allocations, size, limit / factor).items():
            yield Row(f"allocations_{name}_{who}", size or 16, [factor * v for v in values], unit, [limit], "limit", at_most=1)


# Per call, or per message of a flow: a tenth above what it is. One copy more of 64 KiB is a fifth.
INSTRUCTIONS = {0: 27_000, 16: 7.5, 65536: 22_500}


def instructions(plan):
    """Instructions of a coordinator per call and per message of a flow, by callgrind; a copy of the bytes more is seen."""
    if shutil.which("valgrind") is None:
        raise BenchError("valgrind is not installed (Debian: valgrind)")
    for size, limit in INSTRUCTIONS.items():
        for who, values in count(plan, Instructions, size, limit).items():
            yield Row(f"instructions_{'flow' if size else 'call'}_{who}", size or 16, values, "/message" if size else "/call",
                      [limit], "limit", at_most=1)


ALL = {f.__name__: f for f in (allocations, instructions)}
