"""Latency at a part of the peak: an open loop, by the clock, so that whoever is late makes nobody else wait."""

import statistics
import time

from immortals import BenchError, Pair
from measures import rates, warm_up_by_bytes
from plot import Series, write_svg
from report import Row

SHARES = (10, 50, 80)         # per cent of the peak
BYTES_PER_INPUT = 16 << 10    # of messages that one impulse sends
OUTSTANDING = 256             # impulses, for the peak
PARTS = (50, 99)


def loaded_pair(plan, size):
    flow = ["--size", str(size), "--outputs", str(min(1000, BYTES_PER_INPUT // size)), "--outstanding", str(OUTSTANDING)]
    return Pair(plan.binaries, plan.disk, ["--role", "source", *flow], ["--role", "sink", *flow])


def at_rate(plan, pair, rate):
    """Messages a second that were received, and the sorted latencies in us. 0: the peak, and nothing."""
    pair.a.tally.set_rate(rate)
    time.sleep(plan.warm_up)
    first = pair.b.tally.read()["samples"]
    received = rates(plan, pair, [pair.b.tally])["received"]
    micros = sorted(ns / 1000 for ns in pair.b.tally.samples(first))
    if rate and not micros:
        raise BenchError(f"nothing was committed at {rate:.0f} messages/s")
    return received, micros


def load(plan):
    """Latency until committed at the receiver, at 10, 50 and 80 % of the peak; --svg FILE draws it."""
    series = []
    for size in (16,) if plan.quick else (16, 1024):
        peak, received, micros = [], {s: [] for s in SHARES}, {(s, p): [] for s in SHARES for p in PARTS}
        with loaded_pair(plan, size) as pair:
            warm_up_by_bytes(plan, pair, size)
            for _ in range(plan.rounds):
                peak.append(at_rate(plan, pair, 0)[0])
                for share in SHARES:
                    rate, latencies = at_rate(plan, pair, peak[-1] * share / 100)
                    received[share].append(rate)
                    for part in PARTS:
                        micros[share, part].append(latencies[len(latencies) * part // 100])
        for share in SHARES:
            yield Row(f"load_{share}", size, received[share], "messages/s", [p * share / 100 for p in peak], "offered", at_least=0.95)
            for part in PARTS:
                yield Row(f"load_{share}_p{part}", size, micros[share, part], "us", micros[SHARES[0], part],
                          f"at {SHARES[0]} %")
        series += [Series(f"{size} B, p{part}", [(statistics.median(received[s]) / statistics.median(peak) * 100,
                                                  statistics.median(micros[s, part])) for s in SHARES]) for part in PARTS]
    if plan.svg:
        write_svg(plan.svg, "Latency until committed at the receiver", "messages a second, % of the peak", "us", series,
                  time.strftime("%Y-%m-%d"))


ALL = {load.__name__: load}
