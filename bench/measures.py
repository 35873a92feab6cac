"""One function per benchmark. Each yields rows for report.py, and interleaves ours with its yardstick."""

import contextlib
import json
import os
import statistics
import subprocess
import time

from immortals import BenchError, Pair, cpu_seconds, private_kib, wait_until
from report import Row

SIZES = (16, 64, 1024, 65536)
OUTPUTS_MAX = 1000            # of one logged input
BYTES_PER_INPUT = 1 << 20     # large messages: fewer of them per input
MIXED_MEAN = 355              # of the sizes of Content::kMixed (bench/pattern.h)
BYTES_OUTSTANDING = 32 << 20  # enough to keep four processes and a disk busy


class Plan:
    """How long and how often, and where."""

    def __init__(self, arguments):
        quick = self.quick = arguments.quick
        self.binaries, self.disk, self.svg = arguments.bin, arguments.disk, arguments.svg
        self.rounds = arguments.rounds or (1 if quick else 5)
        self.seconds = 0.4 if quick else 3
        self.warm_up = 0.2 if quick else 2
        self.sizes = (16, 65536) if quick else SIZES
        self.steady_bytes = 0 if quick else 5 << 30
        self.state_bytes = arguments.state or (16 << 20 if quick else 1_000_000_000)
        self.steady_seconds = 1 if quick else 40
        self.checkpoints = 2 if quick else 10  # in a round
        self.grow_bytes = arguments.grow_bytes or (64 << 20 if quick else 5_000_000_000)
        self.grow_seconds = arguments.grow_seconds or (2 if quick else 60)

    def run(self, program, *arguments):
        """One of the yardsticks: a program that prints one JSON object."""
        command = [f"{self.binaries}/{program}", *map(str, arguments)]
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=120, check=False)
        if done.returncode != 0:
            raise BenchError(f"{' '.join(command)} ended with {done.returncode}")
        return json.loads(done.stdout)

    def bare_path(self, size):
        return self.run("bench_bare_path", "--size", size, "--seconds", self.seconds, "--warm-up",
                        self.warm_up, "--file", f"{self.disk}/semper-bench-bare")

    def disk_sync(self, *arguments):
        return self.run("bench_disk_sync", "--file", f"{self.disk}/semper-bench-sync", *arguments,
                        "--count", 200 if self.quick else 2000)

    def grpc(self, mode, size, window=64):
        return self.run("bench_grpc_echo", "--mode", mode, "--size", size, "--window", window,
                        "--seconds", self.seconds)


