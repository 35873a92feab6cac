"""Benchmarks of large states and of standbys: what a checkpoint, a new member and two fellows cost the leader."""

import os
import statistics
import subprocess
import time

from immortals import BenchError, Pair, cpu_seconds, wait_until
from measures import flow_arguments, rates, wait_flow
from report import Row

SIZE = 1024         # of a message of the flow
TIME_LIMIT_S = 60  # of a checkpoint, a restart or a join


def flow(plan, role):
    """As flow_arguments; --quick is for machines that have other work, on which a standby never catches up with a full load."""
    return [*flow_arguments(role, SIZE), *(["--outputs", "16", "--outstanding", "1"] if plan.quick else [])]


def state_pair(plan, roles, standbys=0, options=(), standby_options=()):
    """As Pair, with a state of plan.state_bytes in each member of b. "source", "sink": a flow; else calls."""
    a, b = ((flow(plan, role) if role in ("source", "sink") else ["--role", role]) for role in roles)
    return Pair(plan.binaries, plan.disk, a, [*b, "--state", str(plan.state_bytes)],
                options, standbys, standby_options,
                administered=True)


def take_checkpoint(plan, member):
    """Has the leader take one; seconds until it was published."""
    began = time.monotonic()
    done = subprocess.run([f"{plan.binaries}/semperctl", "checkpoint", "take", "--timeout", str(TIME_LIMIT_S),
                           "--admin-socket", f"{member.place}/admin.sock"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"checkpoint take: {done.stdout}")
    return time.monotonic() - began


def checkpoint_under_way(member):
    place = f"{member.log_dir}/bench/b/checkpoints"
    return os.path.isdir(place) and any(".ckpt.tmp-" in name for name in os.listdir(place))


def start_standby(pair, standby, held=True):
    """Seconds until it is ready. `held`: the flow rests until then."""
    began = time.monotonic()
    pair.a.tally.hold(held)
    standby.start()
    try:
        wait_until(lambda: standby.role() == "following", TIME_LIMIT_S, "a ready standby", pair.check)
    except BenchError as problem:
        raise BenchError(f"{problem}; it says: {standby.ask('/readyz')[1]}") from problem
    pair.a.tally.hold(False)
    return time.monotonic() - began


def expect_leader(pair):
    if pair.b.role() != "leading":
        raise BenchError(f"the leader changed: {pair.b.ask('/readyz')[1]} {pair.b.logs()}")


def commit_buckets(member):
    """Upper bounds in us, and how many batches were committed within them since the start."""
    bounds, counts = [], []
    for line in member.ask("/metrics")[1].splitlines():
        if line.startswith("semper_commit_seconds_bucket"):
            bounds.append(float(line.split('le="')[1].split('"')[0].replace("+Inf", "inf")) * 1e6)
            counts.append(float(line.rsplit(None, 1)[1]))
    return bounds, counts


def quantile(bounds, counts, part):
    """Of a histogram with cumulated counts; between two bounds as if even."""
    wanted, below, lower = part * counts[-1], 0, 0
    for bound, count in zip(bounds, counts):
        if count >= wanted and count > below:
            return lower if bound == float("inf") else lower + (bound - lower) * (wanted - below) / (count - below)
        below, lower = count, bound
    return lower


class Flowing:
    """What the leader did in some spans of time, summed: messages a second, and how long a batch took to be committed."""

    def __init__(self, pair):
        self.pair, self.messages, self.seconds, self.counts, self.bounds = pair, 0, 0, None, None

    def begin(self):
        self.at, self.first = time.monotonic(), self.pair.b.tally.read()["received"]
        self.bounds, self.before = commit_buckets(self.pair.b)

    def end(self):
        # A span of --quick may be shorter than a commit.
        wait_until(lambda: commit_buckets(self.pair.b)[1][-1] > self.before[-1], 10, "a commit that is counted", self.pair.check)
        self.seconds += time.monotonic() - self.at
        self.messages += self.pair.b.tally.read()["received"] - self.first
        after = commit_buckets(self.pair.b)[1]
        so_far = self.counts or [0] * len(after)
        self.counts = [total + new - old for total, new, old in zip(so_far, after, self.before)]

    @property
    def rate(self):
        return self.messages / self.seconds

    def micros(self, part):
        return quantile(self.bounds, self.counts, part)


def flow_rows(name, during, without, more=None):
    """`during` beside `without`: a round's Flowing each. The standby works on the leader's cores here."""
    yield Row(f"{name}_throughput", SIZE, [f.rate for f in during], "messages/s", [f.rate for f in without], "without",
              at_least=0.5, more=more or {})
    for part, limit in ((0.5, 2), (0.99, 3)):
        yield Row(f"{name}_commit_p{part * 100:.0f}", SIZE, [f.micros(part) for f in during], "us",
                  [f.micros(part) for f in without], "without", at_most=limit)


def next_checkpoint(pair, measured, rounds, settle_s):
    """Waits for `rounds` checkpoints; measured(True) and measured(False) begin and end each span."""
    for _ in range(rounds):
        time.sleep(settle_s)
        measured(False, True)
        wait_until(lambda: checkpoint_under_way(pair.b), TIME_LIMIT_S, "a checkpoint", pair.check)
        measured(False, False)
        measured(True, True)
        wait_until(lambda: not checkpoint_under_way(pair.b), TIME_LIMIT_S, "its end", pair.check)
        measured(True, False)
        expect_leader(pair)


def standby_checkpoint(plan):
    """A standby takes a checkpoint of 1 GB: the leader under full load and with calls, beside itself without one."""
    every = ["--checkpoint-every-bytes", f"{16 << 20 if plan.quick else plan.state_bytes * 4}B"]
    with state_pair(plan, ("source", "sink"), 1, standby_options=every) as pair:
        wait_flow(plan, pair, [pair.b.tally])
        start_standby(pair, pair.standbys[0])
        spans = {True: [], False: []}

        def flowing(during, begins):
            if begins:
                spans[during].append(Flowing(pair))
                spans[during][-1].begin()
            else:
                spans[during][-1].end()
        next_checkpoint(pair, flowing, plan.rounds, plan.warm_up)
        yield from flow_rows("standby_checkpoint", spans[True], spans[False],
                             {"seconds": statistics.median(f.seconds for f in spans[True])})
    every = ["--checkpoint-every-bytes", "0", "--checkpoint-interval", f"{1000 * plan.seconds + plan.state_bytes / 3e5:.0f}ms"]
    with state_pair(plan, ("caller", "echo"), 1, standby_options=every) as pair:
        start_standby(pair, pair.standbys[0])
        calls, first = {True: [], False: []}, [0]

        def calling(during, begins):
            if begins:
                first[0] = pair.a.tally.read()["samples"]
            else:
                calls[during].append(sorted(ns / 1000 for ns in pair.a.tally.samples(first[0])) or [float("nan")])
        next_checkpoint(pair, calling, plan.rounds, plan.warm_up)
    for part, limit in ((50, 1.5), (99, 3)):
        yield Row(f"standby_checkpoint_call_p{part}", 16, [c[len(c) * part // 100] for c in calls[True]], "us",
                  [c[len(c) * part // 100] for c in calls[False]], "without", at_most=limit)


def standby_join(plan):
    """A new member joins an immortal with 1 GB of state under full load: time until ready, and the leader meanwhile."""
    with state_pair(plan, ("source", "sink"), 1) as pair:
        wait_flow(plan, pair, [pair.b.tally])
        seconds, during, without = [], [], []
        for _ in range(plan.rounds):
            take_checkpoint(plan, pair.b)
            without.append(Flowing(pair))
            without[-1].begin()
            time.sleep(plan.seconds)
            without[-1].end()
            during.append(Flowing(pair))
            during[-1].begin()
            seconds.append(start_standby(pair, pair.standbys[0], held=False))
            during[-1].end()
            expect_leader(pair)
            pair.standbys[0].kill()
        yield Row("standby_join", plan.state_bytes, seconds, "s", [plan.state_bytes / 100e6 + 2] * len(seconds),
                  "limit: 100 MB/s and 2 s", at_most=1)
        yield from flow_rows("standby_join", during, without)


def leader_seconds(pair):
    """CPU of the leader: coordinator, and coordinator with its service."""
    coordinator = cpu_seconds(pair.b.sidecar.pid)
    return coordinator, coordinator + cpu_seconds(pair.b.service.pid, children=True)


def standbys(plan):
    """With two standbys: CPU per message of the leader with its service, and what it achieves when all share the cores."""
    with Pair(plan.binaries, plan.disk, flow(plan, "source"), flow(plan, "sink"), standbys=2) as pair:
        wait_flow(plan, pair, [pair.b.tally])
        cost, rate = {0: [], 2: []}, {0: [], 2: []}
        for _ in range(plan.rounds):
            for fellows in (0, 2):
                for standby in pair.standbys[:fellows]:
                    start_standby(pair, standby)
                time.sleep(plan.warm_up)
                before, first = leader_seconds(pair), pair.b.tally.read()["received"]
                rate[fellows].append(rates(plan, pair, [pair.b.tally])["received"])
                messages = pair.b.tally.read()["received"] - first
                cost[fellows].append([(now - then) * 1e9 / messages for now, then in zip(leader_seconds(pair), before)])
                expect_leader(pair)
            for standby in pair.standbys:
                standby.kill()
        for i, who in enumerate(("coordinator", "leader")):
            yield Row(f"standbys_cpu_{who}", SIZE, [c[i] for c in cost[2]], "ns/message", [c[i] for c in cost[0]], "without",
                      at_most=1.1)
        yield Row("standbys_throughput", SIZE, rate[2], "messages/s", rate[0], "alone", at_least=0.5)


def checkpoint(plan):
    """1 GB of state: taken, and restored after a kill; and how long a leader that takes it itself lets a caller wait."""
    taken, restored, pauses, quiet = [], [], [], []
    with state_pair(plan, ("caller", "echo"), options=["--checkpoint-every-bytes", "0"]) as pair:
        def calls_since(first, number):
            wait_until(lambda: pair.a.tally.read()["samples"] >= first + number, TIME_LIMIT_S, "calls", pair.check)
            return pair.a.tally.samples(first)
        for _ in range(plan.rounds):
            quiet.append(statistics.median(calls_since(pair.a.tally.read()["samples"], 100)) / 1000)
            for _ in range(plan.checkpoints):
                first = pair.a.tally.read()["samples"]
                taken.append(plan.state_bytes / take_checkpoint(plan, pair.b) / 1e6)
                # The call that was under way at the end, too.
                pauses.append(max(calls_since(first, pair.a.tally.read()["samples"] - first + 2)) / 1e6)
            pair.b.kill()
            began = time.monotonic_ns()
            pair.b.start()
            pair.b.wait_live()
            restored.append(plan.state_bytes / ((pair.b.tally.read()["live_nanos"] - began) / 1e9) / 1e6)
    pauses.sort()
    yield Row("checkpoint_taken", plan.state_bytes, taken, "MB/s", [400], "limit", at_least=1)
    yield Row("checkpoint_restored", plan.state_bytes, restored, "MB/s", [500], "limit", at_least=1)
    yield Row("checkpoint_pause_p99", plan.state_bytes, [pauses[len(pauses) * 99 // 100]], "ms", [5], "limit", at_most=1,
              more={"p50_ms": statistics.median(pauses), "checkpoints": len(pauses), "call_p50_us": statistics.median(quiet)})


ALL = {f.__name__: f for f in (checkpoint, standbys, standby_checkpoint, standby_join)}
