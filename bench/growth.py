"""Whether a message costs the receiver's coordinator the same with many peers, a long log, and after a long time."""

import contextlib
import subprocess
import time

from immortals import BenchError, cpu_seconds, wait_until
from measures import flow_pair
from report import Row

SIZE = 16
FLAT = 1.1         # at most so much more than at the beginning
LIMIT_S = 120      # for all sources to be there
YOUNG_BYTES = 1 << 20
YOUNG_SECONDS = 10  # of running, before which nothing counts as old


def nanos_per_message(plan, pair, seconds=None):
    """CPU of B's coordinator while it receives."""
    seconds = seconds or plan.seconds
    before, first = cpu_seconds(pair.b.sidecar.pid), pair.b.tally.read()["received"]
    time.sleep(seconds)
    pair.check()
    messages = pair.b.tally.read()["received"] - first
    if messages == 0:
        raise BenchError(f"no message arrived in {seconds} s")
    return (cpu_seconds(pair.b.sidecar.pid) - before) * 1e9 / messages


@contextlib.contextmanager
def sources(plan, pair, number):
    """So many immortals that send to B, together as much as one would."""
    process = subprocess.Popen([f"{plan.binaries}/bench_sources", "--port", str(pair.b.port), "--sources", str(number),
                                "--size", str(SIZE)])
    try:
        first = pair.b.tally.read()["committed"]

        def alive():
            pair.check()
            if process.poll() is not None:
                raise BenchError(f"bench_sources ended with {process.returncode}")
        wait_until(lambda: pair.b.tally.read()["committed"] > first, LIMIT_S, "a committed message", alive)
        time.sleep(plan.warm_up)
        yield
        alive()
    finally:
        process.kill()
        process.wait()


def peers(plan):
    """CPU of a coordinator per message with 10, 100 and 1,000 peers that send, beside one, at equal frames."""
    for number in (10, 100) if plan.quick else (10, 100, 1000):
        one, many = [], []
        with flow_pair(plan, SIZE, ("sink", "sink")) as single, flow_pair(plan, SIZE, ("sink", "sink")) as pair:
            for _ in range(plan.rounds):
                with sources(plan, single, 1):
                    one.append(nanos_per_message(plan, single))
                with sources(plan, pair, number):
                    many.append(nanos_per_message(plan, pair))
        yield Row(f"growth_peers_{number}", SIZE, many, "ns/message", one, "1 peer", at_most=FLAT)


def young_log(plan):
    """Of a log that begins: by the clock until a megabyte is logged, then as fast as it goes."""
    with flow_pair(plan, SIZE) as pair:
        pair.a.tally.set_rate(YOUNG_BYTES / SIZE / 2)
        wait_until(lambda: pair.b.tally.read()["received"] * SIZE >= YOUNG_BYTES, 60, "a megabyte", pair.check)
        pair.a.tally.set_rate(0)
        return nanos_per_message(plan, pair, min(1, plan.seconds))


def growth(plan):
    """CPU of a coordinator per message as peers grow to 1,000, the log to --grow-bytes (5 GB), time to --grow-seconds (60)."""
    yield from peers(plan)
    young = [young_log(plan) for _ in range(plan.rounds)]
    with flow_pair(plan, SIZE) as pair:
        began, tally = time.monotonic(), pair.b.tally

        def measured(ready, limit_s, what):
            wait_until(ready, limit_s, what, pair.check)
            return [nanos_per_message(plan, pair) for _ in range(plan.rounds)]
        settled = measured(lambda: time.monotonic() - began >= min(YOUNG_SECONDS, plan.grow_seconds), 60, "10 s")
        grown = measured(lambda: tally.read()["received"] * SIZE >= plan.grow_bytes, 3600, f"a log of {plan.grow_bytes} bytes")
        logged = tally.read()["received"] * SIZE
        old = measured(lambda: time.monotonic() - began >= plan.grow_seconds, 2 * plan.grow_seconds, "its age")
        yield Row("growth_log", SIZE, grown, "ns/message", young, "1 MB logged", at_most=FLAT, more={"bytes": logged})
        yield Row("growth_time", SIZE, old, "ns/message", settled, "after 10 s", at_most=FLAT,
                  more={"seconds": time.monotonic() - began})


ALL = {growth.__name__: growth}