def flow_arguments(role, size):
    outputs = max(1, min(OUTPUTS_MAX, BYTES_PER_INPUT // size))
    outstanding = max(4, min(1024, BYTES_OUTSTANDING // (outputs * size)))
    return ["--role", role, "--size", str(size), "--outputs", str(outputs), "--outstanding", str(outstanding)]


def flow_pair(plan, size, roles=("source", "sink"), options=(), content=None, others=0):
    more = ["--content", content] if content else []
    return Pair(plan.binaries, plan.disk, [*flow_arguments(roles[0], size), *more], [*flow_arguments(roles[1], size), *more],
                options, others=others)


def wait_flow(plan, pair, tallies):
    """Until messages arrive and are committed, and then the time that a steady state needs."""
    wait_until(lambda: all(t.read()["committed"] > 0 for t in tallies), 30, "a committed message", pair.check)
    time.sleep(plan.warm_up)


def rates(plan, pair, tallies):
    """Messages per second, received and committed, summed over `tallies`."""
    before, began = [t.read() for t in tallies], time.monotonic()
    time.sleep(plan.seconds)
    after, elapsed = [t.read() for t in tallies], time.monotonic() - began
    pair.check()
    per_second = {w: sum(a[w] - b[w] for a, b in zip(after, before)) / elapsed for w in ("received", "committed")}
    if per_second["received"] <= 0:
        raise BenchError(f"no message arrived in {elapsed:.1f} s: {pair.a.logs()}{pair.b.logs()}")
    return per_second


def warm_up_by_bytes(plan, pair, size):
    """Until the log of B uses its own old segments anew, as that of a service that runs for long; returns the rate of the
    beginning, when each byte goes to a place of the disk that was not written before."""
    tally, began, young = pair.b.tally, time.monotonic(), None
    wait_flow(plan, pair, [tally])
    while True:
        logged, elapsed = tally.read()["received"] * size, time.monotonic() - began
        if young is None and (logged > plan.steady_bytes / 4 or elapsed > plan.steady_seconds / 4):
            young = tally.read()["received"] / elapsed
        if logged > plan.steady_bytes or elapsed > plan.steady_seconds:
            return young
        pair.check()
        time.sleep(0.05)


def hold(pair, held):
    """Stops what flows in a pair, or lets it go on."""
    for one in (pair.a, *pair.others, pair.b):
        if one.tally is not None:
            one.tally.hold(held)


def beside_bare_path(plan, name, size, at_least, content=None):
    bare, ours, committed = [], [], []
    with flow_pair(plan, size, content=content) as pair:
        young = warm_up_by_bytes(plan, pair, size)
        for _ in range(plan.rounds):
            hold(pair, True)
            bare.append(plan.bare_path(size)["messages_per_second"])
            hold(pair, False)
            time.sleep(plan.warm_up)
            flow = rates(plan, pair, [pair.b.tally])
            ours.append(flow["received"])
            committed.append(flow["committed"])
    remove(f"{plan.disk}/semper-bench-bare")
    return Row(name, size, ours, "messages/s", bare, "bare path", at_least=at_least,
               more={"committed": statistics.median(committed), "young": young})


def oneway(plan):
    """Messages a second from immortal to immortal, beside the bare path."""
    for size in plan.sizes:
        yield beside_bare_path(plan, "oneway", size, 0.5)


def typed(plan):
    """One way with protobuf messages of 16 B and typed handlers, beside the bare path."""
    yield beside_bare_path(plan, "typed", 16, 0.12, "typed")


def in_turns(plan, pairs, size, sinks=lambda pair: [pair.b]):
    """Messages a second that the sinks of each pair received, by rounds; the other pairs rest meanwhile."""
    per_second = [[] for _ in pairs]
    with contextlib.ExitStack() as stack:
        for pair in pairs:
            stack.enter_context(pair)
            for one in pair.others:
                one.start()
            for one in pair.others:
                one.wait_live()
            warm_up_by_bytes(plan, pair, size)
            hold(pair, True)
        for _ in range(plan.rounds):
            for pair, values in zip(pairs, per_second):
                hold(pair, False)
                time.sleep(plan.warm_up)
                values.append(rates(plan, pair, [one.tally for one in sinks(pair)])["received"])
                hold(pair, True)
    return per_second


def mix(plan):
    """One way with 37 B, 8 B to 4 KiB mixed, incompressible bytes, three sources: beside messages of one even size."""
    for name, size, even, more in (("odd", 37, 40, {}), ("mixed", MIXED_MEAN, MIXED_MEAN, {"content": "mixed"}),
                                   ("random", 1024, 1024, {"content": "random"}), ("three_sources", 16, 16, {"others": 2})):
        yardstick, ours = in_turns(plan, [flow_pair(plan, even), flow_pair(plan, size, **more)], size)
        yield Row(f"mix_{name}", size, ours, "messages/s", yardstick, f"one source, {even} B, all alike", at_least=0.7)


def twoway(plan):
    """Both directions at once: the sum, beside one direction alone."""
    for size in (16,) if plan.quick else (16, 1024):
        one, both = in_turns(plan, [flow_pair(plan, size), flow_pair(plan, size, ("both", "both"))], size,
                             lambda pair: [pair.a, pair.b])
        yield Row("twoway", size, both, "messages/s", one, "one way", at_least=0.8)


def roundtrip(plan):
    """A to B and back with one message outstanding, as A's service sees it; both inputs committed."""
    half, rare, limit, grpc, sync = [], [], [], [], []
    for _ in range(plan.rounds):
        sync.append(plan.disk_sync()["p50_us"])
        grpc.append(plan.grpc("unary", 16, 1)["p50_us"])
        limit.append(2 * sync[-1] + 1.5 * grpc[-1])
        with Pair(plan.binaries, plan.disk, ["--role", "caller"], ["--role", "echo"]) as pair:
            tally = pair.a.tally
            wait_until(lambda: tally.read()["samples"] >= 100, 30, "100 round trips", pair.check)  # noqa: B023
            first = tally.read()["samples"]
            time.sleep(plan.seconds)
            pair.check()
            micros = sorted(ns / 1000 for ns in tally.samples(first))
        if not micros:
            raise BenchError("no round trip ended")
        half.append(micros[len(micros) // 2])
        rare.append(micros[len(micros) * 99 // 100])
    yield Row("roundtrip_p50", 16, half, "us", limit, "2 fdatasync p50 + 1.5 gRPC p50", at_most=1,
              more={"fdatasync_p50": statistics.median(sync), "grpc_unary_p50": statistics.median(grpc)})
    yield Row("roundtrip_p99", 16, rare, "us", half, "its p50", at_most=3)


def recovery(plan):
    """How fast the log is replayed, beside the rate at which it was written; B is killed and begins anew."""
    for size in (16,) if plan.quick else (16, 65536):
        replayed, live, restart = [], [], []
        for _ in range(plan.rounds):
            # Without checkpoints, so that everything is replayed.
            with flow_pair(plan, size, options=["--checkpoint-every-bytes", "0"]) as pair:
                wait_flow(plan, pair, [pair.b.tally])
                live.append(rates(plan, pair, [pair.b.tally])["received"])
                pair.a.kill()
                committed = pair.b.tally.read()["committed"]
                pair.b.kill()
                began = time.monotonic_ns()
                pair.b.start()
                pair.b.wait_live()
                end = pair.b.tally.read()
                if end["received"] < committed:
                    raise BenchError(f"{committed} messages were committed, {end['received']} came back")
                replayed.append(end["received"] / ((end["live_nanos"] - end["first_nanos"]) / 1e9))
                restart.append((end["live_nanos"] - began) / 1e9)
        yield Row("recovery", size, replayed, "messages/s", live, "live rate", at_least=0.5,
                  more={"restart_to_live_s": statistics.median(restart)})


def footprint(plan):
    """Private memory and CPU of a coordinator, idle and under full load."""
    with flow_pair(plan, 16, ("sink", "sink")) as pair:
        time.sleep(1)
        before, began = cpu_seconds(pair.b.sidecar.pid), time.monotonic()
        time.sleep(2 if plan.quick else 20)
        percent = 100 * (cpu_seconds(pair.b.sidecar.pid) - before) / (time.monotonic() - began)
        yield Row("idle_memory", None, [private_kib(pair.b.sidecar.pid) / 1024], "MiB", [15], "limit", at_most=1)
        yield Row("idle_cpu", None, [percent], "% of a core", [0.2], "limit", at_most=1)
    for size in plan.sizes[:1] if plan.quick else (16, 65536):
        with flow_pair(plan, size) as pair:
            wait_flow(plan, pair, [pair.b.tally])
            peak = {"a": 0, "b": 0}
            pids = {"a": pair.a.sidecar.pid, "b": pair.b.sidecar.pid}
            cpu = {who: cpu_seconds(pid) for who, pid in pids.items()}
            began = time.monotonic()
            while time.monotonic() - began < 2 * plan.seconds:
                for who, pid in pids.items():
                    peak[who] = max(peak[who], private_kib(pid) / 1024)
                time.sleep(0.1)
            elapsed = time.monotonic() - began
            pair.check()
            for who, pid in pids.items():
                yield Row(f"load_memory_{who}", size, [peak[who]], "MiB", [100], "limit", at_most=1,
                          more={"cpu_percent": 100 * (cpu_seconds(pid) - cpu[who]) / elapsed})


def fsync(plan):
    """The disk: fdatasync of a few bytes more, by how the file was prepared."""
    for size in (4096, 65536, 1 << 20):
        count = ("--size", size) if size < 1 << 20 else ("--size", size, "--count", 100)
        written, grown, reserved = [], [], []
        for _ in range(plan.rounds):
            written.append(plan.disk_sync(*count, "--prepare", "written")["p50_us"])
            reserved.append(plan.disk_sync(*count, "--prepare", "reserved")["p50_us"])
            grown.append(plan.disk_sync(*count, "--prepare", "none")["p50_us"])
        yield Row("fsync_p50", size, written, "us", reserved, "fallocate only",
                  more={"growing_file": statistics.median(grown)})


def grpc(plan):
    """One way at 16 B beside what gRPC carries, which is neither durable nor exactly once."""
    ours, stream, unary, single = [], [], [], []
    with flow_pair(plan, 16) as pair:
        warm_up_by_bytes(plan, pair, 16)
        for _ in range(plan.rounds):
            ours.append(rates(plan, pair, [pair.b.tally])["received"])
            hold(pair, True)
            stream.append(plan.grpc("stream", 16)["messages_per_second"])
            unary.append(plan.grpc("unary", 16, 64)["messages_per_second"])
            single.append(plan.grpc("unary", 16, 1)["messages_per_second"])
            hold(pair, False)
            time.sleep(plan.warm_up)
    yield Row("oneway_over_grpc_stream", 16, ours, "messages/s", stream, "gRPC stream", at_least=20)
    yield Row("oneway_over_grpc_unary_64", 16, ours, "messages/s", unary, "gRPC unary, 64 outstanding", at_least=300)
    yield Row("oneway_over_grpc_unary_1", 16, ours, "messages/s", single, "gRPC unary, 1 outstanding")


def remove(path):
    if os.path.exists(path):
        os.unlink(path)


ALL = {f.__name__: f for f in (oneway, mix, typed, twoway, roundtrip, recovery, footprint, fsync, grpc)}
